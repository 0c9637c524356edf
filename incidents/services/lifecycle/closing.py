"""Closing a case, by the book or by a reviewer's decision, and opening it again."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.models.case_bound import unwatched
from evidence.queue.sending import queue_on_commit
from incidents.errors import IncidentError, TransitionError
from incidents.models import Cycle, Incident
from incidents.services.archives.requests import queue_archive
from incidents.services.changes import (
    REVIEW,
    WORK,
    bump_revision,
    lock_cases,
    lock_incident,
    record_change,
    require_reason,
)
from incidents.services.findings.gathering import ANSWER_TASK
from incidents.services.gates.conditions import decide_gate
from incidents.services.gates.facts import FactsAsAsked
from incidents.services.gates.phases import mark_overdue
from incidents.services.lifecycle.aftermath import (
    Aftermath,
    describe_unconfirmed,
    find_standing,
    lock_with_neighbours,
    require_answer,
    settle,
)
from incidents.services.lifecycle.duplicates import (
    find_duplicates,
    leads_back,
    tell_duplicates,
    tell_original,
)
from incidents.services.lifecycle.editing import assign_lead
from incidents.services.lifecycle.endings import answer_what_holds, end_cycle
from incidents.services.lifecycle.links import find_other
from incidents.services.lifecycle.opening import start_cycle
from incidents.services.policy_records import read_switches
from incidents.workflow.errors import MoveError
from incidents.workflow.incident_states import IncidentStatus, require_incident_move
from incidents.workflow.outcomes import Outcome, require_false_alarm
from incidents.workflow.phases import Phase


@transaction.atomic
def close_incident(
    *,
    actor: Actor,
    incident_id: int,
    outcome: Outcome,
    lead: User | None = None,
    reason: str = "",
    now: dt.datetime | None = None,
) -> Incident:
    """Close a case that ran its course: every phase complete, POSTMORTEM included.

    A case is closed with what it turned out to be and with somebody who led it: `lead`
    names one where nobody does yet. The postmortem is looked at once more: its
    signature has to be of the newest text, and its archive kept, at this moment. Where
    a kill switch is ordered and nobody confirmed it, only a reviewer closes, with a
    reason.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    _lock_all({incident_id, *find_duplicates(incident_id)})
    incident = _lock_with_lead(incident_id, lead, actor=actor, now=moment)
    _require_move(incident, IncidentStatus.CLOSED)
    running = incident.current_cycle.running_phase
    if running is not None:
        raise TransitionError(
            f"{running} is not complete: a case is closed after POSTMORTEM. A reviewer "
            "can close it as a duplicate or a false alarm."
        )
    _require_postmortem(incident)
    _require_lead(incident)
    text = _require_confirmed(incident, actor, reason)
    _put_outcome(incident, outcome)
    return _close(incident, IncidentStatus.CLOSED, actor=actor, reason=text, now=moment)


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
    """Close a case as the duplicate of another, named by its reference, which hears it.

    What the case turned out to be, and who leads it, is the original's to say.
    `aftermath` says what becomes of kill switches and quarantines that it leaves.
    """
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    text = require_reason(reason)
    other_pk = find_other(incident_id, original, actor=actor).pk
    also = {other_pk, *find_duplicates(incident_id)}
    incident = lock_with_neighbours(incident_id, also=also, actor=actor)
    other = lock_incident(other_pk, actor)
    _require_move(incident, IncidentStatus.CLOSED_DUPLICATE, reason=text)
    if leads_back(other, incident):
        raise TransitionError(
            f"{other.reference} is itself a duplicate of {incident.reference}",
            field="original",
        )
    incident.duplicate_of = other
    _close_early(
        incident,
        IncidentStatus.CLOSED_DUPLICATE,
        aftermath,
        actor=actor,
        reason=text,
        now=moment,
    )
    said = f"**{incident.reference} was closed as a duplicate of this case**"
    tell_original(incident, other, said, actor=actor, reason=text, now=moment)
    return incident


@transaction.atomic
def close_as_false_alarm(
    *,
    actor: User,
    incident_id: int,
    outcome: Outcome,
    reason: str,
    lead: User | None = None,
    aftermath: Aftermath | None = None,
    now: dt.datetime | None = None,
) -> Incident:
    """Close a case as a false alarm: benign, or a false positive; never a true one.

    Containment has an impact even where nothing was wrong, so it is asked for as well.
    `aftermath` says what becomes of kill switches and quarantines that it leaves.
    """
    require_permission(actor, REVIEW)
    text = require_reason(reason)
    require_false_alarm(outcome)
    moment = now or timezone.now()
    lock_with_neighbours(incident_id, also=find_duplicates(incident_id), actor=actor)
    incident = _lock_with_lead(incident_id, lead, actor=actor, now=moment)
    _require_move(incident, IncidentStatus.CLOSED_FALSE_ALARM, reason=text)
    _require_lead(incident)
    _put_outcome(incident, outcome)
    return _close_early(
        incident,
        IncidentStatus.CLOSED_FALSE_ALARM,
        aftermath,
        actor=actor,
        reason=text,
        now=moment,
    )


