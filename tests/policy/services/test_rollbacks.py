"""Rollbacks: planned, approved by another, and verified by what is decided."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from evidence.models import AuditEntry
from incidents.models import Incident
from policy.errors import PolicyRefused
from policy.models import PolicySnapshot, Rollback, RollbackState
from policy.rules.rollback import OverrideChoice, RiskChoice
from policy.services.rollbacks import (
    apply_rollback,
    approve_rollback,
    close_rollback,
    decline_rollback,
    propose_earlier_snapshot,
    propose_safe_defaults,
    withdraw_rollback,
)
from tests.factories import make_incident
from tests.policy.explaining import explain_settings
from tests.policy.samples import PERMISSIVE, SAFE, take

SCORING = {
    "extensionRisk": {
        "enabled": True,
        "enforce": True,
        "alpha": 0.01,
        "windowSize": 128,
        "failClosed": True,
    }
}


@pytest.fixture
def permissive(incident: Incident) -> PolicySnapshot:
    an_hour_ago = timezone.now() - dt.timedelta(hours=1)
    return take(incident, PERMISSIVE, captured_at=an_hour_ago)


@pytest.fixture
def proposed(permissive: PolicySnapshot, responder: User) -> Rollback:
    return propose_safe_defaults(
        snapshot_id=permissive.pk,
        risk=RiskChoice.SCORING_DEFAULTS,
        overrides=OverrideChoice.KEEP_TIGHTENING,
        reason="Everything is allowed.",
        actor=responder,
    )


@pytest.fixture
def approved(proposed: Rollback, reviewer: User) -> Rollback:
    return approve_rollback(rollback_id=proposed.pk, actor=reviewer)


def apply(rollback: Rollback, proof: PolicySnapshot, actor: User) -> Rollback:
    return apply_rollback(
        rollback_id=rollback.pk,
        proof_snapshot_id=proof.pk,
        command_output="effective_profile: safe\ntest result: ok",
        actor=actor,
    )


def test_a_plan_has_before_after_effects_commands_and_consequence(
    proposed: Rollback,
) -> None:
    assert proposed.before["extensionPolicy"]["profile"] == "permissive"
    assert proposed.after["extensionPolicy"] == {
        "profile": "safe",
        "allowDangerous": False,
    }
    effects = [effect["text"] for effect in proposed.effects]
    assert "exec: allow → deny for all extensions" in effects
    commands = [command["command"] for command in proposed.commands]
    assert commands[0] == "pi --explain-extension-policy"
    assert any("controller on" in note for note in proposed.notes)


def test_who_proposed_cannot_approve(
    permissive: PolicySnapshot, reviewer: User
) -> None:
    rollback = propose_safe_defaults(
        snapshot_id=permissive.pk,
        risk=RiskChoice.UNCHANGED,
        overrides=OverrideChoice.KEEP,
        reason="Everything is allowed.",
        actor=reviewer,
    )
    with pytest.raises(PolicyRefused, match="somebody other than who proposed"):
        approve_rollback(rollback_id=rollback.pk, actor=reviewer)


def test_a_plan_is_not_applied_before_it_is_approved(
    proposed: Rollback, incident: Incident, responder: User
) -> None:
    with pytest.raises(PolicyRefused, match="Only an approved one"):
        apply(proposed, take(incident, SAFE | SCORING), responder)


def test_decisions_as_planned_verify_it(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    done = apply(approved, take(incident, SAFE | SCORING), responder)
    assert done.state == RollbackState.VERIFIED
    assert done.deviations == []
    entry = AuditEntry.objects.get(action="rollback.verified")
    assert entry.after["proof_snapshot"] == done.newest_proof.snapshot_id


def test_other_decisions_keep_it_open_and_are_listed(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    half = SCORING | {"extensionPolicy": {"profile": "balanced"}}
    open_still = apply(approved, take(incident, half), responder)
    assert open_still.state == RollbackState.APPLIED
    assert "ui for all extensions" in [
        deviation["subject"] for deviation in open_still.deviations
    ]
    done = apply(approved, take(incident, SAFE | SCORING), responder)
    assert done.state == RollbackState.VERIFIED


def test_a_profile_given_beside_the_file_is_a_deviation(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    proof = take(incident, SAFE | SCORING, cli_profile="permissive")
    assert apply(approved, proof, responder).state == RollbackState.APPLIED


def test_an_older_snapshot_is_no_proof(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    old = take(
        incident, SAFE, captured_at=approved.decided_at - dt.timedelta(seconds=1)
    )
    with pytest.raises(PolicyRefused, match="older than the approval"):
        apply(approved, old, responder)


def test_a_snapshot_of_another_case_is_no_proof(
    approved: Rollback, responder: User
) -> None:
    other = take(make_incident(extension_ids=("ext.other",)), SAFE)
    with pytest.raises(PolicyRefused, match="of another case"):
        apply(approved, other, responder)


def test_the_output_of_the_commands_is_required(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    with pytest.raises(PolicyRefused, match="output of the verification commands"):
        apply_rollback(
            rollback_id=approved.pk,
            proof_snapshot_id=take(incident, SAFE).pk,
            command_output=" ",
            actor=responder,
        )


def test_a_declined_plan_is_not_applied(
    proposed: Rollback, incident: Incident, reviewer: User, responder: User
) -> None:
    decline_rollback(rollback_id=proposed.pk, actor=reviewer, reason="Too wide.")
    with pytest.raises(PolicyRefused, match="declined"):
        apply(proposed, take(incident, SAFE | SCORING), responder)


def test_going_back_to_an_earlier_snapshot(
    permissive: PolicySnapshot, incident: Incident, responder: User, reviewer: User
) -> None:
    earlier = take(
        incident, SAFE, captured_at=permissive.captured_at - dt.timedelta(days=1)
    )
    with pytest.raises(PolicyRefused, match="Choose an earlier one"):
        propose_earlier_snapshot(
            snapshot_id=earlier.pk,
            target_snapshot_id=permissive.pk,
            reason="The wrong way round.",
            actor=responder,
        )
    rollback = propose_earlier_snapshot(
        snapshot_id=permissive.pk,
        target_snapshot_id=earlier.pk,
        reason="It was fine then.",
        actor=responder,
    )
    approve_rollback(rollback_id=rollback.pk, actor=reviewer)
    assert apply(rollback, take(incident, SAFE), responder).state == "verified"


def test_a_proof_whose_own_explanation_says_permissive_does_not_verify(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    proof = take(incident, SAFE | SCORING, explanation=explain_settings(PERMISSIVE))
    done = apply(approved, proof, responder)
    assert done.state == RollbackState.APPLIED
    assert len(done.deviations) >= 20
    entry = AuditEntry.objects.get(action="rollback.applied")
    assert entry.after["is_explained"] is True


def test_a_proof_that_the_runtime_explains_as_planned_verifies(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    proof = take(incident, SAFE | SCORING, explanation=explain_settings(SAFE))
    assert apply(approved, proof, responder).state == RollbackState.VERIFIED


def test_an_output_that_says_permissive_does_not_verify(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    done = apply_rollback(
        rollback_id=approved.pk,
        proof_snapshot_id=take(incident, SAFE | SCORING).pk,
        command_output="effective_profile: permissive",
        actor=responder,
    )
    assert done.state == RollbackState.APPLIED


def test_every_proof_is_kept(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    half = SCORING | {"extensionPolicy": {"profile": "balanced"}}
    apply(approved, take(incident, half), responder)
    done = apply(approved, take(incident, SAFE | SCORING), responder)
    newest, earlier = done.proofs.all()
    assert newest.deviations == []
    assert earlier.deviations
    assert earlier.snapshot.document == half


def test_a_proposal_is_withdrawn_by_who_made_it_alone(
    proposed: Rollback, responder: User, reviewer: User
) -> None:
    with pytest.raises(PolicyRefused, match="only who proposed it can withdraw"):
        withdraw_rollback(rollback_id=proposed.pk, actor=reviewer)
    done = withdraw_rollback(rollback_id=proposed.pk, actor=responder, reason="Wrong.")
    assert (done.state, done.decision_reason) == (RollbackState.WITHDRAWN, "Wrong.")
    assert AuditEntry.objects.filter(action="rollback.withdrawn").count() == 1
    with pytest.raises(PolicyRefused, match="withdrawn already"):
        approve_rollback(rollback_id=proposed.pk, actor=reviewer)


def test_an_approved_rollback_is_closed_with_a_reason(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    with pytest.raises(PolicyRefused, match="approved already"):
        withdraw_rollback(rollback_id=approved.pk, actor=responder)
    with pytest.raises(PolicyRefused, match="A reason is missing"):
        close_rollback(rollback_id=approved.pk, actor=responder, reason=" ")
    done = close_rollback(
        rollback_id=approved.pk, actor=responder, reason="Another plan replaces it."
    )
    assert done.state == RollbackState.CLOSED
    assert done.closed_by == responder
    entry = AuditEntry.objects.get(action="rollback.closed")
    assert entry.reason == "Another plan replaces it."
    with pytest.raises(PolicyRefused, match="closed without verification"):
        apply(approved, take(incident, SAFE | SCORING), responder)


def test_closing_keeps_a_proof_that_failed(
    approved: Rollback, incident: Incident, responder: User
) -> None:
    apply(approved, take(incident, PERMISSIVE), responder)
    done = close_rollback(rollback_id=approved.pk, actor=responder, reason="Given up.")
    assert done.state == RollbackState.CLOSED
    assert done.deviations


def test_what_is_not_approved_or_is_verified_is_not_closed(
    proposed: Rollback, incident: Incident, responder: User, reviewer: User
) -> None:
    with pytest.raises(PolicyRefused, match="Only an approved one"):
        close_rollback(rollback_id=proposed.pk, actor=responder, reason="No.")
    approve_rollback(rollback_id=proposed.pk, actor=reviewer)
    apply(proposed, take(incident, SAFE | SCORING), responder)
    with pytest.raises(PolicyRefused, match="This rollback is verified"):
        close_rollback(rollback_id=proposed.pk, actor=responder, reason="No.")
