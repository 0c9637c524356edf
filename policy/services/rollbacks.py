"""Rollbacks: proposed, approved by another, applied with proof, then verified."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.text import tidy_text
from policy.errors import PolicyConflict, PolicyNotFound, PolicyRefused
from policy.models import PolicySnapshot, Rollback, RollbackProof, RollbackState
from policy.models.rollbacks import STATES_TO_PROVE
from policy.rules.explanation import interpret_explanation
from policy.rules.rollback import (
    OverrideChoice,
    RiskChoice,
    RollbackPlan,
    plan_earlier_snapshot,
    plan_safe_defaults,
)
from policy.rules.rollback_proof import RollbackDeviation, find_deviations
from policy.rules.settings_document import SettingsSnapshot, interpret_settings
from policy.services.changes import (
    REVIEW_POLICY,
    WORK_POLICY,
    clean_text,
    record_change,
    require_reason,
)
from policy.services.concerned_cases import (
    lock_incident,
    lock_open_incident,
)
from policy.services.followers import tell_of_rollback
from policy.services.requests import RequestKind
from policy.services.snapshots import read_snapshot, without_nul

OUTPUT_LENGTH = 100_000


@transaction.atomic
def propose_safe_defaults(
    *,
    snapshot_id: int,
    risk: RiskChoice,
    overrides: OverrideChoice,
    reason: str,
    actor: User,
    now: dt.datetime | None = None,
) -> Rollback:
    """Propose the way back from a snapshot to the safe profile.

    Each choice states its consequence in the plan's notes; neither has a default.
    """
    require_permission(actor, WORK_POLICY)
    snapshot = _find_snapshot(snapshot_id)
    lock_open_incident(snapshot.incident_id, actor)
    # The plan is kept as it was proposed: what a reviewer approves is what they read.
    plan = plan_safe_defaults(read_snapshot(snapshot), risk=risk, overrides=overrides)
    return _propose(
        snapshot,
        plan,
        reason=reason,
        actor=actor,
        now=now or timezone.now(),
        risk_choice=risk.value,
        override_choice=overrides.value,
    )


@transaction.atomic
def propose_earlier_snapshot(
    *,
    snapshot_id: int,
    target_snapshot_id: int,
    reason: str,
    actor: User,
    now: dt.datetime | None = None,
) -> Rollback:
    """Propose the way back from a snapshot to an earlier one."""
    require_permission(actor, WORK_POLICY)
    snapshot = _find_snapshot(snapshot_id)
    target = _find_snapshot(target_snapshot_id)
    lock_open_incident(snapshot.incident_id, actor)
    if target.captured_at >= snapshot.captured_at:
        raise PolicyRefused(
            "The snapshot to go back to shows a later moment than the other. Choose "
            "an earlier one.",
            code="target_not_earlier",
        )
    plan = plan_earlier_snapshot(read_snapshot(snapshot), read_snapshot(target))
    return _propose(
        snapshot,
        plan,
        reason=reason,
        actor=actor,
        now=now or timezone.now(),
        target_snapshot=target,
    )


@transaction.atomic
def approve_rollback(
    *, rollback_id: int, actor: User, reason: str = "", now: dt.datetime | None = None
) -> Rollback:
    """Approve a rollback that somebody else proposed."""
    require_permission(actor, REVIEW_POLICY)
    moment = now or timezone.now()
    return ROLLBACKS.end(
        ROLLBACKS.lock_waiting(rollback_id, now=moment),
        RollbackState.APPROVED,
        actor=actor,
        reason=clean_text(reason),
        now=moment,
    )


def decline_rollback(
    *, rollback_id: int, actor: User, reason: str, now: dt.datetime | None = None
) -> Rollback:
    """Decline a rollback that somebody else proposed, with a reason."""
    return ROLLBACKS.decline(rollback_id, actor=actor, reason=reason, now=now)


def withdraw_rollback(
    *, rollback_id: int, actor: User, reason: str = "", now: dt.datetime | None = None
) -> Rollback:
    """Take back one's own proposal before anybody decided on it."""
    return ROLLBACKS.withdraw(rollback_id, actor=actor, reason=reason, now=now)