@transaction.atomic
def reopen_incident(
    *, actor: User, incident_id: int, reason: str, now: dt.datetime | None = None
) -> Cycle:
    """Reopen a closed case with a new cycle; the old one stays as it was.

    Its duplicates hear of it, and so does the original whose duplicate it was.
    """
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    text = require_reason(reason)
    original_pk = _original_of(incident_id)
    others = {original_pk} if original_pk else set()
    locked = _lock_all({incident_id, *others, *find_duplicates(incident_id)})
    incident = lock_incident(incident_id, actor)
    _require_move(incident, IncidentStatus.OPEN, reason=text)
    before = incident.status
    _clear_ending(incident)
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
    answer_what_holds(incident, cycle, actor=actor, now=moment)
    # What else the case holds, a worker proves anew for the new cycle's checklist.
    queue_on_commit(ANSWER_TASK, incident.pk)
    said = f"**The original {incident.reference} was opened again**"
    tell_duplicates(incident, said, actor=actor, reason=text, now=moment)
    if original_pk:
        said = f"**{incident.reference} is a duplicate of this case no longer**"
        other = locked[original_pk]
        tell_original(incident, other, said, actor=actor, reason=text, now=moment)
    return cycle


@unwatched()
def _lock_all(incident_ids: set[int]) -> dict[int, Incident]:
    """Lock a case, and what hears of its end: also what the actor may not see."""
    return lock_cases(incident_ids)


def _lock_with_lead(
    incident_id: int, lead: User | None, *, actor: Actor, now: dt.datetime
) -> Incident:
    """Return the case, locked, led by `lead` from now on where one is named."""
    incident = lock_incident(incident_id, actor)
    if lead is None or lead == incident.lead or not incident.is_open:
        return incident
    assign_lead(actor=actor, incident_id=incident_id, lead=lead, now=now)
    return lock_incident(incident_id, actor)


def _require_lead(incident: Incident) -> None:
    if incident.lead is None:
        raise IncidentError(
            f"{incident.reference} has no lead: name who led it, then close it.",
            code="lead_missing",
        )


def _put_outcome(incident: Incident, outcome: Outcome) -> None:
    incident.resolution = outcome.resolution
    incident.functional_impact = outcome.functional_impact
    incident.information_impact = outcome.information_impact
    incident.recoverability = outcome.recoverability or ""


def _clear_ending(incident: Incident) -> None:
    """Open the case; how its last cycle ended stays with that cycle."""
    incident.status = IncidentStatus.OPEN
    incident.closed_at = incident.closed_by = incident.duplicate_of = None
    incident.closing_reason = ""
    incident.resolution = incident.functional_impact = ""
    incident.information_impact = incident.recoverability = ""
    _save_status(incident)


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
    orders = read_switches(incident).own_orders
    if not orders:
        return ""
    names = "; ".join(str(order) for order in orders)
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
    now: dt.datetime,
) -> Incident:
    mark_overdue(incident, now)
    incident.status = status
    incident.closed_at, incident.closed_by = now, actor
    incident.closing_reason = reason
    _save_status(incident)
    words = _ending_words(incident)
    unconfirmed = describe_unconfirmed(read_switches(incident).own_orders)
    notes = [part for part in (note, unconfirmed) if part]
    record_change(
        incident,
        action="incident.closed",
        actor=actor,
        now=now,
        body="\n\n".join([f"**{words}**", *notes]),
        before={"status": IncidentStatus.OPEN},
        after=_ending_values(incident),
        reason=reason,
    )
    end_cycle(incident, incident.current_cycle, actor=actor, now=now)
    said = f"**The original {incident.reference}: {words}**"
    tell_duplicates(incident, said, actor=actor, reason=reason, now=now)
    # Last: the archive is of the case as it stands now.
    queue_archive(incident, actor=None, now=now)
    return incident


def _ending_words(incident: Incident) -> str:
    label = incident.get_status_display()
    if incident.duplicate_of is not None:
        return f"{label} of {incident.duplicate_of.reference}"
    outcome = incident.outcome
    return f"{label}. {outcome.words}" if outcome else label


def _ending_values(incident: Incident) -> dict[str, object]:
    original = incident.duplicate_of
    return {
        "revision": incident.revision,
        "status": incident.status,
        "duplicate_of": original.reference if original else None,
        "resolution": incident.resolution,
        "functional_impact": incident.functional_impact,
        "information_impact": incident.information_impact,
        "recoverability": incident.recoverability,
        "lead": incident.lead.get_username() if incident.lead else None,
    }


def _save_status(incident: Incident) -> None:
    incident.save(
        update_fields=[
            "status",
            "closed_at",
            "closed_by",
            "closing_reason",
            "duplicate_of",
            "resolution",
            "functional_impact",
            "information_impact",
            "recoverability",
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
    gate = decide_gate(phase, FactsAsAsked(incident, phase.cycle))
    missing = [condition for condition in gate.conditions if not condition.met]
    if missing:
        raise TransitionError(
            f"The postmortem no longer holds. {missing[0].text}: {missing[0].detail}"
        )


def _original_of(incident_id: int) -> int | None:
    return Incident.objects.values_list("duplicate_of_id", flat=True).get(
        pk=incident_id
    )
