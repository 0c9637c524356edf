"""Gates: their conditions, what people state for them and what reviewers waive."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.access import Actor, require_permission
from evidence.audit import incident_stream, record_entry
from evidence.models import VerificationReport
from incidents.errors import IncidentError, TransitionError
from incidents.models import (
    Cycle,
    GateStatement,
    GateWaiver,
    Incident,
    IncidentPhase,
    TimelineKind,
)
from incidents.services.changes import (
    REVIEW,
    WORK,
    lock_open_incident,
    record_change,
    require_reason,
)
from incidents.services.checklist_entries import answer_matching_item
from incidents.services.gates.facts import find_current_reports, gather_facts
from incidents.workflow.gates import (
    UNWAIVABLE,
    ConditionKey,
    GateResult,
    Waiver,
    condition_keys,
    evaluate_gate,
)
from incidents.workflow.phases import PHASE_ORDER, Phase

STATED = frozenset(
    {
        ConditionKey.EXTENSION_KILLED,
        ConditionKey.ISOLATION_VERIFIED,
        ConditionKey.FAILURES_EXPLAINED,
        ConditionKey.ROOT_CAUSE_WRITTEN,
    }
)
"""The conditions that a person can meet by saying so; the others are read from rows."""
TITLES = {
    ConditionKey.EXTENSION_KILLED: "Extension killed by other means",
    ConditionKey.ISOLATION_VERIFIED: "Isolation verified",
    ConditionKey.FAILURES_EXPLAINED: "Failed verification explained",
    ConditionKey.ROOT_CAUSE_WRITTEN: "Root cause",
}


def phase_of_condition(key: ConditionKey) -> Phase:
    """Return the phase whose gate has this condition."""
    return next(phase for phase in PHASE_ORDER if key in condition_keys(phase))


def read_gates(incident: Incident, cycle: Cycle) -> dict[Phase, GateResult]:
    """Return every gate of a cycle as it stands now."""
    facts = gather_facts(incident, cycle)
    return {
        phase.name: evaluate_gate(phase.name, facts, waivers=read_waivers(phase))
        for phase in cycle.phases.all()
    }


def read_gate(incident: Incident, phase: IncidentPhase) -> GateResult:
    """Return the gate of one phase as it stands now."""
    facts = gather_facts(incident, phase.cycle)
    return evaluate_gate(phase.name, facts, waivers=read_waivers(phase))


def read_waivers(phase: IncidentPhase) -> Iterable[Waiver]:
    """Return a phase's waivers. Costs queries unless they are prefetched."""
    return [
        Waiver(
            ConditionKey(row.condition_key), row.waived_by.get_username(), row.reason
        )
        for row in phase.waivers.all()
    ]


@transaction.atomic
def state_condition(
    *,
    actor: User,
    incident_id: int,
    condition: ConditionKey,
    statement: str,
    report_id: int | None = None,
    now: dt.datetime | None = None,
) -> GateStatement:
    """Record what a person says for a condition; the newest statement counts.

    For a failed report, `report_id` names the report that is explained. The checklist
    item that asks for the same is answered with it.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id)
    text = require_reason(statement)
    if condition not in STATED:
        raise IncidentError(
            f"{condition} is not met by saying so: it is read from the case"
        )
    phase = _require_open_phase(incident, condition)
    report = _find_report(incident, condition, report_id)
    row = add_statement(phase, condition, text, report=report, actor=actor, now=moment)
    about = f" ({report.item.original_name})" if report else ""
    record_change(
        incident,
        action="gate.stated",
        actor=actor,
        now=moment,
        body=f"**{TITLES[condition]}{about}**\n\n{text}",
        kind=TimelineKind.DECISION,
        after={"condition": condition, "report": report_id, "statement": text},
        phase=phase.phase,
    )
    answer_matching_item(phase.cycle, condition, note=text, actor=actor, now=moment)
    return row


def add_statement(
    phase: IncidentPhase,
    condition: ConditionKey,
    text: str,
    *,
    actor: User,
    now: dt.datetime,
    report: VerificationReport | None = None,
) -> GateStatement:
    """Append a statement under the lock of the case; an empty one takes it back."""
    return GateStatement.objects.create(
        phase=phase,
        condition_key=condition,
        statement=text,
        report=report,
        stated_at=now,
        stated_by=actor,
    )


@transaction.atomic
def waive_condition(
    *,
    actor: User,
    incident_id: int,
    condition: ConditionKey,
    reason: str,
    now: dt.datetime | None = None,
) -> GateWaiver:
    """Let a phase pass without one of its conditions: a reviewer's decision.

    Raise IncidentError for a condition of the postmortem, which nobody can let go.
    """
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id)
    text = require_reason(reason)
    if condition in UNWAIVABLE:
        raise IncidentError(
            f"{condition} cannot be waived: no case is closed by the book without its "
            "postmortem written, signed and archived"
        )
    phase = _require_open_phase(incident, condition)
    if phase.waivers.filter(condition_key=condition).exists():
        raise IncidentError(f"{condition} is waived already")
    waiver = GateWaiver.objects.create(
        phase=phase,
        condition_key=condition,
        reason=text,
        waived_at=moment,
        waived_by=actor,
    )
    record_change(
        incident,
        action="gate.waived",
        actor=actor,
        now=moment,
        body=f"**Waived for {phase}: {condition.replace('-', ' ')}**",
        kind=TimelineKind.DECISION,
        after={"phase": phase.phase, "condition": condition},
        reason=text,
        phase=phase.phase,
    )
    return waiver


def record_refusal(
    incident: Incident, gate: GateResult, *, actor: Actor, now: dt.datetime
) -> None:
    """Record that a phase was refused, and by which conditions."""
    record_entry(
        streams=[incident_stream(incident.pk)],
        action="phase.refused",
        actor=actor,
        obj=incident,
        after={
            "phase": gate.phase,
            "conditions": [one.key for one in gate.failed],
            "details": [one.detail for one in gate.failed],
        },
        now=now,
    )


def _require_open_phase(incident: Incident, condition: ConditionKey) -> IncidentPhase:
    name = phase_of_condition(condition)
    phase: IncidentPhase = incident.current_cycle.phases.get(phase=name)
    if phase.completed_at is not None:
        raise TransitionError(
            f"{phase} is complete: what its gate rested on no longer changes. "
            "Write a note or a correction in the timeline."
        )
    return phase


def _find_report(
    incident: Incident, condition: ConditionKey, report_id: int | None
) -> VerificationReport | None:
    if condition is not ConditionKey.FAILURES_EXPLAINED:
        return None
    current = find_current_reports(incident.evidence_items.all())
    report = next((one for one in current.values() if one.pk == report_id), None)
    if report is None:
        raise IncidentError(
            "expected a current report of this case's evidence: an explanation is of "
            "one failed report"
        )
    if report.is_passing:
        raise IncidentError("this report has passed: there is nothing to explain")
    return report
