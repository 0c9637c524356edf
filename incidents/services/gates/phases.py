"""Completing phases in their order, setting REMEDIATE's due time, marking breaches."""

from __future__ import annotations

import datetime as dt
import time

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.stored_moments import Span
from incidents.errors import IncidentForbidden, TransitionError
from incidents.models import Incident, IncidentPhase
from incidents.services.changes import (
    REVIEW,
    WORK,
    lock_open_incident,
    record_change,
    require_reason,
)
from incidents.services.checklist_entries import answer_matching_item
from incidents.services.cycle_plan import document_of, start_clock
from incidents.services.gates.conditions import (
    decide_gate,
    keep_gate,
    record_refusal,
)
from incidents.services.gates.facts import gather_facts
from incidents.workflow.clocks import breached_at
from incidents.workflow.conditions import GateResult
from incidents.workflow.gate_facts import GateFacts
from incidents.workflow.phases import (
    Phase,
    PhaseOrderError,
    next_phase,
    require_in_order,
)

RUN_SECONDS = 12.0
"""A burst of breaches is marked in several runs, and other tasks have their turn."""
DUE_TIME = Span("a due time after now", is_to_come=True)


@transaction.atomic
def complete_phase(
    *,
    actor: Actor,
    incident_id: int,
    phase: Phase,
    remediate_due_at: dt.datetime | None = None,
    due_reason: str = "",
    now: dt.datetime | None = None,
) -> GateResult:
    """Complete the running phase if its gate passes; return the gate as it stood.

    A refusal is recorded and returned, not raised: `gate.decision` says which
    conditions stand in the way. Raise TransitionError for a phase out of its turn.
    With ANALYZE, the lead can also set when REMEDIATE is due.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    row = _require_turn(incident, phase)
    # Under the lock of the case, so that nothing the gate looks at moves between the
    # decision and what is written of it.
    facts = gather_facts(incident, row.cycle)
    gate = decide_gate(row, facts)
    if not gate.passed:
        # Returned, not raised: an exception would roll the record of it back.
        record_refusal(incident, gate, actor=actor, now=moment)
        return gate
    _complete(incident, row, gate, facts, actor=actor, now=moment)
    if remediate_due_at is not None:
        _set_due(incident, remediate_due_at, due_reason, actor=actor, now=moment)
    return gate


@transaction.atomic
def set_remediate_due(
    *,
    actor: Actor,
    incident_id: int,
    due_at: dt.datetime,
    reason: str,
    now: dt.datetime | None = None,
) -> IncidentPhase:
    """Set when REMEDIATE is due: the lead's or a reviewer's word, with a reason.

    It can be set again, which history shows; a breach that happened stays one.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    return _set_due(incident, due_at, reason, actor=actor, now=moment)


def mark_breaches(*, now: dt.datetime | None = None) -> int:
    """Mark every running clock that is past its due time; return how many were.

    Any number of callers may run at once: a case that another one holds is left to
    it, or to the next run, as is what a run has no time for. Longest overdue first.
    """
    moment = now or timezone.now()
    overdue = _overdue(moment).order_by("due_at", "pk")
    cases = dict.fromkeys(overdue.values_list("cycle__incident_id", flat=True))
    ends_at = time.monotonic() + RUN_SECONDS
    marked = 0
    for pk in cases:
        if time.monotonic() >= ends_at:
            break
        marked += _mark_breaches_of(pk, moment)
    return marked


@transaction.atomic
def _mark_breaches_of(incident_id: int, now: dt.datetime) -> int:
    incident = (
        Incident.objects.open()
        # A person who works in the case goes before a sweep: the next run sees it.
        .select_for_update(of=("self",), skip_locked=True)
        .filter(pk=incident_id)
        .first()
    )
    if incident is None:
        return 0
    return mark_overdue(incident, now)


def mark_overdue(incident: Incident, now: dt.datetime) -> int:
    """Mark what is overdue in a case that the caller has locked; return how many."""
    rows = list(_overdue(now).filter(cycle__incident=incident))
    for row in rows:
        _mark_breach(incident, row, now)
    return len(rows)


def _mark_breach(incident: Incident, row: IncidentPhase, now: dt.datetime) -> None:
    # The breach is of the moment it was due, whenever the sweep came by.
    due_at = row.breached_at = row.due_at
    row.save(update_fields=["breached_at"])
    record_change(
        incident,
        action="phase.breached",
        actor=None,
        now=now,
        body=f"**{row} is overdue**: it was due {due_at:%Y-%m-%d %H:%M} UTC",
        after={
            "phase": row.phase,
            "breached_at": due_at.isoformat() if due_at else None,
        },
        phase=row.phase,
    )


