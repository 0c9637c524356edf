"""What ended stands still on every page; what is over says so; forms of closing."""

from __future__ import annotations

import datetime as dt
import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from evidence.accounts.access import Role
from incidents.models import ActionItem, GateWaiver, Incident, Team
from incidents.services.alerts.moves import move_alerts
from incidents.services.lifecycle.aftermath import Aftermath
from incidents.services.lifecycle.closing import (
    close_as_duplicate,
    reopen_incident,
)
from incidents.services.lifecycle.editing import IncidentChanges, edit_incident
from incidents.services.lifecycle.links import link_ticket
from incidents.services.lifecycle.reclassifying import reclassify_incident
from incidents.services.postmortems.action_items import (
    ActionItemFields,
    add_action_item,
)
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.phases import Phase
from incidents.workflow.postmortem import ActionItemType
from policy.services.kill_switches import activate_kill_switch
from tests.factories import (
    NOON,
    close_false_alarm,
    make_evidence,
    make_incident,
    make_playbook,
    make_snapshot,
    make_user,
)
from tests.incidents.alerts.samples import make_rules, receive_one
from tests.incidents.services.test_phases import reach, waive

pytestmark = [pytest.mark.django_db, pytest.mark.long]
SOON = NOON + dt.timedelta(minutes=10)
LATER = NOON + dt.timedelta(hours=1)
LIST = reverse("admin:incidents_incident_changelist")


def end_as_duplicate() -> Incident:
    incident = make_incident()
    close_as_duplicate(
        actor=make_user(Role.REVIEWER),
        incident_id=incident.pk,
        original=make_incident(extension_ids=("ext.other",)).reference,
        reason="the same call",
        now=LATER,
    )
    return incident


def end_as_false_alarm() -> Incident:
    return close_false_alarm(make_incident(), now=LATER)


def add_item(incident: Incident, text: str) -> ActionItem:
    fields = ActionItemFields(
        text=text,
        item_type=ActionItemType.DETECTIVE,
        owner=make_user(),
        due_on=(NOON + dt.timedelta(days=400)).date(),
    )
    return add_action_item(
        actor=make_user(), incident_id=incident.pk, item=fields, now=LATER
    )


def reopen(incident: Incident) -> None:
    reopen_incident(
        actor=make_user(Role.REVIEWER),
        incident_id=incident.pk,
        reason="it was real",
    )


def page(client: Client, incident: Incident, query: str = "") -> str:
    url = reverse("admin:incidents_incident_change", args=[incident.pk])
    return client.get(f"{url}{query}").content.decode()


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def do(client: Client, incident: Incident, key: str, **values: Any) -> Any:
    url = reverse("admin:incidents_incident_do", args=[incident.pk, key])
    return client.post(url, values, follow=True)


@pytest.fixture
def reviewer(client: Client) -> Client:
    client.force_login(make_user(Role.REVIEWER))
    return client


