"""What promotions, lifts and rollbacks share: asked for, then decided on by another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, TypeVar

from evidence.access import Actor
from policy.errors import PolicyRefused
from policy.models import RequestState, ReviewedRequest

_Request = TypeVar("_Request", bound=ReviewedRequest)


def find_request(
    model: type[_Request], request_id: int, *, code: str = "no_such_request"
) -> _Request:
    """Return a request of a kind, unlocked; refuse a missing one."""
    rows: Any = model._default_manager
    found: _Request | None = rows.filter(pk=request_id).first()
    if found is None:
        raise PolicyRefused(f"there is no {model.what} {request_id}", code=code)
    return found


def lock_request(
    found: _Request, *, lock_subject: Callable[[_Request], object]
) -> _Request:
    """Return a request, locked until the transaction ends.

    `lock_subject` locks what it is about before it, in the order of all services: who
    takes the request first and the case second would wait for who does the reverse.
    """
    lock_subject(found)
    rows: Any = type(found)._default_manager
    locked: _Request = rows.select_for_update().get(pk=found.pk)
    return locked


def require_undecided(request: ReviewedRequest) -> None:
    """Refuse a request that was decided on, or withdrawn, already."""
    if request.decided_at is not None:
        raise PolicyRefused(
            f"this {request.what} is {request.get_state_display().lower()} already",
            code="already_decided",
        )


def require_requester(request: ReviewedRequest, actor: Actor) -> None:
    """Refuse to have a request withdrawn by anybody but who made it."""
    if actor is None or request.requested_by_id != actor.pk:
        raise PolicyRefused(
            f"only who {request.asked} it can withdraw a {request.what}; a reviewer "
            "can decline it",
            code="not_the_requester",
        )


def decide_request(
    request: ReviewedRequest,
    decision: str,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    """Write a decision on a locked request: by a second person, or a withdrawal."""
    require_undecided(request)
    if decision != RequestState.WITHDRAWN:
        _require_second_person(request, actor)
    request.state = decision
    request.decided_at = now
    request.decided_by = actor
    request.decision_reason = reason
    request.save(update_fields=["state", "decided_at", "decided_by", "decision_reason"])


def _require_second_person(request: ReviewedRequest, actor: Actor) -> None:
    if actor is None or request.requested_by_id == actor.pk:
        raise PolicyRefused(
            f"a {request.what} is decided on by somebody other than who "
            f"{request.asked} it",
            code="second_person_missing",
        )