def _overdue(now: dt.datetime) -> QuerySet[IncidentPhase]:
    return IncidentPhase.objects.filter(
        due_at__lte=now,
        completed_at__isnull=True,
        breached_at__isnull=True,
        cycle__ended_at__isnull=True,
        cycle__incident__status="open",
    ).order_by("position")


def _require_turn(incident: Incident, phase: Phase) -> IncidentPhase:
    """Return the row of a phase whose turn it is."""
    rows = {row.name: row for row in incident.current_cycle.phases.all()}
    completed = [name for name, row in rows.items() if row.completed_at]
    try:
        require_in_order(phase, completed=completed)
    except PhaseOrderError as error:
        raise TransitionError(str(error), code=error.code) from error
    return rows[phase]


def _set_due(
    incident: Incident,
    due_at: dt.datetime,
    reason: str,
    *,
    actor: Actor,
    now: dt.datetime,
) -> IncidentPhase:
    _require_lead(incident, actor)
    text = require_reason(reason)
    row = _require_turn(incident, Phase.REMEDIATE)
    due_at = DUE_TIME.require(due_at, now=now)
    before = row.due_at
    row.due_at, row.due_reason, row.due_set_by = due_at, text, actor
    row.save(update_fields=["due_at", "due_reason", "due_set_by"])
    record_change(
        incident,
        action="phase.due_set",
        actor=actor,
        now=now,
        body=f"**REMEDIATE is due {due_at:%Y-%m-%d %H:%M} UTC**",
        before={"due_at": before.isoformat() if before else None},
        after={"phase": Phase.REMEDIATE, "due_at": due_at.isoformat()},
        reason=text,
        phase=Phase.REMEDIATE,
    )
    return row


def _require_lead(incident: Incident, actor: Actor) -> None:
    lead = incident.lead
    if actor is None or lead is None or actor == lead:
        return
    if not actor.has_perm(REVIEW):
        raise IncidentForbidden(
            f"the lead ({lead.get_username()}) or a reviewer sets when "
            "REMEDIATE is due",
            code="not_the_lead",
        )


def _complete(
    incident: Incident,
    row: IncidentPhase,
    gate: GateResult,
    facts: GateFacts,
    *,
    actor: Actor,
    now: dt.datetime,
) -> None:
    """Write everything that a completion is: phase, gate, timeline, the next phase."""
    # No sweep may have come by since it was due: the completion is late all the same.
    if row.breached_at is None:
        row.breached_at = breached_at(row.as_clock(), now)
    row.completed_at, row.completed_by = now, actor
    row.save(update_fields=["completed_at", "completed_by", "breached_at"])
    # From here the gate is read as it was kept and never evaluated again.
    keep_gate(row, gate, facts, now=now)
    _answer_met(row, gate, now=now)
    waived = [condition.key for condition in gate.waived]
    note = f", with a waiver: {', '.join(waived)}" if waived else ""
    ordered = [condition for condition in gate.ordered if condition.met]
    if ordered:
        note += f", on an order that is not confirmed ({ordered[0].detail})"
    late = ", after it was due" if row.breached_at else ""
    record_change(
        incident,
        action="phase.completed",
        actor=actor,
        now=now,
        body=f"**{row} complete**{late}{note}",
        after={
            "phase": row.phase,
            "waived": waived,
            "ordered": [condition.key for condition in ordered],
            "breached_at": row.breached_at.isoformat() if row.breached_at else None,
            "conditions": {
                condition.key: condition.detail for condition in gate.conditions
            },
        },
        phase=row.phase,
    )
    _start_next(incident, row, now)


def _answer_met(row: IncidentPhase, gate: GateResult, *, now: dt.datetime) -> None:
    """Answer the open items that ask for what a condition was just seen to have.

    What was waived stays open: nobody did it.
    """
    for condition in gate.conditions:
        if condition.met and not condition.is_ordered:
            answer_matching_item(
                row.cycle, condition.key, actor=None, now=now, note=condition.detail
            )


def _start_next(incident: Incident, row: IncidentPhase, now: dt.datetime) -> None:
    """Let the next phase begin; its clock starts here where it counts from this one."""
    following = next_phase(row.name)
    if following is None:
        return
    new: IncidentPhase = row.cycle.phases.get(phase=following)
    target = document_of(incident.playbook_version).target(following)
    new.started_at = now
    if target.counts_from == "previous_phase":
        start_clock(new, target, counted_from=now)
    new.save(update_fields=["started_at", "counted_from", "target_seconds", "due_at"])
