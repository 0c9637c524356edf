"""Actions that only give a service the row, a reason, and who acts.

And those that end a request, which only show while it waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.http import HttpRequest

from evidence.admin.base import person_of
from evidence.admin.page_actions import PageAction
from policy.admin.forms import chosen_request
from policy.models import ReviewedRequest
from policy.services.changes import WORK_POLICY

Act = Callable[[HttpRequest, Any, dict[str, Any]], str]


def on_row(service: Callable[..., object], key: str, told: str) -> Act:
    """Return an action on the object of a page; `key` is what the service calls it."""

    def act(request: HttpRequest, obj: Any, data: dict[str, Any]) -> str:
        row = {key: obj.pk}
        service(**row, reason=data["reason"], actor=person_of(request))
        return told

    return act


def on_request(service: Callable[..., object], told: str) -> Act:
    """Return an action on the request that the page showed."""

    def act(request: HttpRequest, obj: Any, data: dict[str, Any]) -> str:
        service(
            request_id=chosen_request(obj, data),
            reason=data["reason"],
            actor=person_of(request),
        )
        return told

    return act


def while_waiting(
    waits: Callable[[Any], ReviewedRequest | None], actions: Mapping[str, PageAction]
) -> dict[str, PageAction]:
    """Return actions on the request of a page, offered only while one waits.

    Who asked is offered what takes `WORK_POLICY`: to withdraw; a reviewer decides on
    what somebody else asked for.
    """
    return {key: _while_waiting(waits, action) for key, action in actions.items()}


def _while_waiting(
    waits: Callable[[Any], ReviewedRequest | None], action: PageAction
) -> PageAction:
    def is_offered(obj: Any, user: Any) -> bool:
        request = waits(obj)
        if request is None or not action.offered_to(obj, user):
            return False
        is_own = request.requested_by_id == user.pk
        return bool(is_own == (action.permission == WORK_POLICY))

    return replace(
        action, applies=lambda obj: waits(obj) is not None, offered_to=is_offered
    )
