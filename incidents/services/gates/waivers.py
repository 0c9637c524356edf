"""Waivers: a reviewer lets a condition go that stands in the way, or no longer does."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import require_permission
from incidents.errors import IncidentNotFound, TransitionError
from incidents.models import GateWaiver, Incident, IncidentPhase, TimelineKind
from incidents.services.changes import (
    REVIEW,
    lock_open_incident,
    record_change,
    require_reason,
)
from incidents.services.gates.conditions import (
    read_gate,
    require_open_phase,
)
from incidents.workflow.conditions import UNWAIVABLE, ConditionKey


@transaction.atomic
def waive_condition(
    *,
    actor: User,
    incident_id: int,
    condition: ConditionKey,
    reason: str,
    now: dt.datetime | None = None,
) -> GateWaiver:
    """Let the running phase pass without a condition that stands in its way now.

    Raise IncidentError for a condition of the postmortem, which nobody can let go, and
    TransitionError where the phase does not run or the condition is met: a waiver for
    later would hide what nobody has looked at yet.
    """
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    text = require_reason(reason)
    if condition in UNWAIVABLE:
        raise TransitionError(
            f"“{condition.words}” cannot be waived: no case is closed without its "
            "postmortem written, signed and archived.",
            code="unwaivable",
        )
    phase = require_open_phase(incident, condition)
    # Judged under the lock of the case: what was missing on the page may be met by now.
    _require_in_the_way(incident, phase, condition)
    waiver = GateWaiver.objects.create(
        phase=phase,
        condition_key=condition,
        reason=text,
        waived_at=moment,
        waived_by=actor,
    )
    _record(incident, waiver, "gate.waived", actor=actor, reason=text, now=moment)
    return waiver


@transaction.atomic
def revoke_waiver(
    *,
    actor: User,
    incident_id: int,
    waiver_id: int,
    reason: str,
    now: dt.datetime | None = None,
) -> GateWaiver:
    """Take a waiver back while its phase runs; both stay in sight.

    Raise TransitionError once the phase is complete, which rested on it.
    """
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    text = require_reason(reason)
    # Only of the running cycle: those of a past one are part of how it ended.
    waiver = (
        GateWaiver.objects.select_related("phase")
        .filter(pk=waiver_id, phase__cycle=incident.current_cycle)
        .first()
    )
    if waiver is None:
        raise IncidentNotFound(
            "This waiver is not one of this case's cycle.", code="no_such_waiver"
        )
    if not waiver.is_in_force:
        raise TransitionError("This waiver is revoked already.", code="waiver_revoked")
    require_open_phase(incident, ConditionKey(waiver.condition_key))
    waiver.revoked_at, waiver.revoked_by = moment, actor
    waiver.revocation_reason = text
    waiver.save(update_fields=["revoked_at", "revoked_by", "revocation_reason"])
    _record(
        incident, waiver, "gate.waiver_revoked", actor=actor, reason=text, now=moment
    )
    return waiver


def _require_in_the_way(
    incident: Incident, phase: IncidentPhase, condition: ConditionKey
) -> None:
    running = incident.current_cycle.running_phase
    if running is None or running.pk != phase.pk:
        raise TransitionError(
            f"{phase} has not been reached: {running} runs. Only a condition that "
            "stands in the way now can be waived.",
            code="phase_not_reached",
        )
    gate = read_gate(incident, phase)
    state = next(
        (candidate for candidate in gate.conditions if candidate.key == condition), None
    )
    if state is None:
        raise TransitionError(
            f"{phase} has no required checklist items: there is nothing to waive.",
            code="condition_met",
        )
    if state.waiver is not None:
        raise TransitionError(
            f"“{condition.words}” is waived already.", code="waived_already"
        )
    if state.met:
        raise TransitionError(
            f"{state.text} is met ({state.detail}): there is nothing to waive.",
            code="condition_met",
        )


def _record(
    incident: Incident,
    waiver: GateWaiver,
    action: str,
    *,
    actor: User,
    reason: str,
    now: dt.datetime,
) -> None:
    phase, about = waiver.phase, waiver.condition_key.replace("-", " ")
    said = "Waived for" if action == "gate.waived" else "Waiver revoked for"
    record_change(
        incident,
        action=action,
        actor=actor,
        now=now,
        body=f"**{said} {phase}: {about}**",
        kind=TimelineKind.DECISION,
        after={
            "phase": phase.phase,
            "condition": waiver.condition_key,
            "waiver": waiver.pk,
        },
        reason=reason,
        phase=phase.phase,
    )