@transaction.atomic
def close_rollback(
    *, rollback_id: int, actor: User, reason: str, now: dt.datetime | None = None
) -> Rollback:
    """End an approved rollback that is not verified, with a reason.

    It is called off, replaced by another plan, or left as it is. Its proofs stay.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    rollback = ROLLBACKS.lock(rollback_id)
    before = _require_to_prove(rollback, "closed without verification")
    rollback.state = RollbackState.CLOSED
    rollback.closed_at = moment
    rollback.closed_by = actor
    rollback.closing_reason = require_reason(reason)
    rollback.save(update_fields=["state", "closed_at", "closed_by", "closing_reason"])
    record_change(
        rollback,
        action="rollback.closed",
        actor=actor,
        now=moment,
        incident_id=rollback.incident_id,
        reason=rollback.closing_reason,
        before={"state": before},
        after={"state": str(rollback.state)},
    )
    return rollback


@transaction.atomic
def apply_rollback(
    *,
    rollback_id: int,
    proof_snapshot_id: int,
    command_output: str,
    actor: User,
    now: dt.datetime | None = None,
) -> Rollback:
    """Mark a rollback applied, and verify it against the snapshot that proves it.

    Verified where every decision, quota, risk and broker setting is as planned, by the
    settings, by the runtime's explanation and by the commands' output; else it stays
    open, and the proof says which are not. A later proof can be given then.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    rollback = ROLLBACKS.lock(rollback_id)
    before = _require_to_prove(rollback, "applied")
    snapshot = _require_proof(rollback, proof_snapshot_id)
    output = require_output(command_output)
    deviations = judge_proof(rollback, snapshot, output)
    RollbackProof.objects.create(
        rollback=rollback,
        snapshot=snapshot,
        command_output=output,
        deviations=without_nul([vars(deviation) for deviation in deviations]),
        given_at=moment,
        given_by=actor,
    )
    rollback.state = RollbackState.APPLIED if deviations else RollbackState.VERIFIED
    rollback.save(update_fields=["state"])
    record_change(
        rollback,
        action="rollback.verified" if not deviations else "rollback.applied",
        actor=actor,
        now=moment,
        incident_id=rollback.incident_id,
        before={"state": before},
        after={
            "state": str(rollback.state),
            "proof_snapshot": snapshot.pk,
            "is_explained": snapshot.explanation is not None,
            "deviations": [deviation.subject for deviation in deviations[:50]],
        },
    )
    tell_of_rollback(rollback, actor, moment)
    return rollback


def judge_proof(
    rollback: Rollback, snapshot: PolicySnapshot, output: str
) -> list[RollbackDeviation]:
    """Return what a snapshot, its explanation and the output have not as planned."""
    explained = snapshot.explanation
    return find_deviations(
        target_of(rollback),
        read_snapshot(snapshot),
        explanation=interpret_explanation(explained) if explained is not None else None,
        output=output,
    )


def target_of(rollback: Rollback) -> SettingsSnapshot:
    """Return what the plan is to end in: its document, with no profile beside it."""
    return SettingsSnapshot(interpret_settings(rollback.after))


def require_output(output: str) -> str:
    """Return the commands' output, safe to store; refuse an empty one."""
    text = tidy_text(output)
    if not text:
        raise PolicyRefused(
            "The output of the verification commands is missing. Paste what they "
            "showed.",
            code="output_missing",
        )
    return text[:OUTPUT_LENGTH]


