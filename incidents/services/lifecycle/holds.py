"""Holds on a case: while one stands, nothing of the case is pruned.

Who works cases places one at once, open or closed: to keep too much does no harm. A
reviewer who did not place it releases it, so that two people stand for what may be
pruned later.
"""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import name_of, require_permission
from evidence.stored_moments import to_ms
from incidents.errors import SecondPersonMissing, TransitionError
from incidents.models import CaseHold, Incident, TimelineKind
from incidents.services.changes import (
    REVIEW,
    WORK,
    lock_incident,
    record_change,
    require_reason,
)


def find_hold(incident: Incident) -> CaseHold | None:
    """Return the hold that stands on a case."""
    standing = CaseHold.objects.filter(incident=incident, released_at=None)
    return standing.select_related("held_by").first()


@transaction.atomic
def place_hold(
    *,
    actor: User,
    incident_id: int,
    reason: str,
    now: dt.datetime | None = None,
) -> CaseHold:
    """Put a case on hold, with a reason. Raise TransitionError where it is already."""
    require_permission(actor, WORK)
    incident = lock_incident(incident_id, actor)
    moment, text = now or timezone.now(), require_reason(reason)
    standing = find_hold(incident)
    if standing is not None:
        raise TransitionError(
            f"{incident.reference} is on hold already: {name_of(standing.held_by)} "
            "put it there. One hold is enough; it stands until a reviewer releases it.",
            code="on_hold_already",
        )
    hold = CaseHold.objects.create(
        incident=incident, reason=text, held_at=moment, held_by=actor
    )
    record_change(
        incident,
        action="hold.placed",
        actor=actor,
        now=moment,
        kind=TimelineKind.DECISION,
        body="**Put on hold**: nothing of the case is pruned while it stands",
        after={"hold": hold.pk},
        reason=text,
    )
    return hold


@transaction.atomic
def release_hold(
    *,
    actor: User,
    incident_id: int,
    reason: str,
    now: dt.datetime | None = None,
) -> CaseHold:
    """Release the hold of a case, as a reviewer who did not place it."""
    require_permission(actor, REVIEW)
    incident = lock_incident(incident_id, actor)
    moment, text = now or timezone.now(), require_reason(reason)
    hold = find_hold(incident)
    if hold is None:
        raise TransitionError(
            f"{incident.reference} is not on hold: there is nothing to release.",
            code="not_on_hold",
        )
    if hold.held_by_id == actor.pk:
        raise SecondPersonMissing(
            "You put this case on hold yourself. Another reviewer has to release it."
        )
    hold.released_at, hold.released_by = moment, actor
    hold.release_reason = text
    hold.save(update_fields=["released_at", "released_by", "release_reason"])
    record_change(
        incident,
        action="hold.released",
        actor=actor,
        now=moment,
        kind=TimelineKind.DECISION,
        body=f"**Hold released** that {name_of(hold.held_by)} had placed",
        before={"hold": hold.pk, "held_at_ms": to_ms(hold.held_at)},
        reason=text,
    )
    return hold
