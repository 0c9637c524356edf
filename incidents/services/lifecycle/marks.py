"""Marks of handling of a case and of its evidence.

Who works a case makes a mark stricter at once. A more open one is asked for, and a
reviewer who did not ask approves it. A closed case is marked like an open one: what is
passed on later is passed on by its mark too.
"""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.handling import Tlp
from evidence.models import EvidenceItem, MarkChange
from evidence.services.marks import record_item_mark
from evidence.text import tidy_text
from incidents.errors import IncidentError, IncidentNotFound, TransitionError
from incidents.models import Incident, LooseningRequest, TimelineKind
from incidents.services.changes import (
    REVIEW,
    WORK,
    lock_incident,
    record_change,
    require_reason,
)
from policy.models import RequestState
from policy.services.requests import RequestKind, decide_request

STATE_CHANGED = (
    "The mark is {now} by now, and the request was to loosen {then}. Decline it, and "
    "have it asked for anew if it is still wanted."
)


@transaction.atomic
def set_mark(
    *,
    actor: Actor,
    incident_id: int,
    tlp: Tlp | str,
    item_id: int | None = None,
    reason: str = "",
    now: dt.datetime | None = None,
) -> LooseningRequest | None:
    """Mark a case, or an item of it, or ask a reviewer to where that would loosen it.

    A stricter mark counts at once, and None is the answer. Loosening needs a reason.
    """
    require_permission(actor, WORK)
    moment, wanted = now or timezone.now(), _require_known(tlp)
    incident = lock_incident(incident_id, actor)
    item = _find_item(incident, item_id)
    held = item.tlp if item else incident.mark
    if wanted is held:
        raise TransitionError(
            f"It is marked {held.label} already.", code="mark_unchanged", field="tlp"
        )
    if wanted.rank < held.rank:
        return _ask(incident, item, wanted, actor=actor, reason=reason, now=moment)
    text = tidy_text(reason)
    _mark(incident, item, wanted, actor=actor, reason=text, now=moment)
    return None


@transaction.atomic
def approve_loosening(
    *, actor: User, request_id: int, reason: str = "", now: dt.datetime | None = None
) -> LooseningRequest:
    """Approve a looser mark, and mark it so."""
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    request = LOOSENING.lock_waiting(request_id, now=moment)
    incident, item = request.incident, request.item
    held = item.tlp if item else incident.mark
    if held.value != request.from_tlp:
        raise TransitionError(
            STATE_CHANGED.format(now=held.label, then=Tlp(request.from_tlp).label),
            code="mark_moved_on",
        )
    text = tidy_text(reason)
    decide_request(request, RequestState.APPROVED, actor=actor, reason=text, now=moment)
    _mark(
        incident,
        item,
        request.wanted,
        actor=actor,
        asked_by=request.requested_by,
        reason=request.reason,
        now=moment,
    )
    return request


def decline_loosening(
    *, actor: User, request_id: int, reason: str, now: dt.datetime | None = None
) -> LooseningRequest:
    """Decline a looser mark, with a reason."""
    return LOOSENING.decline(request_id, actor=actor, reason=reason, now=now)


def withdraw_loosening(
    *, actor: User, request_id: int, now: dt.datetime | None = None
) -> LooseningRequest:
    """Take back one's own request for a looser mark."""
    return LOOSENING.withdraw(request_id, actor=actor, reason="", now=now)


def lapse_loosenings(*, now: dt.datetime | None = None) -> int:
    """End the requests that nobody decided in time; return how many there were."""
    return LOOSENING.lapse_late(now=now or timezone.now())


