"""What waits for a second person is told once, and stands on their dashboard."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from evidence.models import AuditEntry
from incidents.admin import dashboard
from incidents.models import (
    Incident,
    LooseningRequest,
    Notification,
    PostmortemVersion,
    PruneRequest,
)
from incidents.notification_texts import path_of
from incidents.services.lifecycle.editing import assign_lead
from incidents.services.notifications import waiting as waiting_services
from incidents.services.notifications.waiting import (
    WORDS,
    notify_waiting,
    returned_to,
    waiting_for,
)
from incidents.services.postmortems.reviews import return_postmortem
from policy.errors import PolicyRefused
from policy.models import (
    Extension,
    KillSwitch,
    LiftRequest,
    PromotionRequest,
    Rollback,
)
from policy.models.requests import ReviewedRequest
from policy.rules.rollback import OverrideChoice, RiskChoice
from policy.rules.trust import TrustState
from policy.services.kill_switches import activate_kill_switch
from policy.services.lifts import request_lift
from policy.services.promotions import request_promotion
from policy.services.requests import REQUEST_LIFETIME
from policy.services.rollbacks import (
    approve_rollback,
    decline_rollback,
    propose_safe_defaults,
)
from policy.services.waiting_decisions import lapse_requests
from tests.factories import make_incident, make_user
from tests.incidents.postmortem.cases import make_postmortem, submit, write
from tests.policy.samples import PERMISSIVE, take

pytestmark = [pytest.mark.django_db, pytest.mark.long]
KINDS = {"lift", "promotion", "rollback", "signature"}
DASHBOARD = "/admin/"


@dataclass(frozen=True)
class World:
    """A case with one request of each kind, all of the responder's."""

    incident: Incident
    extension: Extension
    switch: KillSwitch
    rollback: Rollback


@pytest.fixture
def world() -> World:
    actor = make_user("responder")
    incident = make_incident()
    extension = incident.extensions.get()
    switch = activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="It reads secrets.",
        actor=actor,
    )
    request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=actor)
    request_promotion(
        extension_pk=extension.pk,
        to_state=TrustState.PROBATION,
        reason="Fixed in 1.3.",
        actor=actor,
    )
    rollback = propose_safe_defaults(
        snapshot_id=take(incident, PERMISSIVE, actor=actor).pk,
        risk=RiskChoice.SCORING_DEFAULTS,
        overrides=OverrideChoice.KEEP_TIGHTENING,
        reason="Everything is allowed.",
        actor=actor,
    )
    return World(incident, extension, switch, rollback)


@pytest.fixture
def version(world: World) -> PostmortemVersion:
    return submit(write(make_postmortem()))


def told(person: User) -> set[str]:
    rows = Notification.objects.filter(recipient=person, key__startswith="waiting:")
    return {row.key.split(":")[1] for row in rows}


class TestMessages:
    def test_every_reviewer_is_told_of_everything_once(
        self, world: World, version: PostmortemVersion
    ) -> None:
        reviewer = make_user("reviewer")
        other = make_user("reviewer", "reviewer2")
        assert notify_waiting() == 4
        assert told(reviewer) == told(other) == KINDS
        count = Notification.objects.count()
        assert notify_waiting() == 0
        assert Notification.objects.count() == count

    def test_who_asked_is_not_told_and_responders_are_not(
        self, world: World, version: PostmortemVersion
    ) -> None:
        asker = world.rollback.requested_by
        asker.groups.add(make_user("reviewer").groups.get())
        notify_waiting()
        assert told(User.objects.get(pk=asker.pk)) == set()
        assert told(make_user("responder", "responder2")) == set()

    def test_a_message_names_no_extension_and_leads_to_the_page(
        self, world: World
    ) -> None:
        make_user("reviewer")
        notify_waiting()
        row = Notification.objects.get(key__startswith="waiting:rollback")
        assert row.headline == "A rollback waits for a reviewer"
        assert path_of(row) == f"/admin/policy/rollback/{world.rollback.pk}/change/"
        assert row.incident == world.incident

    def test_what_is_decided_or_lapsed_is_not_told(self, world: World) -> None:
        reviewer = make_user("reviewer")
        decline_rollback(rollback_id=world.rollback.pk, actor=reviewer, reason="No.")
        notify_waiting(now=timezone.now() + REQUEST_LIFETIME)
        assert told(reviewer) == set()


class TestReturned:
    def test_its_authors_and_the_lead_are_told_and_see_it(
        self, version: PostmortemVersion
    ) -> None:
        author, lead = make_user("responder"), make_user("responder", "lead")
        assign_lead(actor=author, incident_id=version.postmortem.incident.pk, lead=lead)
        reviewer = make_user("reviewer")
        return_postmortem(actor=reviewer, version_id=version.pk, comment="Which key?")
        rows = Notification.objects.filter(key__startswith="returned:")
        assert {row.recipient for row in rows} == {author, lead}
        for person in (author, lead):
            (returned,) = returned_to(person)
            assert (returned.comment, returned.returned_by) == ("Which key?", reviewer)
        assert returned_to(make_user("responder", "another")) == []

    def test_it_is_gone_once_it_is_submitted_again(
        self, version: PostmortemVersion
    ) -> None:
        return_postmortem(
            actor=make_user("reviewer"), version_id=version.pk, comment="Which key?"
        )
        submit(version.postmortem)
        assert returned_to(make_user("responder")) == []
        keys = {waiting.key for waiting in waiting_for(make_user("reviewer"))}
        assert f"signature:{version.pk + 1}" in keys
        assert f"signature:{version.pk}" not in keys


