"""Kill switches: ordered, confirmed, asked to be lifted, lifted."""

import datetime as dt
from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from evidence.errors import MomentRefused
from evidence.models import AuditEntry
from incidents.models import Incident
from incidents.services.policy_records import read_switches
from policy.errors import KillSwitchError, PolicyRefused
from policy.models import Extension, KillSwitch
from policy.rules.kill_switch import KillSwitchState
from policy.services.case_records import early_lifts
from policy.services.kill_switches import (
    activate_kill_all,
    activate_kill_switch,
    confirm_kill_switch,
    instruction_for,
)
from policy.services.lifts import (
    approve_lift,
    decline_lift,
    request_lift,
    withdraw_lift,
)
from tests.conftest import make_user
from tests.factories import OUTCOME
from tests.policy.samples import make_extension, reach_remediate


@pytest.fixture
def switch(incident: Incident, extension: Extension, responder: User) -> KillSwitch:
    return activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="It reads secrets.",
        actor=responder,
    )


@pytest.fixture
def colleague(db: None) -> User:
    return make_user("colleague", "responder")


def fresh(switch: KillSwitch) -> KillSwitch:
    return KillSwitch.objects.with_people().get(pk=switch.pk)


def test_activation_quarantines_in_the_same_transaction(
    switch: KillSwitch, extension: Extension, incident: Incident
) -> None:
    extension.refresh_from_db()
    assert extension.trust_state == "quarantined"
    assert switch.previous_trust == "unknown"
    assert fresh(switch).state is KillSwitchState.ORDERED
    assert extension.trust_transitions.get().incident == incident


def test_activation_meets_the_gate_of_contain(
    switch: KillSwitch, incident: Incident
) -> None:
    assert read_switches(incident).killed == {"ext.weather"}


def test_activation_is_in_both_streams(switch: KillSwitch, incident: Incident) -> None:
    entries = AuditEntry.objects.filter(action="kill_switch.activated")
    assert set(entries.values_list("stream", flat=True)) == {
        f"incident:{incident.pk}",
        "extension:ext.weather",
    }


def test_the_runtime_is_given_the_exact_command_and_patch(switch: KillSwitch) -> None:
    instruction = instruction_for(switch)
    assert instruction.command == "pi --explain-extension-policy"
    patch = instruction.settings_patch
    assert patch is not None
    assert "exec" in patch["extensionPolicy"]["perExtension"]["ext.weather"]["deny"]


def test_a_second_switch_for_the_same_extension_is_refused(
    switch: KillSwitch, incident: Incident, extension: Extension, responder: User
) -> None:
    with pytest.raises(PolicyRefused, match=f"Kill switch {switch.pk} stops"):
        activate_kill_switch(
            incident_id=incident.pk,
            extension_pk=extension.pk,
            reason="Again.",
            actor=responder,
        )


def test_ordered_and_effective_are_two_times(
    switch: KillSwitch, responder: User
) -> None:
    effective_at = switch.ordered_at + dt.timedelta(seconds=1)
    confirmation, created = confirm_kill_switch(
        kill_switch_id=switch.pk,
        means="The runtime answered: all denied.",
        actor=responder,
        effective_at=effective_at,
        now=switch.ordered_at + dt.timedelta(minutes=2),
    )
    assert created
    assert confirmation.effective_at == effective_at
    assert confirmation.confirmed_at > effective_at
    assert fresh(switch).state is KillSwitchState.CONFIRMED


def test_confirming_twice_keeps_the_first(
    switch: KillSwitch, responder: User, machine: User
) -> None:
    first, _ = confirm_kill_switch(
        kill_switch_id=switch.pk, means="Shown denied.", actor=machine
    )
    second, created = confirm_kill_switch(
        kill_switch_id=switch.pk, means="Other words.", actor=responder
    )
    assert (second.pk, created) == (first.pk, False)
    assert second.means == "Shown denied."


def test_it_cannot_have_taken_effect_before_it_was_ordered(
    switch: KillSwitch, responder: User
) -> None:
    with pytest.raises(MomentRefused, match="from the order to now"):
        confirm_kill_switch(
            kill_switch_id=switch.pk,
            means="Shown denied.",
            actor=responder,
            effective_at=switch.ordered_at - dt.timedelta(hours=1),
        )


def test_kill_all_wants_the_reference_typed(
    incident: Incident, responder: User
) -> None:
    with pytest.raises(PolicyRefused, match="type out"):
        activate_kill_all(
            incident_id=incident.pk,
            typed_reference="yes",
            reason="Everything burns.",
            actor=responder,
        )
    assert not KillSwitch.objects.exists()


