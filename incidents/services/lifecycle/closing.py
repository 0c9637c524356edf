"""Closing a case, by the book or by a reviewer's decision, and opening it again."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.access import Actor, require_permission
from incidents.errors import TransitionError
from incidents.models import Cycle, Incident
from incidents.services.changes import (
    REVIEW,
    WORK,
    bump_revision,
    lock_incident,
    record_change,
    require_reason,
)
from incidents.services.gates.conditions import decide_gate, keep_gate
from incidents.services.gates.facts import gather_facts
from incidents.services.gates.phases import mark_overdue
from incidents.services.lifecycle.aftermath import (
    Aftermath,
    describe_unconfirmed,
    find_standing,
    lock_with_neighbours,
    require_answer,
    settle,
)
from incidents.services.lifecycle.containment import unconfirmed_orders
from incidents.services.lifecycle.links import find_other
from incidents.services.lifecycle.opening import start_cycle
from incidents.workflow.errors import MoveError
from incidents.workflow.gate_facts import GateFacts
from incidents.workflow.incident_states import IncidentStatus, require_incident_move
from incidents.workflow.phases import Phase


@transaction.atomic
def close_incident(
    *,
    actor: Actor,
    incident_id: int,
    reason: str = "",
    now: dt.datetime | None = None,
) -> Incident:
    """Close a case that ran its course: every phase complete, POSTMORTEM included.

    The postmortem is looked at once more: its signature has to be of the newest text,
    and its archive kept, at the moment of closing. Where a kill switch is ordered and
    nobody confirmed it, only a reviewer closes, with a reason.
    """
    require_permission(actor, WORK)
    incident = lock_incident(incident_id)
    _require_move(incident, IncidentStatus.CLOSED)
    running = incident.current_cycle.running_phase
    if running is not None:
        raise TransitionError(
            f"{running} is not complete: a case is closed after POSTMORTEM. A reviewer "
            "can close it as a duplicate or a false alarm."
        )
    _require_postmortem(incident)
    text = _require_confirmed(incident, actor, reason)
    return _close(incident, IncidentStatus.CLOSED, actor=actor, reason=text, now=now)


@transaction.atomic
def close_as_duplicate(
    *,
    actor: User,
    incident_id: int,
    original: str,
    reason: str,
    aftermath: Aftermath | None = None,
    now: dt.datetime | None = None,
) -> Incident:
    """Close a case as the duplicate of another, named by its reference.

    `aftermath` says what becomes of kill switches and quarantines that it leaves.
    """
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    incident = lock_with_neighbours(incident_id)
    text = require_reason(reason)
    _require_move(incident, IncidentStatus.CLOSED_DUPLICATE, reason=text)
    other = find_other(incident_id, original)
    if _leads_back(other, incident):
        raise TransitionError(
            f"{other.reference} is itself a duplicate of {incident.reference}",
            field="original",
        )
    incident.duplicate_of = other
    return _close_early(
        incident,
        IncidentStatus.CLOSED_DUPLICATE,
        aftermath,
        actor=actor,
        reason=text,
        now=moment,
    )


@transaction.atomic
def close_as_false_alarm(
    *,
    actor: User,
    incident_id: int,
    reason: str,
    aftermath: Aftermath | None = None,
    now: dt.datetime | None = None,
) -> Incident:
    """Close a case as a false alarm.

    `aftermath` says what becomes of kill switches and quarantines that it leaves.
    """
    require_permission(actor, REVIEW)
    incident = lock_with_neighbours(incident_id)
    text = require_reason(reason)
    _require_move(incident, IncidentStatus.CLOSED_FALSE_ALARM, reason=text)
    return _close_early(
        incident,
        IncidentStatus.CLOSED_FALSE_ALARM,
        aftermath,
        actor=actor,
        reason=text,
        now=now or timezone.now(),
    )


@transaction.atomic
def reopen_incident(
    *, actor: User, incident_id: int, reason: str, now: dt.datetime | None = None
) -> Cycle:
    """Reopen a closed case with a new cycle; the old one stays as it was."""
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    incident = lock_incident(incident_id)
    text = require_reason(reason)
    _require_move(incident, IncidentStatus.OPEN, reason=text)
    before = incident.status
    incident.status = IncidentStatus.OPEN
    incident.closed_at = incident.closed_by = incident.duplicate_of = None
    incident.closing_reason = ""
    _save_status(incident)
    cycle = start_cycle(incident, actor=actor, now=moment, reason=text)
    record_change(
        incident,
        action="incident.reopened",
        actor=actor,
        now=moment,
        body=f"**Reopened: cycle {cycle.number}**",
        before={"status": before},
        after={
            "revision": incident.revision,
            "status": incident.status,
            "cycle": cycle.number,
        },
        reason=text,
    )
    return cycle


def _close_early(
    incident: Incident,
    status: IncidentStatus,
    aftermath: Aftermath | None,
    *,
    actor: User,
    reason: str,
    now: dt.datetime,
) -> Incident:
    """Close before the last phase; what is asked for is asked while it is open."""
    standing = find_standing(incident)
    require_answer(standing, aftermath)
    note = settle(incident, standing, aftermath, reason=reason, actor=actor, now=now)
    return _close(incident, status, actor=actor, reason=reason, note=note, now=now)


def _require_confirmed(incident: Incident, actor: Actor, reason: str) -> str:
    """Return the reason to close with an unconfirmed order; "" where there is none."""
    orders = unconfirmed_orders(incident)
    if not orders:
        return ""
    names = "; ".join(str(one) for one in orders)
    if not reason.strip() or not (actor is None or actor.has_perm(REVIEW)):
        raise TransitionError(
            f"Ordered, not confirmed: {names}. Confirm that it took effect, or have a "
            "reviewer close the case with a reason.",
            code="kill_unconfirmed",
            field="reason",
        )
    return require_reason(reason)


def _close(
    incident: Incident,
    status: IncidentStatus,
    *,
    actor: Actor,
    reason: str,
    note: str = "",
    now: dt.datetime | None,
) -> Incident:
    moment = now or timezone.now()
    cycle = incident.current_cycle
    mark_overdue(incident, moment)
    incident.status = status
    incident.closed_at, incident.closed_by = moment, actor
    incident.closing_reason = reason
    _save_status(incident)
    label = incident.get_status_display()
    original = f" of {incident.duplicate_of.reference}" if incident.duplicate_of else ""
    notes = [one for one in (note, describe_unconfirmed(incident)) if one]
    record_change(
        incident,
        action="incident.closed",
        actor=actor,
        now=moment,
        body="\n\n".join([f"**{label}{original}**", *notes]),
        before={"status": IncidentStatus.OPEN},
        after={
            "revision": incident.revision,
            "status": status,
            "duplicate_of": incident.duplicate_of and incident.duplicate_of.reference,
        },
        reason=reason,
    )
    _end_cycle(incident, cycle, moment)
    return incident


def _end_cycle(incident: Incident, cycle: Cycle, now: dt.datetime) -> None:
    """End a cycle: its clocks stand still, and gates left open are kept as they are."""
    left_open = list(cycle.phases.filter(completed_at__isnull=True))
    facts = gather_facts(incident, cycle) if left_open else GateFacts()
    cycle.ended_at = now
    cycle.save(update_fields=["ended_at"])
    for phase in left_open:
        keep_gate(phase, decide_gate(phase, facts), facts, now=now)


def _save_status(incident: Incident) -> None:
    incident.save(
        update_fields=[
            "status",
            "closed_at",
            "closed_by",
            "closing_reason",
            "duplicate_of",
        ]
    )
    bump_revision(incident)


def _require_move(
    incident: Incident, target: IncidentStatus, *, reason: str = ""
) -> None:
    try:
        require_incident_move(IncidentStatus(incident.status), target, reason=reason)
    except MoveError as error:
        raise TransitionError(str(error)) from error


def _require_postmortem(incident: Incident) -> None:
    phase = incident.current_cycle.phases.get(phase=Phase.POSTMORTEM)
    # Looked at anew, not as it was kept: the archive has to be there at this moment.
    gate = decide_gate(phase, gather_facts(incident, phase.cycle))
    missing = [one for one in gate.conditions if not one.met]
    if missing:
        raise TransitionError(
            f"the postmortem no longer holds: {missing[0].text}: {missing[0].detail}"
        )


def _leads_back(other: Incident, incident: Incident) -> bool:
    """Tell whether `other` is, over however many steps, a duplicate of `incident`."""
    seen: set[int] = set()
    step: Incident | None = other
    while step is not None and step.pk not in seen:
        if step.pk == incident.pk:
            return True
        seen.add(step.pk)
        step = step.duplicate_of
    return False