def _propose(
    snapshot: PolicySnapshot,
    plan: RollbackPlan,
    *,
    reason: str,
    actor: User,
    now: dt.datetime,
    target_snapshot: PolicySnapshot | None = None,
    risk_choice: str = "",
    override_choice: str = "",
) -> Rollback:
    rollback = Rollback.objects.create(
        incident_id=snapshot.incident_id,
        snapshot=snapshot,
        target_snapshot=target_snapshot,
        reason=require_reason(reason),
        risk_choice=risk_choice,
        override_choice=override_choice,
        before=without_nul(plan.before),
        after=without_nul(plan.after),
        effects=without_nul(describe_effects(plan)),
        planned=without_nul(_planned(plan)),
        commands=[vars(command) for command in plan.commands],
        notes=list(plan.notes),
        requested_at=now,
        requested_by=actor,
    )
    record_change(
        rollback,
        action="rollback.proposed",
        actor=actor,
        now=now,
        incident_id=rollback.incident_id,
        reason=rollback.reason,
        after={
            "snapshot": snapshot.pk,
            "target_snapshot": target_snapshot.pk if target_snapshot else None,
            "risk": risk_choice,
            "overrides": override_choice,
            "effects": [effect["text"] for effect in rollback.effects],
        },
    )
    return rollback


def describe_effects(plan: RollbackPlan) -> list[dict[str, str]]:
    """Return the effects of a plan as sentences with what they mean."""
    decisions = [{"text": group.text, "meaning": ""} for group in plan.effects.groups]
    settings = [
        {
            "text": f"{setting.path}: {setting.before} → {setting.after}",
            "meaning": setting.meaning,
        }
        for setting in plan.effects.settings
    ]
    return decisions + settings


def _planned(plan: RollbackPlan) -> list[dict[str, Any]]:
    return [
        {
            "extension": planned.extension,
            "capability": planned.capability,
            "decision": planned.decision.decision.value,
            "reason": planned.decision.reason.value,
        }
        for planned in plan.planned
    ]


def _record_decision(
    rollback: Rollback, action: str, actor: Actor, now: dt.datetime
) -> None:
    record_change(
        rollback,
        action=action,
        actor=actor,
        now=now,
        incident_id=rollback.incident_id,
        reason=rollback.decision_reason,
        before={"state": str(RollbackState.PROPOSED)},
        after={"state": str(rollback.state)},
    )


ROLLBACKS = RequestKind(
    Rollback,
    lock_subject=lambda rollback: lock_incident(rollback.incident_id),
    actions={
        RollbackState.APPROVED: "rollback.approved",
        RollbackState.DECLINED: "rollback.declined",
        RollbackState.WITHDRAWN: "rollback.withdrawn",
        RollbackState.LAPSED: "rollback.lapsed",
    },
    record=_record_decision,
    missing_code="no_such_rollback",
)


def _require_to_prove(rollback: Rollback, what: str) -> str:
    """Return the state of a rollback that is approved and not ended; refuse others."""
    if rollback.state not in STATES_TO_PROVE:
        raise PolicyConflict(
            f"This rollback is {rollback.get_state_display().lower()}. Only an "
            f"approved one is {what}.",
            code="not_approved",
        )
    return str(rollback.state)


def _find_snapshot(snapshot_id: int) -> PolicySnapshot:
    snapshot = PolicySnapshot.objects.filter(pk=snapshot_id).first()
    if snapshot is None:
        raise PolicyNotFound(
            f"There is no policy snapshot {snapshot_id}: take one.",
            code="no_such_snapshot",
        )
    return snapshot


def _require_proof(rollback: Rollback, snapshot_id: int) -> PolicySnapshot:
    """Return the proof: a snapshot of the same case, taken since the approval."""
    proof = _find_snapshot(snapshot_id)
    if proof.incident_id != rollback.incident_id:
        raise PolicyRefused(
            "The snapshot is of another case. Choose one of this case as proof.",
            code="proof_of_other_case",
        )
    # By when the runtime showed it, not by when it was uploaded: an old document taken
    # in today proves nothing.
    decided_at = rollback.decided_at
    if decided_at is None or proof.captured_at < decided_at:
        raise PolicyRefused(
            "The snapshot is older than the approval, and cannot show that the "
            "rollback was applied. Take one after it.",
            code="proof_too_old",
        )
    return proof
