"""Alerts that are answered at once: stored before the rest of the stack is asked.

Sessions, forms, languages and pages have nothing to say to a program that leaves an
alert. What stands before this middleware holds for its answers too: ids of requests,
addresses, HTTPS, headers of security. What stands behind it and holds for them is done
here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import ResolverMatch, resolve, reverse
from django_prometheus.middleware import PrometheusAfterMiddleware
from django_prometheus.utils import Time

from evidence.api.base.problems import malformed_response
from incidents.api.at_once import accept_at_once, answer_stored


@dataclass(frozen=True)
class Sender:
    """As much of an account as the log's line of a request tells."""

    pk: int


class AlertsAtOnceMiddleware:
    """Answer a single alert with `Prefer: respond-async` where all is as usual."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.metrics = PrometheusAfterMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST" or request.path_info != _route()[0]:
            return self.get_response(request)
        began = Time()
        try:
            accepted = accept_at_once(request)
        except UnreadablePostError:
            # Read half, it cannot be read again.
            return malformed_response(request)
        if accepted is None:
            return self.get_response(request)
        response = answer_stored(*accepted)
        request.user = Sender(accepted[1].sender_id)  # type: ignore[assignment]
        _add_headers(response)
        self._count(request, response, began)
        return response

    def _count(self, request: HttpRequest, response: HttpResponse, began: Time) -> None:
        """Count it as the innermost middleware counts what came so far."""
        request.resolver_match = match = _route()[1]
        self.metrics.process_request(request)
        setattr(request, "prometheus_after_middleware_event", began)  # noqa: B010
        self.metrics.process_view(request, match.func, match.args, match.kwargs)
        self.metrics.process_response(request, response)


def _add_headers(response: HttpResponse) -> None:
    """Add what the middlewares and the view behind this one add to every answer."""
    response.headers["Allow"] = "GET, POST, HEAD, OPTIONS"
    response.headers["Vary"] = "Accept-Language, Cookie"
    response.headers["Content-Language"] = settings.LANGUAGE_CODE
    response.headers["X-Frame-Options"] = settings.X_FRAME_OPTIONS
    response.headers["Content-Length"] = str(len(response.content))


@cache
def _route() -> tuple[str, ResolverMatch]:
    path = reverse("api:alert-list")
    return path, resolve(path)
