"""No sequence of calls reaches what the rules forbid, however it is mixed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence.audit.history import extension_stream, verify_stream
from evidence.errors import CasefileError
from incidents.models import Incident
from policy.models import Extension, KillSwitch, KillSwitchLift, TrustTransition
from policy.rules.trust import TrustState, can_move, needs_reviewer
from policy.services import kill_switches, lifts, promotions, trust
from tests.conftest import make_user
from tests.policy.samples import reach_remediate

PEOPLE = st.sampled_from(["responder", "reviewer", "other_reviewer"])
STATES = st.sampled_from(list(TrustState))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["move", "ask", "approve", "except", "kill", "ask_lift", "lift"]
        ),
        PEOPLE,
        STATES,
    ),
    min_size=4,
    max_size=14,
)


class RolledBack(Exception):
    """Ends an example's transaction."""


@pytest.fixture
def other_reviewer(reviewer: User) -> User:
    return make_user("other_reviewer", "reviewer")


@pytest.fixture
def world(
    incident: Incident,
    extension: Extension,
    responder: User,
    reviewer: User,
    other_reviewer: User,
) -> tuple[Incident, Extension, dict[str, User]]:
    reach_remediate(incident)
    people = {
        "responder": responder,
        "reviewer": reviewer,
        "other_reviewer": other_reviewer,
    }
    return incident, extension, people


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_no_sequence_of_calls_bends_trust(
    world: tuple[Incident, Extension, dict[str, User]],
    steps: list[tuple[str, str, TrustState]],
) -> None:
    incident, extension, people = world
    with contextlib.suppress(RolledBack), transaction.atomic():
        for step, who, state in steps:
            with contextlib.suppress(CasefileError), transaction.atomic():
                CALLS[step](incident, extension, people[who], state)
        check_history(extension)
        raise RolledBack


def move(_: Incident, extension: Extension, who: User, state: TrustState) -> None:
    trust.move_trust(extension_pk=extension.pk, to_state=state, reason="r", actor=who)


def ask(_: Incident, extension: Extension, who: User, state: TrustState) -> None:
    promotions.request_promotion(
        extension_pk=extension.pk, to_state=state, reason="r", actor=who
    )


def approve(_: Incident, extension: Extension, who: User, __: TrustState) -> None:
    newest = extension.promotion_requests.first()
    promotions.approve_promotion(request_id=newest.pk if newest else 0, actor=who)


def approve_with_exception(
    _: Incident, extension: Extension, who: User, __: TrustState
) -> None:
    newest = extension.promotion_requests.first()
    promotions.approve_promotion(
        request_id=newest.pk if newest else 0, actor=who, exception="It is harmless."
    )


def kill(incident: Incident, extension: Extension, who: User, _: TrustState) -> None:
    kill_switches.activate_kill_switch(
        incident_id=incident.pk, extension_pk=extension.pk, reason="r", actor=who
    )


def ask_lift(_: Incident, extension: Extension, who: User, __: TrustState) -> None:
    newest = extension.kill_switches.first()
    lifts.request_lift(kill_switch_id=newest.pk if newest else 0, reason="r", actor=who)


def lift(_: Incident, extension: Extension, who: User, __: TrustState) -> None:
    switch = extension.kill_switches.first()
    newest = switch.lift_requests.first() if switch else None
    lifts.approve_lift(request_id=newest.pk if newest else 0, actor=who)


CALLS: dict[str, Callable[[Incident, Extension, User, TrustState], None]] = {
    "move": move,
    "ask": ask,
    "approve": approve,
    "except": approve_with_exception,
    "kill": kill,
    "ask_lift": ask_lift,
    "lift": lift,
}


def check_history(extension: Extension) -> None:
    state = TrustState.UNKNOWN
    for row in TrustTransition.objects.filter(extension=extension).order_by("id"):
        start, end = TrustState(row.from_state), TrustState(row.to_state)
        assert start is state
        assert can_move(start, end)
        if needs_reviewer(start, end):
            assert row.approved_by_id is not None
            assert row.approved_by_id != row.requested_by_id
        state = end
    extension.refresh_from_db()
    assert extension.trust_state == state
    for lifted in KillSwitchLift.objects.select_related("kill_switch"):
        people = {lifted.requested_by_id, lifted.kill_switch.ordered_by_id}
        assert lifted.approved_by_id not in people
    if KillSwitch.objects.active().exists():
        assert state is TrustState.QUARANTINED
    assert verify_stream(extension_stream(extension.extension_id)) == []
