"""Gates as they stand or stood, and what people state for their conditions."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.models import VerificationReport
from incidents.errors import IncidentError, TransitionError
from incidents.models import (
    GateRecord,
    GateStatement,
    Incident,
    IncidentPhase,
    TimelineKind,
)
from incidents.services.changes import (
    WORK,
    lock_open_incident,
    record_change,
    require_reason,
)
from incidents.services.checklist_entries import answer_matching_item
from incidents.services.gates.facts import FactsAsAsked
from incidents.services.gates.gathering import find_current_reports
from incidents.services.policy_records import CaseSwitches
from incidents.workflow.conditions import ConditionKey, GateResult, Waiver
from incidents.workflow.gate_facts import GateFacts
from incidents.workflow.gate_record import (
    read_gate_record,
    write_conditions,
    write_facts,
)
from incidents.workflow.gates import condition_keys, evaluate_gate
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
    ConditionKey.EXTENSION_KILLED: "Extension killed, by word instead of confirmation",
    ConditionKey.ISOLATION_VERIFIED: "Isolation verified",
    ConditionKey.FAILURES_EXPLAINED: "Failed verification explained",
    ConditionKey.ROOT_CAUSE_WRITTEN: "Root cause",
}


def phase_of_condition(key: ConditionKey) -> Phase:
    """Return the phase whose gate has this condition."""
    return next(phase for phase in PHASE_ORDER if key in condition_keys(phase))


def read_gate(
    incident: Incident, phase: IncidentPhase, *, switches: CaseSwitches | None = None
) -> GateResult:
    """Return the gate of one phase: as it was kept, or else as it stands now."""
    kept = stored_gate(phase)
    if kept is not None:
        return kept
    return decide_gate(phase, FactsAsAsked(incident, phase.cycle, switches))


def stored_gate(phase: IncidentPhase) -> GateResult | None:
    """Return the gate that was kept with a phase; None while it can still change.

    A gate of a completed phase or of an ended cycle is never evaluated again.
    """
    if phase.completed_at is None and phase.cycle.ended_at is None:
        return None
    record = getattr(phase, "gate_record", None)
    # DETECT completes by itself: its gate asks nothing, and nothing is kept.
    return read_gate_record(phase.name, record.conditions if record else ())


def decide_gate(phase: IncidentPhase, facts: GateFacts) -> GateResult:
    """Return the gate of a phase that these facts make, with its waivers in force."""
    return evaluate_gate(phase.name, facts, waivers=read_waivers(phase))


def keep_gate(
    phase: IncidentPhase, gate: GateResult, facts: GateFacts, *, now: dt.datetime
) -> GateRecord:
    """Keep a gate with the facts it stood on: its phase is complete, or left open."""
    return GateRecord.objects.create(
        phase=phase,
        conditions=write_conditions(gate),
        facts=write_facts(facts),
        recorded_at=now,
    )


def read_waivers(phase: IncidentPhase) -> list[Waiver]:
    """Return a phase's waivers in force. Costs queries unless they are prefetched."""
    return [
        Waiver(
            ConditionKey(row.condition_key), row.waived_by.get_username(), row.reason
        )
        for row in phase.waivers.all()
        if row.is_in_force
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
    incident = lock_open_incident(incident_id, actor)
    text = require_reason(statement)
    if condition not in STATED:
        raise IncidentError(
            f"“{condition.words}” is not met by saying so: it is read from the case."
        )
    phase = require_open_phase(incident, condition)
    # The current report: what was said of an older one explains nothing of this.
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
            "conditions": [condition.key for condition in gate.failed],
            "details": [condition.detail for condition in gate.failed],
        },
        now=now,
    )


def require_open_phase(incident: Incident, condition: ConditionKey) -> IncidentPhase:
    """Return the phase of a condition; raise TransitionError once it is complete."""
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
    report = next((known for known in current.values() if known.pk == report_id), None)
    if report is None:
        raise IncidentError(
            "This is no current report of this case's evidence. Choose the failed "
            "report that you explain."
        )
    if report.is_passing:
        raise IncidentError("This report has passed: there is nothing to explain.")
    return report