def _ask(
    incident: Incident,
    item: EvidenceItem | None,
    wanted: Tlp,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> LooseningRequest:
    if actor is None:
        raise IncidentError("Only a person asks for a looser mark.")
    text = require_reason(reason)
    if item is not None and wanted.rank < incident.mark.rank:
        raise TransitionError(
            f"{incident.reference} is marked {incident.mark.label}, and what is in it "
            "is handled at least so: have the case's mark loosened first.",
            code="looser_than_its_case",
            field="tlp",
        )
    pending = LooseningRequest.objects.filter(
        incident=incident, item=item, state=RequestState.PENDING
    ).first()
    # One request at a time; one that waited too long ends here and makes room.
    if pending is not None and not LOOSENING.lapse(pending.pk, now=now):
        raise TransitionError(
            f"A looser mark is asked for already: {pending.wanted.label}. It waits for "
            "a reviewer.",
            code="already_requested",
        )
    request = LooseningRequest.objects.create(
        incident=incident,
        item=item,
        from_tlp=(item.tlp if item else incident.mark).value,
        to_tlp=wanted.value,
        reason=text,
        requested_at=now,
        requested_by=actor,
    )
    _record_request(request, "mark_loosening.requested", actor, now)
    return request


def _mark(
    incident: Incident,
    item: EvidenceItem | None,
    wanted: Tlp,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
    asked_by: User | None = None,
) -> None:
    """Mark it and record it; `asked_by` asked for what the actor approves."""
    if item is not None:
        record_item_mark(
            item, wanted, actor=actor, asked_by=asked_by, reason=reason, now=now
        )
        return
    before = incident.mark
    MarkChange.objects.create(
        incident=incident,
        from_tlp=before.value,
        to_tlp=wanted.value,
        reason=reason,
        changed_at=now,
        changed_by=asked_by or actor,
        approved_by=actor if asked_by else None,
    )
    incident.tlp = wanted.value
    incident.save(update_fields=["tlp"])
    approval = f", as {asked_by.get_username()} had asked" if asked_by else ""
    record_change(
        incident,
        action="incident.marked",
        actor=actor,
        now=now,
        kind=TimelineKind.DECISION,
        body=f"**Marked {wanted.label}**, before {before.label}{approval}",
        before={"tlp": before.value},
        after={
            "tlp": wanted.value,
            "asked_by": name_of(asked_by) if asked_by else None,
        },
        reason=reason,
    )


def _record_request(
    request: LooseningRequest, action: str, actor: Actor, now: dt.datetime
) -> None:
    about = f" of {request.item}" if request.item else ""
    what = action.partition(".")[2]
    record_change(
        request.incident,
        action=action,
        actor=actor,
        now=now,
        kind=TimelineKind.DECISION,
        body=f"**Looser mark{about} {what}: {request.get_from_tlp_display()} → "
        f"{request.get_to_tlp_display()}**",
        after={
            "request": request.pk,
            "item": request.item.sha256_hex if request.item else None,
            "from": request.from_tlp,
            "to": request.to_tlp,
        },
        reason=request.decision_reason or request.reason,
    )


LOOSENING = RequestKind(
    LooseningRequest,
    lock_subject=lambda request: lock_incident(request.incident_id),
    actions={
        RequestState.DECLINED: "mark_loosening.declined",
        RequestState.WITHDRAWN: "mark_loosening.withdrawn",
        RequestState.LAPSED: "mark_loosening.lapsed",
    },
    record=_record_request,
    asking=WORK,
    deciding=REVIEW,
    tidy_reason=require_reason,
)


def _find_item(incident: Incident, item_id: int | None) -> EvidenceItem | None:
    if item_id is None:
        return None
    item = EvidenceItem.objects.filter(pk=item_id, incident=incident).first()
    if item is None:
        raise IncidentNotFound(
            f"{incident.reference} has no such evidence.", code="no_such_item"
        )
    item.incident = incident
    return item


def _require_known(tlp: Tlp | str) -> Tlp:
    if tlp not in list(Tlp):
        raise IncidentError(
            f"Choose one of these marks: {', '.join(Tlp)}. Given: {tlp!r}.",
            code="unknown_mark",
            field="tlp",
        )
    return Tlp(tlp)
