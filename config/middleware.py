"""Middleware that has to do with where Casefile runs, and nothing with what it does."""

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import get_conditional_response

from config.health import find_health_response
from config.metrics import find_metrics_response
from config.problems import API, refused, unavailable, unusable
from config.request_ids import find_address
from evidence.admin.single_values import read_address_singly, read_form_singly
from evidence.api.base.problems import problem_response
from evidence.api.base.repeated import refuse_repeated
from evidence.errors import CasefileError, SentTwice, as_refusal

logger = structlog.get_logger(__name__)

CODED = "Send the body as it is, without a Content-Encoding: evidence is kept as sent."
PLAIN = (
    "The API answers over HTTPS only, and leads nobody there: a token sent like this "
    "was sent in plain text. Use https://, and rotate the token."
)
DIFFERS = (
    "What is here is not what the header If-Match names: it changed since it was read. "
    "Leave the header out to read it as it is."
)
GetResponse = Callable[[HttpRequest], HttpResponse]


class TrustedProxyMiddleware:
    """Take the client's address from our own proxies, and from nobody else."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        address = find_address(request)
        if address is not None:
            request.META["REMOTE_ADDR"] = address
        return self.get_response(request)


class ProbeMiddleware:
    """Answer probes and /metrics before host names and HTTPS are enforced.

    A load balancer asks by address and over plain HTTP; it would be redirected.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for find_response in (find_health_response, find_metrics_response):
            response = find_response(request)
            if response is not None:
                return response
        return self.get_response(request)


class PlainAddressMiddleware:
    """Refuse an address with a NUL in it: no text in the database can hold one.

    Lists and filters would each have to look out for it otherwise.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        if "\x00" in request.path_info or "%00" in query or "\x00" in query:
            return unusable(request)
        return self.get_response(request)


class ApiMiddleware:
    """What holds for every answer of the API, refusals included.

    A compressed body would be read as noise. What is answered depends on who asks, and
    no cache on the way may keep it.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(API):
            return self.get_response(request)
        coding = request.headers.get("Content-Encoding", "").strip().lower()
        response: HttpResponse
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            # Led on, a program would send its token in plain text for ever.
            response = problem_response(
                request, HTTPStatus.FORBIDDEN, "https_needed", PLAIN
            )
        elif coding in ("", "identity"):
            response = self.get_response(request)
        else:
            response = problem_response(
                request,
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                CODED,
            )
            response["Accept-Encoding"] = "identity"
        response = _unless_known(request, response)
        response.setdefault("Cache-Control", "no-store")
        for name, value in getattr(request, "rate_headers", {}).items():
            response[name] = value
        return response


class PrivateAnswerMiddleware:
    """Let no cache keep an answer: it depends on who asked.

    The admin says so of its pages, and not of its refusals. Static files, which anybody
    may keep, say so themselves.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Cache-Control", "private, no-store")
        return response


def _unless_known(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Tag what was read; answer 304 to who has just that, 412 to who wants another.

    A tag that a view gave stays in front: it says which revision an edit is of. What
    is streamed has no tag, since nobody knows it before it is sent.
    """
    is_read = (
        request.method in ("GET", "HEAD") and response.status_code == HTTPStatus.OK
    )
    if not is_read or response.streaming:
        return response
    digest = hashlib.sha256(response.content).hexdigest()[:32]
    revision = response.headers.get("ETag", "").strip('"')
    tag = f'"{revision}-{digest}"' if revision else f'"{digest}"'
    response["ETag"] = tag
    known = get_conditional_response(request, etag=tag, response=response) or response
    if known.status_code == HTTPStatus.PRECONDITION_FAILED:
        return problem_response(
            request, HTTPStatus.PRECONDITION_FAILED, "precondition_failed", DIFFERS
        )
    return known


class RefusalMiddleware:
    """Show a refusal that a view did not catch: a service's, with its own words, or the
    database's of a value that it cannot hold (an offset or a number out of its range),
    or that it does not answer.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        exception = as_refusal(exception)
        if isinstance(exception, CasefileError):
            return refused(request, exception)
        if isinstance(exception, (OperationalError, InterfaceError)):
            logger.exception("unavailable", exc_info=exception)
            return unavailable(request)
        if isinstance(exception, DataError):
            logger.warning("unusable_value", exc_info=exception)
            return unusable(request)
        return None


OF_ROW = ("_history", "_change", "_delete")
"""How Django names the pages of one row."""
OWN_APPS = frozenset(("evidence", "policy", "incidents"))
"""Their pages look for rows among what somebody may see, and find nothing else."""


class RowPageMiddleware:
    """Refuse the admin's pages of a row by right, before the row is looked for.

    Django looks first: who may not read it learns which ids there are, and asks the
    database for a table that a reading role may not see.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> None:
        model_admin = getattr(view, "model_admin", None)
        match = request.resolver_match
        name = (match.url_name or "") if match else ""
        if model_admin is None or not name.endswith(OF_ROW):
            return
        is_own = model_admin.opts.app_label in OWN_APPS
        if is_own and not name.endswith("_history"):
            return
        # Who has not signed in is sent to do so by the page itself.
        has_come_in = model_admin.admin_site.has_permission(request)
        if has_come_in and not model_admin.has_view_or_change_permission(request):
            raise PermissionDenied


class SingleValuesMiddleware:
    """Have no page take one of several values of what is sent once.

    The API reads its bodies itself, and speaks for itself (api/base/repeated.py).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if request.path_info.startswith(API):
            return None
        read_address_singly(request)
        # What checks no token before the view reads its form in a way of its own.
        if request.method != "POST" or getattr(view, "csrf_exempt", False):
            return None
        read_form_singly(request)
        try:
            refuse_repeated(request.FILES)
        except SentTwice as error:
            return refused(request, error)
        return None


class PathPolicyMiddleware(CSPMiddleware):
    """Send the strict content security policy, or the path's own where it has one."""

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and parts.config is None:
            for prefix, policy in settings.CONTENT_SECURITY_POLICIES_BY_PATH.items():
                if request.path_info.startswith(prefix):
                    parts.config = policy
        return parts
