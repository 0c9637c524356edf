"""Duplicates: what a case and its copies hear of each other."""

from __future__ import annotations

import datetime as dt

from evidence.accounts.access import Actor
from evidence.models.case_bound import is_shown, unwatched
from incidents.models import Incident, TimelineKind
from incidents.services.changes import lock_cases, record_change


@unwatched()
def find_duplicates(incident_id: int) -> set[int]:
    """Return the IDs of a case's duplicates, and of theirs, over however many steps."""
    found: set[int] = set()
    step = {incident_id}
    while step:
        rows = Incident.objects.filter(duplicate_of__in=step)
        step = set(rows.values_list("pk", flat=True)) - found - {incident_id}
        found |= step
    return found


def find_original(incident: Incident) -> Incident | None:
    """Return the case at the end of a duplicate's chain; None for no duplicate.

    None as well where who is looking may not see it.
    """
    seen = {incident.pk}
    found = incident.duplicate_of
    while found is not None and found.duplicate_of is not None:
        if found.pk in seen:
            return None
        seen.add(found.pk)
        found = found.duplicate_of
    return found if found is None or is_shown(found) else None


def leads_back(other: Incident, incident: Incident) -> bool:
    """Return whether `other` is, over however many steps, a duplicate of `incident`."""
    seen: set[int] = set()
    step: Incident | None = other
    while step is not None and step.pk not in seen:
        if step.pk == incident.pk:
            return True
        seen.add(step.pk)
        step = step.duplicate_of
    return False


@unwatched()
def tell_original(
    duplicate: Incident,
    original: Incident,
    body: str,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    """Write to the timeline of an original what became of a duplicate of it."""
    record_change(
        original,
        action="incident.duplicate_told",
        actor=actor,
        now=now,
        body=body,
        kind=TimelineKind.EVENT,
        after={"duplicate": duplicate.reference, "status": duplicate.status},
        reason=reason,
    )


@unwatched()
def tell_duplicates(
    original: Incident, body: str, *, actor: Actor, reason: str, now: dt.datetime
) -> None:
    """Write to the timeline of every duplicate what became of its original."""
    for copy in lock_cases(find_duplicates(original.pk)).values():
        record_change(
            copy,
            action="incident.original_told",
            actor=actor,
            now=now,
            body=body,
            kind=TimelineKind.EVENT,
            after={"original": original.reference, "status": original.status},
            reason=reason,
        )