class TestPastCycle:
    @pytest.fixture
    def reopened(self) -> Incident:
        incident = end_as_false_alarm()
        reopen(incident)
        make_evidence(incident, name="second-cycle.json")
        make_snapshot(incident)
        return incident

    def test_tabs_of_today_say_so(self, reviewer: Client, reopened: Incident) -> None:
        for tab in ("evidence", "policy", "alerts", "timeline", "history"):
            past = words(page(reviewer, reopened, f"?tab={tab}&cycle=1"))
            assert "as the case stands today, in every cycle" in past, tab
            present = words(page(reviewer, reopened, f"?tab={tab}"))
            assert "as the case stands today" not in present, tab

    def test_nothing_of_it_is_offered_to_be_changed(
        self, reviewer: Client, reopened: Incident
    ) -> None:
        kept = {"/do/write/", "/do/confirm-kill/"}
        for tab in ("evidence", "policy", "checklist", "timeline"):
            html = page(reviewer, reopened, f"?tab={tab}&cycle=1")
            assert set(re.findall(r"/do/[\w-]+/", html)) <= kept, tab

    def test_header_tells_how_it_ended_not_how_the_case_stands_now(
        self, reviewer: Client
    ) -> None:
        incident = end_as_duplicate()
        reopen(incident)
        close_false_alarm(incident)
        Incident.objects.filter(pk=incident.pk).update(severity="critical")
        past = words(page(reviewer, incident, "?cycle=1"))
        head = past[past.index(incident.reference) : past.index("Detected")]
        assert "Closed as duplicate" in past
        assert "Closed as false alarm" not in past
        assert "Critical" not in head
        assert "/do/reopen/" not in page(reviewer, incident, "?cycle=1")
        assert "/do/reopen/" in page(reviewer, incident)

    def test_head_of_a_past_cycle_is_that_of_then(
        self, reviewer: Client, reopened: Incident
    ) -> None:
        then = Incident.objects.get(pk=reopened.pk)
        actor = make_user()
        edit_incident(
            actor=actor,
            incident_id=then.pk,
            revision=then.revision,
            reason="it grew",
            changes=IncidentChanges(
                title="Another matter",
                severity="critical",
                extension_ids=("ext.later",),
                lead=make_user(username="new.lead"),
                team=Team.objects.create(name="Night watch"),
                labels=("spread",),
            ),
        )
        link_ticket(actor=actor, incident_id=then.pk, ticket="bd-99", url="")
        other = make_playbook("INC-5")
        reclassify_incident(
            actor=actor, incident_id=then.pk, playbook_version=other, reason="tampered"
        )
        of_today = ("Another matter", "ext.later", "new.lead", "Night watch", "spread")
        of_today += ("bd-99", other.playbook.title, "Critical")
        present = words(page(reviewer, then, "?tab=alerts"))
        past = words(page(reviewer, then, "?tab=alerts&cycle=1"))
        assert [one for one in of_today if one not in present] == []
        assert [one for one in of_today if one in past] == []
        assert then.title in past
        assert str(then.playbook_version.playbook) in past

    def test_checklist_of_a_reopened_case_answers_what_it_holds(
        self, reviewer: Client
    ) -> None:
        incident = make_incident()
        make_evidence(incident)
        make_snapshot(incident)
        close_false_alarm(incident, now=LATER)
        reopen(incident)
        cycle = Incident.objects.get(pk=incident.pk).current_cycle
        held = cycle.checklist.filter(
            entries__note__startswith="Held from an earlier cycle"
        )
        assert held.count() == 2
        assert {evidence.state for evidence in held} == {"done"}
        assert "plain.json (from cycle 1)" in words(
            page(reviewer, incident, "?phase=collect")
        )

    def test_kill_switch_of_the_first_cycle_counts_in_the_second(
        self, reviewer: Client
    ) -> None:
        incident = make_incident()
        activate_kill_switch(
            actor=make_user(),
            incident_id=incident.pk,
            extension_pk=incident.extensions.get().pk,
            reason="exposed a secret",
            now=SOON,
        )
        close_false_alarm(incident, aftermath=Aftermath.STAY, now=LATER)
        reopen(incident)
        html = page(reviewer, incident)
        assert "Kill ordered, not confirmed" in html
        past = words(page(reviewer, incident, "?cycle=1&phase=contain"))
        assert "Left open when the cycle ended" in past

    def test_open_action_item_of_an_earlier_cycle_shows_in_the_new_one(
        self, reviewer: Client
    ) -> None:
        incident = end_as_false_alarm()
        add_item(incident, "Shorten the token's life")
        reopen(incident)
        html = words(page(reviewer, incident, "?tab=postmortem"))
        assert "Shorten the token's life" in html
        assert "from cycle 1" in html


