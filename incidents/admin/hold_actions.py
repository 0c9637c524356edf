"""Holds on the page of a case: placed, and released by a second person."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from evidence.admin.base import person_of
from evidence.admin.page_actions import PageAction
from incidents.admin.form_fields import ReasonForm
from incidents.models import CaseHold, Incident
from incidents.services.changes import REVIEW, WORK
from incidents.services.lifecycle.holds import find_hold, place_hold, release_hold


def hold_context(request: HttpRequest, incident: Any) -> dict[str, Any]:
    """Return the hold that stands, and what this person can do about it."""
    # Read with the case: the page of one that is not on hold asks nothing more.
    hold = find_hold(incident) if incident.hold_id else None
    return {
        "hold": hold,
        "can_hold": hold is None and request.user.has_perm(WORK),
        "can_release": hold is not None and _can_release(request, hold),
    }


def _can_release(request: HttpRequest, hold: CaseHold) -> bool:
    return request.user.has_perm(REVIEW) and hold.held_by_id != request.user.pk


def _hold(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    place_hold(actor=person_of(request), incident_id=incident.pk, reason=data["reason"])
    return f"{incident.reference} is on hold: nothing of it is pruned."


def _release(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    release_hold(
        actor=person_of(request), incident_id=incident.pk, reason=data["reason"]
    )
    return f"{incident.reference} is no longer on hold."


HOLD_ACTIONS: dict[str, PageAction] = {
    "hold": PageAction(
        "Put on hold",
        "Put on hold",
        ReasonForm,
        _hold,
        WORK,
        help="Nothing of the case is pruned until another person, a reviewer, "
        "releases it.",
        fields={"reason_missing": "reason"},
    ),
    "release-hold": PageAction(
        "Release the hold",
        "Release the hold",
        ReasonForm,
        _release,
        REVIEW,
        fields={"reason_missing": "reason"},
    ),
}