def test_kill_all_quarantines_every_extension_and_tells_somebody(
    incident: Incident,
    extension: Extension,
    responder: User,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    other = make_extension("ext.other")
    with django_capture_on_commit_callbacks() as callbacks:
        switch = activate_kill_all(
            incident_id=incident.pk,
            typed_reference=incident.reference.lower(),
            reason="Everything burns.",
            actor=responder,
        )
    for row in (extension, other):
        row.refresh_from_db()
        assert row.trust_state == "quarantined"
    assert instruction_for(switch).command == "pi --no-extensions"
    assert read_switches(incident).killed == {"ext.weather"}
    assert ("incidents.notify_kill_all", [switch.pk]) in [
        callback.args for callback in callbacks if isinstance(callback, partial)
    ]


def test_a_lift_needs_remediate_or_an_exception(
    switch: KillSwitch, colleague: User, reviewer: User, incident: Incident
) -> None:
    request = request_lift(
        kill_switch_id=switch.pk, reason="Fixed in 1.3.", actor=colleague
    )
    with pytest.raises(PolicyRefused, match="has not reached REMEDIATE"):
        approve_lift(request_id=request.pk, actor=reviewer)
    reach_remediate(incident)
    lift = approve_lift(request_id=request.pk, actor=reviewer)
    assert lift.exception == ""
    assert fresh(switch).state is KillSwitchState.LIFTED
    assert read_switches(incident).killed == frozenset()


def test_an_excepted_early_lift_is_let_through_and_is_a_finding(
    switch: KillSwitch, colleague: User, reviewer: User, incident: Incident
) -> None:
    request = request_lift(
        kill_switch_id=switch.pk, reason="Wrong one.", actor=colleague
    )
    lift = approve_lift(
        request_id=request.pk, actor=reviewer, exception="The wrong extension."
    )
    assert lift.exception == "The wrong extension."
    (finding,) = early_lifts(incident)
    assert finding.code == "lift_too_early"
    assert "The wrong extension." in finding.message


def test_a_lift_in_time_is_no_finding(
    switch: KillSwitch, colleague: User, reviewer: User, incident: Incident
) -> None:
    reach_remediate(incident)
    request = request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=colleague)
    approve_lift(request_id=request.pk, actor=reviewer)
    assert early_lifts(incident) == []


def test_lifting_does_not_restore_trust(
    switch: KillSwitch,
    colleague: User,
    reviewer: User,
    incident: Incident,
    extension: Extension,
) -> None:
    reach_remediate(incident)
    request = request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=colleague)
    approve_lift(request_id=request.pk, actor=reviewer)
    extension.refresh_from_db()
    assert extension.trust_state == "quarantined"


def test_who_asks_cannot_approve(
    switch: KillSwitch, reviewer: User, incident: Incident
) -> None:
    reach_remediate(incident)
    request = request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=reviewer)
    with pytest.raises(PolicyRefused, match="other than who asks") as refused:
        approve_lift(request_id=request.pk, actor=reviewer)
    assert refused.value.code == "reviewer_is_requester"


def test_who_activated_cannot_approve(
    incident: Incident, extension: Extension, reviewer: User, responder: User
) -> None:
    switch = activate_kill_switch(
        incident_id=incident.pk,
        extension_pk=extension.pk,
        reason="Stop it.",
        actor=reviewer,
    )
    reach_remediate(incident)
    request = request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=responder)
    with pytest.raises(PolicyRefused, match="other than who activated"):
        approve_lift(request_id=request.pk, actor=reviewer)


@pytest.mark.parametrize("end", [decline_lift, withdraw_lift])
def test_a_lift_that_was_decided_stays_decided(
    end: Callable[..., object], switch: KillSwitch, reviewer: User, responder: User
) -> None:
    request = request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=responder)
    actor = reviewer if end is decline_lift else responder
    end(request_id=request.pk, actor=actor, reason="Not now.")
    with pytest.raises(PolicyRefused, match="already"):
        approve_lift(request_id=request.pk, actor=reviewer, exception="But yes.")
    assert fresh(switch).state is KillSwitchState.ORDERED


def test_a_lifted_switch_takes_no_confirmation_and_no_second_lift(
    switch: KillSwitch, colleague: User, reviewer: User, incident: Incident
) -> None:
    reach_remediate(incident)
    request = request_lift(kill_switch_id=switch.pk, reason="Fixed.", actor=colleague)
    approve_lift(request_id=request.pk, actor=reviewer)
    with pytest.raises(KillSwitchError, match="cannot become confirmed"):
        confirm_kill_switch(kill_switch_id=switch.pk, means="Late.", actor=colleague)
    with pytest.raises(KillSwitchError, match="cannot become lifted"):
        request_lift(kill_switch_id=switch.pk, reason="Again.", actor=colleague)


def test_a_closed_case_orders_nothing(
    incident: Incident, extension: Extension, responder: User
) -> None:
    Incident.objects.filter(pk=incident.pk).update(
        status="closed_false_alarm",
        closed_at=timezone.now(),
        closing_reason="Noise.",
        **OUTCOME,
    )
    with pytest.raises(PolicyRefused, match="is closed"):
        activate_kill_switch(
            incident_id=incident.pk,
            extension_pk=extension.pk,
            reason="Stop it.",
            actor=responder,
        )