class TestWaiverOnThePage:
    def test_it_is_revoked_and_both_stay_in_sight(self, reviewer: Client) -> None:
        incident = make_incident()
        waive(incident, ConditionKey.ISOLATION_VERIFIED)
        waiver = GateWaiver.objects.get()
        html = page(reviewer, incident)
        assert "/do/revoke-waiver/" in html
        answer = do(
            reviewer,
            incident,
            "revoke-waiver",
            waiver=waiver.pk,
            reason="the runtime is back",
        )
        html = words(answer.content.decode())
        assert "The waiver is revoked" in html
        assert "1 waiver revoked in this cycle" in html
        assert "the runtime is gone" in html
        assert "the runtime is back" in html
        assert "condition waived in this cycle" not in html

    def test_refused_revocation_keeps_the_text(self, reviewer: Client) -> None:
        incident = make_incident()
        waive(incident, ConditionKey.ISOLATION_VERIFIED)
        waiver = GateWaiver.objects.get()
        do(reviewer, incident, "revoke-waiver", waiver=waiver.pk, reason="a slip")
        answer = do(
            reviewer, incident, "revoke-waiver", waiver=waiver.pk, reason="typed text"
        )
        html = answer.content.decode()
        assert "revoked already" in html
        assert "typed text" in html

    def test_responder_is_not_offered_it(self, client: Client) -> None:
        incident = make_incident()
        waive(incident, ConditionKey.ISOLATION_VERIFIED)
        client.force_login(make_user())
        assert "/do/revoke-waiver/" not in page(client, incident)
        waiver = GateWaiver.objects.get()
        answer = do(client, incident, "revoke-waiver", waiver=waiver.pk, reason="x")
        assert answer.status_code == 403

    def test_waiver_of_a_condition_that_is_met_since_can_be_revoked(
        self, reviewer: Client
    ) -> None:
        incident = make_incident()
        reach(incident, Phase.COLLECT)
        waive(incident, ConditionKey.BUNDLE_STORED)
        make_evidence(incident)
        waiver = GateWaiver.objects.get(condition_key=ConditionKey.BUNDLE_STORED)
        html = page(reviewer, incident, "?phase=collect")
        assert f'name="waiver" value="{waiver.pk}"' in html
        do(reviewer, incident, "revoke-waiver", waiver=waiver.pk, reason="it is there")
        html = words(page(reviewer, incident, "?phase=collect"))
        assert "plain.json" in html
        assert "Waived by reviewer" not in html


def test_list_is_filtered_by_what_cases_turned_out_to_be(reviewer: Client) -> None:
    closed, other = end_as_false_alarm(), make_incident()

    def found(query: str) -> list[Incident]:
        return list(reviewer.get(f"{LIST}?{query}").context["cl"].result_list)

    assert found("resolution__exact=false_positive") == [closed]
    assert found("functional_impact__exact=none") == [closed]
    assert found("resolution__exact=true_positive") == []
    assert other in found("")


class TestMovedAlerts:
    @pytest.fixture
    def moved(self) -> tuple[Incident, Incident]:
        """Return the case that an alert left, its only one, and the one it is in."""
        make_rules()
        alert = receive_one()
        source = alert.incident
        assert source is not None
        target = make_incident(extension_ids=("ext.other",))
        move_alerts(
            actor=make_user(),
            alert_ids=[alert.pk],
            incident_id=target.pk,
            reason="same host",
        )
        return source, target

    def test_list_says_what_was_decided_then_and_that_it_moved(
        self, reviewer: Client, moved: tuple[Incident, Incident]
    ) -> None:
        source, target = moved
        html = words(
            reviewer.get(reverse("admin:incidents_alert_changelist")).content.decode()
        )
        assert f"Opened {source.reference}, moved since" in html
        assert target.reference in html

    def test_emptied_case_says_so_while_it_is_open(
        self, reviewer: Client, moved: tuple[Incident, Incident]
    ) -> None:
        source, target = moved
        hint = "Every alert of this case was moved away"
        assert hint in page(reviewer, source)
        assert hint not in page(reviewer, target)
        close_false_alarm(source)
        assert hint not in page(reviewer, source)
        line = source.timeline.filter(body__contains="No alert is left").count()
        assert line == 1
