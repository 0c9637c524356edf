"""Restricting a case, naming who sees it, lifting that, and looking in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.utils import IntegrityError
from django.urls import reverse
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.audit.history import incident_stream
from evidence.errors import CasefileError, PermissionRefused
from evidence.models import AuditEntry, TokenScope
from evidence.models.case_bound import hidden_from, leave_out
from evidence.services.exports import request_export
from evidence.services.verification import request_verification
from incidents.errors import IncidentError, TransitionError
from incidents.models import Alert, Incident, LookIn, Notification, Team, TimelineEntry
from incidents.services.alerts.moves import move_alerts
from incidents.services.lifecycle.holds import place_hold
from incidents.services.lifecycle.links import link_related
from incidents.services.lifecycle.opening import open_incident
from incidents.services.lifecycle.restricting import (
    Readers,
    change_readers,
    lift_restriction,
    look_in,
    named_on,
    restrict_case,
)
from incidents.services.notifications.outbox import notify_assignment
from incidents.services.notifications.webhooks import add_webhook
from incidents.services.timeline import write_entry
from policy.services.kill_switches import activate_kill_switch
from tests.api.conftest import make_client
from tests.factories import NOON, make_evidence, make_incident, make_user
from tests.incidents.alerts.samples import make_rules, receive_one

pytestmark = [pytest.mark.django_db, pytest.mark.long]
WHY = "An insider may read along."


@pytest.fixture
def owner() -> User:
    return make_user(Role.RESPONDER, "owner")


@pytest.fixture
def other() -> User:
    return make_user(Role.RESPONDER, "other")


@pytest.fixture
def reviewer() -> User:
    return make_user(Role.REVIEWER, "reviewer")


@pytest.fixture
def case(owner: User) -> Incident:
    incident = make_incident(extension_ids=("node-tools",))
    return restrict_case(
        actor=owner, incident_id=incident.pk, readers=Readers(), reason=WHY
    )


def test_an_alert_that_came_before_its_case_is_hidden_with_it(
    owner: User, other: User, case: Incident
) -> None:
    make_rules()
    waiting = receive_one("alert-before-the-case", category="something_else")
    came = AuditEntry.everything.filter(
        object_type="incidents.alert", object_id=str(waiting.pk)
    )
    assert waiting.incident is None
    assert visible_entries(other) & set(came)
    move_alerts(
        actor=owner, alert_ids=[waiting.pk], incident_id=case.pk, reason="Belongs here."
    )
    assert visible_entries(other) & set(came) == set()
    assert visible_entries(owner) >= set(came)
    told = " ".join(map(str, (vars(one) for one in visible_entries(other))))
    assert "alert-before-the-case" not in told


def visible_entries(person: User) -> set[AuditEntry]:
    person = User.objects.get(pk=person.pk)
    return set(leave_out(AuditEntry.everything.all(), hidden_from(person)))


def sees(person: User, incident: Incident) -> bool:
    person = User.objects.get(pk=person.pk)
    return Incident.objects.visible_to(person).filter(pk=incident.pk).exists()


class TestWhoSees:
    def test_who_restricted_it_sees_it_and_others_do_not(
        self, case: Incident, owner: User, other: User, reviewer: User
    ) -> None:
        assert sees(owner, case)
        assert not sees(other, case)
        assert not sees(reviewer, case)

    def test_auditors_see_all_and_being_an_administrator_or_superuser_shows_nothing(
        self, case: Incident
    ) -> None:
        root = User.objects.create_superuser("root", "root@example.org", "unguessed")
        assert sees(make_user(Role.AUDITOR), case)
        assert not sees(make_user(Role.ADMINISTRATOR), case)
        assert not sees(make_user(Role.MACHINE), case)
        assert not sees(root, case)

    def test_the_lead_and_the_named_and_members_of_named_teams_see_it(
        self, case: Incident, owner: User, other: User, reviewer: User
    ) -> None:
        team = Team.objects.create(name="Inner circle")
        change_readers(
            actor=owner,
            incident_id=case.pk,
            readers=Readers([owner, reviewer], [team]),
            reason=WHY,
        )
        assert sees(reviewer, case)
        assert not sees(other, case)
        team.members.add(other)
        assert sees(other, case)
        team.members.remove(other)
        Incident.everything.filter(pk=case.pk).update(lead=other)
        assert sees(other, case)

    def test_the_cases_own_team_is_not_named_by_being_its_team(
        self, case: Incident, other: User
    ) -> None:
        team = Team.objects.create(name="Day")
        team.members.add(other)
        Incident.everything.filter(pk=case.pk).update(team=team)
        assert not sees(other, case)

    def test_who_is_taken_off_sees_it_no_longer(
        self, case: Incident, owner: User, other: User
    ) -> None:
        for people in ([owner, other], [other]):
            change_readers(
                actor=owner, incident_id=case.pk, readers=Readers(people), reason=WHY
            )
        assert sees(other, case)
        assert not sees(owner, case)
        assert named_on(case).people == [other]
        assert case.readers(manager="everything").count() == 2


class TestRestricting:
    def test_a_case_is_opened_restricted_and_nobody_else_ever_hears_of_it(
        self, owner: User, other: User
    ) -> None:
        template = make_incident()
        case = open_incident(
            actor=owner,
            playbook_version=template.playbook_version,
            title="Quiet",
            severity=None,
            detected_at=timezone.now(),
            restricted_to=Readers([other]),
        )
        assert case.is_restricted
        assert sees(other, case)
        assert not sees(make_user(Role.REVIEWER), case)

    def test_it_is_recorded_with_who_and_why(self, case: Incident, owner: User) -> None:
        entry = AuditEntry.objects.get(action="incident.restricted")
        assert entry.stream == incident_stream(case.pk)
        assert entry.reason == WHY
        assert entry.after["readers"] == {"people": ["owner"], "teams": []}
        body = TimelineEntry.objects.filter(incident=case).last()
        assert body is not None
        assert WHY in body.body

    def test_it_takes_the_right_to_work_cases_and_a_reason(self, owner: User) -> None:
        incident = make_incident()
        auditor = make_user(Role.AUDITOR)
        for actor, reason in ((auditor, WHY), (owner, " ")):
            with pytest.raises(CasefileError):
                restrict_case(
                    actor=actor,
                    incident_id=incident.pk,
                    readers=Readers(),
                    reason=reason,
                )
        assert not Incident.objects.get(pk=incident.pk).is_restricted

    def test_a_restricted_case_is_not_restricted_again(
        self, case: Incident, owner: User
    ) -> None:
        with pytest.raises(TransitionError, match="restricted already"):
            restrict_case(
                actor=owner, incident_id=case.pk, readers=Readers(), reason=WHY
            )

    def test_somebody_is_always_left_who_sees_it(
        self, case: Incident, owner: User
    ) -> None:
        empty = Team.objects.create(name="Empty")
        with pytest.raises(IncidentError, match="Nobody would see"):
            change_readers(
                actor=owner,
                incident_id=case.pk,
                readers=Readers([], [empty]),
                reason=WHY,
            )

    def test_nobody_is_named_who_cannot_see_cases(
        self, case: Incident, owner: User
    ) -> None:
        with pytest.raises(IncidentError, match="cannot see cases"):
            change_readers(
                actor=owner,
                incident_id=case.pk,
                readers=Readers([make_user(None)]),
                reason=WHY,
            )

    def test_only_a_reviewer_who_sees_it_lifts_it(
        self, case: Incident, owner: User, reviewer: User, other: User
    ) -> None:
        with pytest.raises(PermissionRefused):
            lift_restriction(actor=owner, incident_id=case.pk, reason=WHY)
        with pytest.raises(Incident.DoesNotExist):
            lift_restriction(actor=reviewer, incident_id=case.pk, reason=WHY)
        change_readers(
            actor=owner, incident_id=case.pk, readers=Readers([reviewer]), reason=WHY
        )
        lift_restriction(actor=reviewer, incident_id=case.pk, reason=WHY)
        assert sees(other, case)
        assert AuditEntry.objects.filter(action="incident.restriction_lifted").exists()
        with pytest.raises(TransitionError, match="not restricted"):
            lift_restriction(actor=reviewer, incident_id=case.pk, reason=WHY)

    def test_a_named_reader_is_never_deleted_and_an_ended_one_stays(
        self, case: Incident
    ) -> None:
        row = case.readers.get()
        with pytest.raises(Exception, match="Cannot delete"), transaction.atomic():
            row.delete()


class TestLookingIn:
    def test_a_reviewer_looks_in_for_a_day_with_a_reason_that_is_told(
        self, case: Incident, owner: User, reviewer: User
    ) -> None:
        look = look_in(actor=reviewer, reference=case.reference, reason="Rumours.")
        assert sees(reviewer, case)
        assert look.until - look.since == dt.timedelta(hours=24)
        entry = AuditEntry.objects.get(action="incident.looked_into")
        assert entry.reason == "Rumours."
        assert entry.actor == reviewer
        told = Notification.objects.get(recipient=owner, incident=case)
        assert "reviewer looks into" in told.headline

    def test_a_look_ends_by_itself(self, case: Incident, reviewer: User) -> None:
        then = timezone.now() - dt.timedelta(hours=25)
        look_in(actor=reviewer, reference=case.reference, reason=WHY, now=then)
        assert not sees(reviewer, case)

    def test_a_look_is_never_longer_and_never_without_a_reason(
        self, case: Incident, reviewer: User
    ) -> None:
        about = {"incident": case, "person": reviewer, "since": NOON}
        for wrong in (
            {"reason": WHY, "until": NOON + dt.timedelta(hours=25)},
            {"reason": "", "until": NOON + dt.timedelta(hours=1)},
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                LookIn.objects.create(**about, **wrong)

    def test_only_reviewers_look_in(self, case: Incident, other: User) -> None:
        for person in (other, make_user(Role.ADMINISTRATOR), make_user(Role.AUDITOR)):
            with pytest.raises(PermissionRefused):
                look_in(actor=person, reference=case.reference, reason=WHY)
        assert not LookIn.objects.exists()

    def test_what_is_seen_or_not_there_needs_no_look(self, reviewer: User) -> None:
        ordinary = make_incident()
        for reference in (ordinary.reference, "SEC-INC-2026-9999"):
            with pytest.raises(IncidentError):
                look_in(actor=reviewer, reference=reference, reason=WHY)
        assert not LookIn.objects.exists()


class TestServices:
    """For who may not see it a service answers as for a case that is not there."""

    CALLS: tuple[Callable[[User, Incident], Any], ...] = (
        lambda who, case: place_hold(actor=who, incident_id=case.pk, reason=WHY),
        lambda who, case: write_entry(actor=who, incident_id=case.pk, body="x"),
        lambda who, case: restrict_case(
            actor=who, incident_id=case.pk, readers=Readers(), reason=WHY
        ),
        lambda who, case: request_verification(
            item_id=case.evidence_items(manager="everything").get().pk, actor=who
        ),
        lambda who, case: request_export(
            item_id=case.evidence_items(manager="everything").get().pk,
            filter={},
            redaction={},
            actor=who,
        ),
        lambda who, case: activate_kill_switch(
            incident_id=case.pk,
            extension_pk=case.extensions.get().pk,
            reason=WHY,
            actor=who,
        ),
    )

    @pytest.mark.parametrize("number", range(len(CALLS)))
    def test_refuses_a_hidden_case(
        self, case: Incident, other: User, number: int
    ) -> None:
        make_evidence(case)
        before = AuditEntry.objects.count()
        with pytest.raises((Incident.DoesNotExist, CasefileError)) as refused:
            self.CALLS[number](other, case)
        assert case.reference not in str(refused.value)
        assert AuditEntry.objects.count() == before

    def test_a_hidden_case_is_related_as_one_that_is_not_there(
        self, case: Incident, other: User
    ) -> None:
        ordinary = make_incident()
        said = []
        for reference in (case.reference, "SEC-INC-2026-9999"):
            with pytest.raises(IncidentError) as refused:
                link_related(actor=other, incident_id=ordinary.pk, reference=reference)
            said.append(refused.value.message.replace(reference, ""))
        assert said[0] == said[1]


class TestMessages:
    def test_nobody_is_told_of_a_case_that_is_hidden_from_them(
        self, case: Incident, owner: User, other: User
    ) -> None:
        for person in (owner, other):
            notify_assignment(
                actor=None,
                assignee=person,
                incident=case,
                what="You lead this case",
                key=f"lead:{person.pk}",
                now=NOON,
            )
        told = Notification.objects.filter(incident=case)
        assert set(told.values_list("recipient", flat=True)) == {owner.pk}

    def test_a_shared_channel_hears_only_where_its_team_is_named(
        self, case: Incident, owner: User
    ) -> None:
        from incidents.models import NotificationKind
        from incidents.services.notifications.outbox import (
            Message,
            make_rows,
            write_down,
        )
        from incidents.services.notifications.recipients import Target

        team = Team.objects.create(name="Inner circle")
        root = User.objects.create_superuser("root", "root@example.org", "unguessed")
        url = "jsons://hooks.example.org/secret"
        hooks = [
            add_webhook(actor=root, name="all", url=url),
            add_webhook(actor=root, name="circle", url=url, team=team),
        ]
        change_readers(
            actor=owner,
            incident_id=case.pk,
            readers=Readers([owner], [team]),
            reason=WHY,
        )
        message = Message(
            "k", NotificationKind.REMINDER, "Late", case, NOON, incident=case
        )
        write_down(make_rows(message, [Target(None, hook) for hook in hooks], now=NOON))
        told = Notification.objects.filter(key="k").values_list("webhook", flat=True)
        assert list(told) == [hooks[1].pk]


class TestAlerts:
    def test_an_alert_joins_no_restricted_case_and_its_answer_tells_of_none(
        self, owner: User
    ) -> None:
        make_rules()
        first = receive_one("a-1").incident
        assert first is not None
        restrict_case(actor=owner, incident_id=first.pk, readers=Readers(), reason=WHY)
        second = receive_one("a-2").incident
        assert second != first

    def test_sent_again_its_answer_does_not_name_the_restricted_case(
        self, owner: User
    ) -> None:
        make_rules()
        case = receive_one("a-1").incident
        assert case is not None
        document = dict(Alert.objects.get().document)
        restrict_case(actor=owner, incident_id=case.pk, readers=Readers(), reason=WHY)
        machine = make_user(Role.MACHINE)
        client = make_client(machine, TokenScope.ALERTS_WRITE)
        source = Alert.everything.get().source
        answer = client.post(
            "/api/v1/alerts/", {**document, "source": source}, format="json"
        )
        assert case.reference not in answer.content.decode()


def test_the_same_bytes_in_another_case_tell_nothing_of_the_restricted_one(
    case: Incident, other: User
) -> None:
    hidden = make_evidence(case)
    client = make_client(other, TokenScope.READ)
    before = client.get(f"/api/v1/evidence/?sha256_hex={hidden.sha256_hex}").json()
    assert before["results"] == []
    seen = make_evidence(make_incident())
    assert seen.sha256_hex == hidden.sha256_hex
    found = client.get(f"/api/v1/evidence/?sha256_hex={hidden.sha256_hex}").json()
    assert [row["id"] for row in found["results"]] == [seen.pk]


def test_the_page_says_that_it_is_restricted_and_offers_what_can_be_done(
    client: Any, case: Incident, owner: User, other: User
) -> None:
    url = reverse("admin:incidents_incident_change", args=[case.pk])
    client.force_login(owner)
    page = client.get(url).content.decode()
    assert "Restricted" in page
    assert "Change who sees it" in page
    listed = client.get(reverse("admin:incidents_incident_changelist"))
    assert "Restricted" in listed.content.decode()
    client.force_login(other)
    assert client.get(url).status_code == 404
    sent = client.post(
        reverse("admin:incidents_incident_do", args=[case.pk, "readers"]),
        {"people": [other.pk], "reason": WHY},
    )
    assert sent.status_code == 404
    assert named_on(case).people == [owner]


def test_a_reviewer_looks_in_by_the_page(
    client: Any, case: Incident, reviewer: User
) -> None:
    client.force_login(reviewer)
    url = reverse("admin:incidents_incident_look_in")
    page = reverse("admin:incidents_incident_change", args=[case.pk])
    assert client.get(page).status_code == 404
    assert client.get(url).status_code == 200
    form = {"reference": case.reference, "reason": "Rumours."}
    assert client.post(url, form)["Location"] == page
    assert "Rumours." in client.get(page).content.decode()