class TestDashboard:
    def test_a_reviewer_sees_what_waits(
        self, client: Client, world: World, version: PostmortemVersion
    ) -> None:
        client.force_login(make_user("reviewer"))
        page = client.get(DASHBOARD).content.decode()
        for path in (
            f"/admin/policy/rollback/{world.rollback.pk}/change/",
            f"/admin/policy/killswitch/{world.switch.pk}/change/",
            f"/admin/policy/extension/{world.extension.pk}/change/",
            f"/admin/incidents/postmortem/{version.postmortem_id}/change/",
        ):
            assert f'<a href="{path}">' in page, path

    def test_of_postmortems_to_sign_the_first_are_read_and_it_says_so(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, _ = (submit(write(make_postmortem())) for _ in range(2))
        reviewer, author = make_user("reviewer"), first.submitted_by
        client.force_login(reviewer)
        said = "of postmortems to sign the first"
        assert len(waiting_for(reviewer)) == 2
        assert said not in client.get(DASHBOARD).content.decode()
        monkeypatch.setattr(waiting_services, "SIGNATURES", 1)
        monkeypatch.setattr(dashboard, "SIGNATURES", 1)
        (waiting,) = waiting_for(reviewer)
        assert waiting.about == first.postmortem
        assert f"{said} 1" in client.get(DASHBOARD).content.decode()
        author.groups.add(reviewer.groups.get())
        assert waiting_for(User.objects.get(pk=author.pk)) == []

    def test_it_says_how_long_it_waits_and_has_left_with_utc_on_hover(
        self, client: Client
    ) -> None:
        asked = timezone.now() - dt.timedelta(days=2, hours=1)
        incident, actor = make_incident(), make_user("responder")
        switch = activate_kill_switch(
            incident_id=incident.pk,
            extension_pk=incident.extensions.get().pk,
            reason="It reads secrets.",
            actor=actor,
            now=asked,
        )
        request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=actor, now=asked)
        client.force_login(make_user("reviewer"))
        page = client.get(DASHBOARD).content.decode()
        for moment, words in ((asked, "2 d ago"), (asked + REQUEST_LIFETIME, "in 4 d")):
            hover = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
            assert re.search(rf'title="[^"]*{hover}">{words}</time>', page), words

    @pytest.mark.parametrize("role", ["responder", "auditor", "administrator"])
    def test_nobody_else_is_asked_to_decide(
        self, client: Client, world: World, role: str
    ) -> None:
        client.force_login(make_user(role))
        assert "Waits for you" not in client.get(DASHBOARD).content.decode()

    def test_an_author_sees_why_it_came_back(
        self, client: Client, version: PostmortemVersion
    ) -> None:
        return_postmortem(
            actor=make_user("reviewer"), version_id=version.pk, comment="Which <key>?"
        )
        client.force_login(make_user("responder"))
        page = client.get(DASHBOARD).content.decode()
        assert "Returned postmortems" in page
        assert "Which &lt;key&gt;?" in page


class TestRollbacksLapse:
    def test_an_undecided_proposal_ends_after_a_week(self, world: World) -> None:
        late = world.rollback.requested_at + REQUEST_LIFETIME
        assert lapse_requests(now=late - dt.timedelta(seconds=5)) == 0
        lapse_requests(now=late)
        world.rollback.refresh_from_db()
        assert (world.rollback.state, world.rollback.decided_by) == ("lapsed", None)
        assert AuditEntry.objects.filter(action="rollback.lapsed").count() == 1

    def test_one_that_is_late_is_not_approved_before_the_sweep_either(
        self, world: World
    ) -> None:
        late = world.rollback.requested_at + REQUEST_LIFETIME
        with pytest.raises(PolicyRefused, match="This rollback lapsed at") as refusal:
            approve_rollback(
                rollback_id=world.rollback.pk, actor=make_user("reviewer"), now=late
            )
        assert refusal.value.code == "request_lapsed"

    def test_a_decided_one_stays(self, world: World) -> None:
        approve_rollback(rollback_id=world.rollback.pk, actor=make_user("reviewer"))
        lapse_requests(now=timezone.now() + 2 * REQUEST_LIFETIME)
        assert Rollback.objects.get(pk=world.rollback.pk).state == "approved"


def test_every_kind_of_request_that_a_reviewer_decides_is_told() -> None:
    """A kind that is added is told, too, or stands here with a reason."""
    told_as = {
        LiftRequest: "lift",
        PromotionRequest: "promotion",
        Rollback: "rollback",
        LooseningRequest: "loosening",
        PruneRequest: "pruning",
    }
    assert set(ReviewedRequest.__subclasses__()) == told_as.keys()
    assert set(told_as.values()) <= WORDS.keys()
