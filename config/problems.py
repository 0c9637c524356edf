"""Refusals outside the API's own views: pages, and problem documents under the API."""

import sys
from http import HTTPStatus

import structlog
from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme

from evidence.admin.sent_forms import SESSION_NAME, keep_unsent, typed_texts
from evidence.api.base.problems import (
    NOT_FOUND,
    RETRY_SECONDS,
    UNUSABLE,
    problem_response,
    tell_away,
)
from evidence.database.errors import DatabaseRefusal
from evidence.errors import CasefileError, as_refusal

API = "/api/"
NOT_NOW = "This cannot be done just now"
ENDED = (
    "Your session was ended while this request was on its way. What was sent may have "
    "been done all the same: sign in, and look before it is sent once more."
)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what was refused before a view was found, such as a wrong host name.

    Only a session that is gone is told of afterwards.
    """
    if isinstance(exception, SessionInterrupted):
        return _session_ended(request)
    if _is_api(request):
        detail = "The request cannot be taken: its host name or its form is wrong."
        return problem_response(request, 400, "malformed_request", detail)
    return HttpResponse(render_to_string("400.html"), status=400)


def _session_ended(request: HttpRequest) -> HttpResponse:
    """Answer who was signed in until the view was done, and is no longer."""
    if _is_api(request):
        return problem_response(request, 401, "not_authenticated", ENDED)
    typed = typed_texts(request) if request.method == "POST" else {}
    page = render_to_string("session_ended.html", {"message": ENDED, "typed": typed})
    return HttpResponse(page, status=HTTPStatus.FORBIDDEN)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a refusal with its own words."""
    message = str(exception) if isinstance(exception, PermissionDenied) else ""
    if _is_api(request):
        detail = message or "You may not do this."
        return problem_response(request, 403, "permission_refused", detail)
    return _render(request, "403.html", HTTPStatus.FORBIDDEN, message)


def page_not_found(request: HttpRequest, exception: Http404) -> HttpResponse:
    """Answer alike what is not there and what this person may not see."""
    if _is_api(request):
        return problem_response(request, 404, "not_found", NOT_FOUND)
    return _render(request, "404.html", HTTPStatus.NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a fault outside the API's own views; it is logged.

    The page needs no session and no database: these may be what failed.
    """
    # Django calls this while it handles the fault.
    fault = sys.exc_info()[1]
    if isinstance(fault, Exception):
        fault = as_refusal(fault)
    if isinstance(fault, CasefileError):
        return refused(request, fault)
    if isinstance(fault, (OperationalError, InterfaceError)):
        return unavailable(request)
    if _is_api(request):
        detail = "Something went wrong here. It was logged."
        return problem_response(request, 500, "internal_error", detail)
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    page = render_to_string("500.html", {"request_id": request_id})
    return HttpResponse(page, status=500)


def refused(request: HttpRequest, error: CasefileError) -> HttpResponse:
    """Answer a service's refusal that no page of its own shows."""
    status = error.status
    if _is_api(request):
        return problem_response(request, status, error.code, error.message)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return _not_now(request, getattr(error, "heading", NOT_NOW), error.message)
    name = "403.html" if status is HTTPStatus.FORBIDDEN else "refused.html"
    return _render(request, name, status, error.message)


def unavailable(request: HttpRequest) -> HttpResponse:
    """Answer for a database that is away."""
    message = tell_away(request.method)
    if _is_api(request):
        return problem_response(request, 503, "unavailable", message)
    return _not_now(request, DatabaseRefusal.heading, message)


def _not_now(request: HttpRequest, heading: str, message: str) -> HttpResponse:
    """Answer what another try may do; what was typed is shown, to be copied or sent."""
    context = {
        "heading": heading,
        "message": message,
        "back": _find_way_back(request),
        "typed": typed_texts(request) if request.method == "POST" else {},
    }
    page = render_to_string("not_now.html", context)
    response = HttpResponse(page, status=HTTPStatus.SERVICE_UNAVAILABLE)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response


def unusable(request: HttpRequest) -> HttpResponse:
    """Answer a value that no column of the database can hold or be compared with."""
    if _is_api(request):
        return problem_response(request, 400, "unusable_value", UNUSABLE)
    return _render(request, "refused.html", HTTPStatus.BAD_REQUEST, UNUSABLE)


def locked_out(
    request: HttpRequest, response: HttpResponse | None, credentials: dict[str, str]
) -> HttpResponse:
    """Answer a sign-in that is locked after failures. Called by axes."""
    context = {
        "failure_limit": settings.AXES_FAILURE_LIMIT,
        "cooloff_hours": settings.AXES_COOLOFF_TIME,
        "has_unsent": SESSION_NAME in getattr(request, "session", {}),
    }
    page = render_to_string("locked_out.html", context)
    return HttpResponse(page, status=HTTPStatus.TOO_MANY_REQUESTS)


def form_out_of_date(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose CSRF token is not of this sign-in. Called by Django.

    One of our own forms is kept, and its page drawn again with what was typed; of any
    other, what it says is shown to be copied.
    """
    if _is_api(request):
        detail = "The request carries no valid CSRF token."
        return problem_response(request, 403, "permission_refused", detail)
    if keep_unsent(request):
        return redirect(request.path)
    context = {
        "status": 403,
        "back": _find_way_back(request),
        "typed": typed_texts(request),
    }
    page = render_to_string("403_csrf.html", context)
    return HttpResponse(page, status=HTTPStatus.FORBIDDEN)


def _is_api(request: HttpRequest) -> bool:
    return request.path_info.startswith(API)


def _render(
    request: HttpRequest, name: str, status: HTTPStatus, message: str = ""
) -> HttpResponse:
    context = {
        "message": message,
        "status": int(status),
        "phrase": status.phrase,
        "back": _find_way_back(request),
    }
    return HttpResponse(render_to_string(name, context), status=status)


def _find_way_back(request: HttpRequest) -> str:
    """Return the address of the page before, where it is one of ours and another."""
    referer = request.headers.get("referer", "")
    ours = url_has_allowed_host_and_scheme(
        referer, {request.get_host()}, require_https=request.is_secure()
    )
    return referer if ours and referer != request.build_absolute_uri() else ""
