"""The id of a request: on every line about it, and on its answer.

It is made before any other middleware may refuse (a wrong host name, a redirect, a form
that is out of date), so that what somebody was told and what the log says of it are
found by one word.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware

from config.logs import REQUEST_ID

HEADER = "X-Request-ID"
PROBES = ("/healthz", "/readyz", "/metrics")


class RequestIdMiddleware(RequestMiddleware):
    """Give a request its id, tell of it in one line, and name the id in the answer.

    It is always made here: what a header claims would let a visitor write his lines
    under somebody else's. Probes and static files that are answered get no line.
    """

    def prepare(self, request: HttpRequest) -> None:
        structlog.contextvars.clear_contextvars()
        super().prepare(request)
        context = structlog.contextvars.get_contextvars()
        # Django tells of some answers once the request and its context are done.
        setattr(request, REQUEST_ID, context["request_id"])

    @classmethod
    def bind_ip(cls, request: HttpRequest) -> None:
        """Name the address that all else goes by; a header alone is anybody's word."""
        structlog.contextvars.bind_contextvars(ip=find_address(request))

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        response[HEADER] = getattr(request, REQUEST_ID)
        if response.status_code < 400 and _is_quiet(request.path_info):
            structlog.contextvars.clear_contextvars()
        else:
            super().handle_response(request, response)


def find_address(request: HttpRequest) -> str | None:
    """Return the client's address, as the outermost of our own proxies saw it.

    With n proxies of ours it is the n-th from the right of X-Forwarded-For; everything
    left of it is the client's own word.
    """
    address: str | None = request.META.get("REMOTE_ADDR")
    if count := settings.TRUSTED_PROXY_COUNT:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
        addresses = [each.strip() for each in forwarded if each.strip()]
        if len(addresses) >= count:
            return addresses[-count]
    return address


class RequestUserMiddleware:
    """Name who asks on the lines of a request, once that is known."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        RequestMiddleware.bind_user_id(request)
        return self.get_response(request)


def _is_quiet(path: str) -> bool:
    return path in PROBES or path.startswith(settings.STATIC_URL)
