"""Requests: what waits for whom, what lapses, and one for all after a kill-all."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, transaction

from evidence.errors import PermissionRefused
from evidence.models import AuditEntry
from incidents.models import Incident
from policy.errors import PolicyRefused
from policy.models import Extension, KillSwitch, LiftRequest, PromotionRequest
from policy.rules.trust import TrustState
from policy.services.kill_switches import activate_kill_all, activate_kill_switch
from policy.services.lifts import approve_lift, request_lift, withdraw_lift
from policy.services.promotions import approve_promotion, request_promotion
from policy.services.releases import (
    approve_release,
    decline_release,
    held_by,
    request_release,
    withdraw_release,
)
from policy.services.requests import REQUEST_LIFETIME
from policy.services.trust import demote_extension, move_trust
from policy.services.waiting_decisions import DecisionKind, lapse_requests, list_waiting
from tests.conftest import make_user
from tests.factories import make_incident
from tests.policy.samples import make_extension
from tests.policy.services.test_two_at_once import run_together

WEEK = REQUEST_LIFETIME
NOW = dt.datetime(2026, 3, 20, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def switch(incident: Incident, extension: Extension, responder: User) -> KillSwitch:
    return activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="It reads secrets.",
        actor=responder,
        now=NOW,
    )


def ask_lift(switch: KillSwitch, actor: User, now: dt.datetime = NOW) -> LiftRequest:
    return request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=actor, now=now)


def ask_promotion(
    extension: Extension, actor: User, now: dt.datetime = NOW
) -> PromotionRequest:
    return request_promotion(
        extension_pk=extension.pk,
        to_state=TrustState.PROBATION,
        reason="Fixed.",
        actor=actor,
        now=now,
    )


class TestStaleDecisions:
    def test_who_decided_is_said(
        self, switch: KillSwitch, responder: User, reviewer: User
    ) -> None:
        request = ask_lift(switch, responder)
        withdraw_lift(request_id=request.pk, actor=responder, now=NOW)
        with pytest.raises(
            PolicyRefused,
            match="withdrawn already, by responder at 2026-03-20 12:00 UTC",
        ) as refused:
            approve_lift(request_id=request.pk, actor=reviewer, exception="Yes.")
        assert refused.value.code == "already_decided"

    def test_a_request_that_never_was_is_no_number(self, reviewer: User) -> None:
        for approve in (approve_lift, approve_promotion):
            with pytest.raises(PolicyRefused) as refused:
                approve(request_id=0, actor=reviewer)
            assert refused.value.code == "no_such_request"
            assert " 0" not in refused.value.message


class TestLapse:
    def test_nobody_approves_what_waited_too_long(
        self, switch: KillSwitch, responder: User, reviewer: User
    ) -> None:
        request = ask_lift(switch, responder)
        with pytest.raises(PolicyRefused, match="lapsed at 2026-03-27") as refused:
            approve_lift(
                request_id=request.pk, actor=reviewer, exception="Y.", now=NOW + WEEK
            )
        assert refused.value.code == "request_lapsed"

    def test_the_sweep_ends_it_once_and_history_says_so(
        self, switch: KillSwitch, extension: Extension, responder: User
    ) -> None:
        lift, promotion = (
            ask_lift(switch, responder),
            ask_promotion(extension, responder),
        )
        assert lapse_requests(now=NOW + WEEK - dt.timedelta(seconds=1)) == 0
        assert lapse_requests(now=NOW + WEEK) == 2
        assert lapse_requests(now=NOW + WEEK) == 0
        for request in (lift, promotion):
            request.refresh_from_db()
            assert (request.state, request.decided_by) == ("lapsed", None)
        actions = AuditEntry.objects.values_list("action", flat=True)
        assert {"kill_switch.lift_lapsed", "promotion.lapsed"} <= set(actions)

    def test_asking_again_does_not_wait_for_the_sweep(
        self, switch: KillSwitch, extension: Extension, responder: User
    ) -> None:
        first = ask_lift(switch, responder)
        ask_promotion(extension, responder)
        assert ask_lift(switch, responder, NOW + WEEK).pk != first.pk
        ask_promotion(extension, responder, NOW + WEEK)
        first.refresh_from_db()
        assert first.state == "lapsed"

    def test_a_lapsed_request_stays_lapsed(
        self, switch: KillSwitch, responder: User
    ) -> None:
        request = ask_lift(switch, responder)
        lapse_requests(now=NOW + WEEK)
        rows = LiftRequest.objects.filter(pk=request.pk)
        with (
            pytest.raises(DatabaseError),
            transaction.atomic(),
        ):
            rows.update(state="pending", decided_at=None)


class TestList:
    def test_it_names_what_waits_and_who_may_not_decide(
        self, switch: KillSwitch, extension: Extension, responder: User
    ) -> None:
        asker = make_user("asker", "responder")
        ask_lift(switch, asker, NOW + dt.timedelta(hours=1))
        ask_promotion(extension, asker, NOW)
        promotion, lift = list_waiting(now=NOW + dt.timedelta(hours=2))
        assert (promotion.kind, lift.kind) == (
            DecisionKind.PROMOTION,
            DecisionKind.LIFT,
        )
        assert lift.barred == {asker.pk, responder.pk}
        assert promotion.barred == {asker.pk}
        assert promotion.subject == extension
        assert lift.lapses_at == NOW + dt.timedelta(hours=1) + WEEK

    def test_what_lapsed_is_left_out_and_queries_do_not_grow(
        self,
        incident: Incident,
        switch: KillSwitch,
        extension: Extension,
        responder: User,
        django_assert_num_queries: Callable[..., object],
    ) -> None:
        ask_promotion(extension, responder)
        for number in range(5):
            other = make_extension(f"ext.{number}")
            demote_extension(extension_pk=other.pk, reason="r", actor=responder)
            ask_promotion(other, responder)
        with django_assert_num_queries(3):
            assert len(list_waiting(now=NOW)) == 6
        assert list_waiting(now=NOW + WEEK) == []


@pytest.fixture
def lifted(incident: Incident, responder: User, reviewer: User) -> KillSwitch:
    """A kill-all that was lifted; it holds ext.weather and ext.a, ext.own is older."""
    make_extension("ext.a")
    own = make_extension("ext.own")
    demote_extension(extension_pk=own.pk, reason="Its own.", actor=responder)
    switch = activate_kill_all(
        incident_id=incident.pk,
        typed_reference=incident.reference,
        reason="Everything burns.",
        actor=responder,
        now=NOW,
    )
    request = ask_lift(switch, responder)
    approve_lift(request_id=request.pk, actor=reviewer, exception="Out.", now=NOW)
    return switch


def ask_release(switch: KillSwitch, actor: User) -> list[PromotionRequest]:
    return request_release(
        kill_switch_id=switch.pk, reason="It is out.", actor=actor, now=NOW
    )


def states() -> dict[str, str]:
    return dict(Extension.objects.values_list("extension_id", "trust_state"))


class TestReleaseOfAll:
    def test_two_persons_release_all_that_it_holds(
        self, lifted: KillSwitch, responder: User, reviewer: User
    ) -> None:
        assert len(ask_release(lifted, responder)) == 2
        (waiting,) = list_waiting(now=NOW)
        assert (waiting.kind, waiting.count) == (DecisionKind.RELEASE, 2)
        moves = approve_release(
            kill_switch_id=lifted.pk,
            actor=reviewer,
            exception="The case goes on without it.",
            now=NOW,
        )
        assert states() == {
            "ext.a": "probation",
            "ext.weather": "probation",
            "ext.own": "quarantined",
        }
        assert {move.approved_by for move in moves} == {reviewer}
        exceptions = {move.extension.extension_id: move.exception for move in moves}
        assert exceptions["ext.weather"] == "The case goes on without it."
        assert exceptions["ext.a"] == ""
        assert not held_by(lifted).exists()

    def test_all_or_none_and_every_reason_is_named(
        self, lifted: KillSwitch, responder: User, reviewer: User
    ) -> None:
        ask_release(lifted, responder)
        with pytest.raises(
            PolicyRefused, match=r"ext\.weather: The extension has open"
        ):
            approve_release(kill_switch_id=lifted.pk, actor=reviewer, now=NOW)
        assert states()["ext.a"] == "quarantined"

    def test_who_asked_cannot_approve(self, lifted: KillSwitch, reviewer: User) -> None:
        ask_release(lifted, reviewer)
        with pytest.raises(PolicyRefused, match="somebody other than who asked"):
            approve_release(
                kill_switch_id=lifted.pk, actor=reviewer, exception="y", now=NOW
            )

    def test_what_is_stopped_meanwhile_stays(
        self, lifted: KillSwitch, incident: Incident, responder: User, reviewer: User
    ) -> None:
        ask_release(lifted, responder)
        weather = Extension.objects.get(extension_id="ext.weather")
        activate_kill_switch(
            incident_id=incident.pk,
            extension_pk=weather.pk,
            reason="Again.",
            actor=responder,
        )
        approve_release(kill_switch_id=lifted.pk, actor=reviewer, now=NOW)
        assert states()["ext.weather"] == "quarantined"
        assert states()["ext.a"] == "probation"
        assert weather.promotion_requests.get().state == "withdrawn"

    def test_not_while_it_stands(self, incident: Incident, responder: User) -> None:
        switch = activate_kill_all(
            incident_id=incident.pk,
            typed_reference=incident.reference,
            reason="Burns.",
            actor=responder,
        )
        with pytest.raises(PolicyRefused, match="still stands") as refused:
            ask_release(switch, responder)
        assert refused.value.code == "not_lifted"

    def test_not_of_one_extension(self, switch: KillSwitch, responder: User) -> None:
        with pytest.raises(PolicyRefused, match="stops one extension"):
            ask_release(switch, responder)

    def test_asked_twice_nothing_is_left(
        self, lifted: KillSwitch, responder: User
    ) -> None:
        ask_release(lifted, responder)
        with pytest.raises(PolicyRefused, match="Nothing is left"):
            ask_release(lifted, responder)

    def test_withdrawn_by_who_asked_only(
        self, lifted: KillSwitch, responder: User, reviewer: User
    ) -> None:
        ask_release(lifted, responder)
        with pytest.raises(PolicyRefused, match="only who asked"):
            withdraw_release(kill_switch_id=lifted.pk, actor=reviewer, now=NOW)
        assert withdraw_release(kill_switch_id=lifted.pk, actor=responder, now=NOW) == 2
        with pytest.raises(PolicyRefused, match="withdrawn already, by responder"):
            approve_release(kill_switch_id=lifted.pk, actor=reviewer, now=NOW)

    def test_declined_with_a_reason(
        self, lifted: KillSwitch, responder: User, reviewer: User
    ) -> None:
        ask_release(lifted, responder)
        with pytest.raises(PolicyRefused, match="reason"):
            decline_release(
                kill_switch_id=lifted.pk, actor=reviewer, reason=" ", now=NOW
            )
        decline_release(
            kill_switch_id=lifted.pk, actor=reviewer, reason="Not yet.", now=NOW
        )
        assert states()["ext.a"] == "quarantined"
        assert len(ask_release(lifted, responder)) == 2

    @pytest.mark.parametrize(
        "role", ["auditor", "administrator", "machine", "outsider"]
    )
    def test_other_roles_are_refused(
        self, role: str, request: pytest.FixtureRequest
    ) -> None:
        actor = request.getfixturevalue(role)
        for call in (
            lambda: request_release(kill_switch_id=0, reason="r", actor=actor),
            lambda: approve_release(kill_switch_id=0, actor=actor),
            lambda: decline_release(kill_switch_id=0, reason="r", actor=actor),
            lambda: withdraw_release(kill_switch_id=0, actor=actor),
        ):
            with pytest.raises(PermissionRefused):
                call()

    def test_a_responder_does_not_approve(
        self, lifted: KillSwitch, responder: User
    ) -> None:
        with pytest.raises(PermissionRefused):
            approve_release(kill_switch_id=lifted.pk, actor=responder)

    def test_the_database_keeps_which_kill_all_it_is_of(
        self, lifted: KillSwitch, responder: User
    ) -> None:
        (row, _) = ask_release(lifted, responder)
        rows = PromotionRequest.objects.filter(pk=row.pk)
        with pytest.raises(DatabaseError), transaction.atomic():
            rows.update(kill_switch=None)


def test_the_way_to_trusted_takes_an_exception_while_the_case_is_open(
    incident: Incident, extension: Extension, responder: User, reviewer: User
) -> None:
    move_trust(
        extension_pk=extension.pk,
        to_state=TrustState.PROBATION,
        reason="r",
        actor=responder,
    )
    request = request_promotion(
        extension_pk=extension.pk,
        to_state=TrustState.TRUSTED,
        reason="It behaved for a minute.",
        actor=responder,
    )
    with pytest.raises(PolicyRefused, match="open cases"):
        approve_promotion(request_id=request.pk, actor=reviewer)
    move = approve_promotion(request_id=request.pk, actor=reviewer, exception="Known.")
    assert move.exception == "Known."


@pytest.mark.django_db(transaction=True)
def test_of_two_reviewers_one_releases() -> None:
    asker = make_user("rosa", "responder")
    reviewers = [make_user(name, "reviewer") for name in ("remy", "rita")]
    incident = make_incident()
    switch = activate_kill_all(
        incident_id=incident.pk,
        typed_reference=incident.reference,
        reason="Burns.",
        actor=asker,
    )
    lift = request_lift(kill_switch_id=switch.pk, reason="Out.", actor=asker)
    approve_lift(request_id=lift.pk, actor=reviewers[0], exception="Out.")
    request_release(kill_switch_id=switch.pk, reason="Out.", actor=asker)
    results = run_together(
        *(
            lambda who=who: approve_release(
                kill_switch_id=switch.pk, actor=who, exception="Known."
            )
            for who in reviewers
        )
    )
    assert results == ["already_decided", "done"]
    assert incident.extensions.get().trust_transitions.count() == 2


@pytest.mark.django_db(transaction=True)
def test_kill_all_and_a_kill_from_another_case_take_turns() -> None:
    first, second = make_incident(), make_incident()
    extension = first.extensions.get()
    rosa, ravi = make_user("rosa", "responder"), make_user("ravi", "responder")
    results = run_together(
        lambda: activate_kill_all(
            incident_id=second.pk,
            typed_reference=second.reference,
            reason="Burns.",
            actor=rosa,
        ),
        lambda: activate_kill_switch(
            incident_id=first.pk, extension_pk=extension.pk, reason="r", actor=ravi
        ),
    )
    assert results == ["done", "done"]
    assert extension.trust_transitions.count() == 1
