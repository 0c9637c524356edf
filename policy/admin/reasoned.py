"""Actions that only give a service the row, a reason, and who acts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from evidence.admin.base import person_of
from policy.admin.forms import chosen_request

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
