"""One shape for everything that goes wrong: RFC 9457, `application/problem+json`.

A problem has `type`, `title`, `status`, `detail`, `instance` and a stable `code`. Some
have more: `errors` (what is wrong with which field), `path` (where in a document),
`changes` (what somebody else saved). None has a stack trace.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from rest_framework import exceptions
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from evidence.errors import CasefileError, as_refusal

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:casefile:problem:"
NOT_FOUND = "There is nothing here, or nothing that you may see."
MALFORMED = ("malformed_request", "The request could not be read to its end.")
UNUSABLE = (
    "A value that was sent cannot be used: it is out of range, or holds a character "
    "that no text here can hold."
)
AWAY = "The database does not answer."
RETRY_SECONDS = 5

logger = logging.getLogger(__name__)

# DRF's own codes in our words; those that are clear enough stay.
CODE_BY_STATUS: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "malformed_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.NOT_ACCEPTABLE: "not_acceptable",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
}


def make_problem(
    status: int, code: str, detail: str, *, instance: str, **members: Any
) -> dict[str, Any]:
    """Return the document of a problem."""
    return {
        "type": f"{TYPE_PREFIX}{code}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "instance": instance,
        "code": code,
        **members,
    }


def handle_exception(error: Exception, context: dict[str, Any]) -> Response:
    """Turn any exception under the API into a problem. DRF's EXCEPTION_HANDLER."""
    path = context["request"].path
    set_rollback()
    error = as_refusal(error)
    if isinstance(error, CasefileError):
        members = error.problem_members()
        return _with_retry(
            _respond(error.status, error.code, error.message, path, **members)
        )
    if isinstance(error, RequestDataTooBig):
        return _respond(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", str(error), path
        )
    if isinstance(error, (SuspiciousOperation, UnreadablePostError)):
        return _respond(HTTPStatus.BAD_REQUEST, *MALFORMED, path)
    if isinstance(error, (OperationalError, InterfaceError)):
        return _respond_unavailable(path, context["request"].method)
    if isinstance(error, DataError):
        logger.warning("api_unusable_value", exc_info=error)
        return _respond(HTTPStatus.BAD_REQUEST, "unusable_value", UNUSABLE, path)
    if isinstance(
        error, (exceptions.APIException, Http404, DjangoPermissionDenied)
    ) and (response := exception_handler(error, context)):
        return _as_problem(error, response, path)
    return _respond_internal(path)


def problem_response(
    request: HttpRequest, status: int, code: str, detail: str
) -> JsonResponse:
    """Return a problem from outside DRF's views, for Django's own error handlers."""
    document = make_problem(status, code, detail, instance=request.path)
    response = JsonResponse(document, status=status, content_type=CONTENT_TYPE)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


def malformed_response(request: HttpRequest) -> JsonResponse:
    """Return the problem of a body that ended too soon, from outside DRF's views."""
    return problem_response(request, HTTPStatus.BAD_REQUEST, *MALFORMED)


def _as_problem(error: Exception, response: Response, path: str) -> Response:
    """Rewrite the response that DRF made for one of its own exceptions."""
    if isinstance(error, exceptions.ValidationError):
        errors = list(_flatten(error.get_full_details()))
        detail = f"{len(errors)} of the values sent cannot be used; see errors."
        document = make_problem(
            response.status_code,
            "validation_failed",
            detail,
            instance=path,
            errors=errors,
        )
    else:
        code, detail = _words_of(error, response.status_code)
        document = make_problem(response.status_code, code, detail, instance=path)
    response.data = document
    response.content_type = CONTENT_TYPE
    return response


def _words_of(error: Exception, status: int) -> tuple[str, str]:
    if status == HTTPStatus.NOT_FOUND:
        return "not_found", NOT_FOUND
    if not isinstance(error, exceptions.APIException):
        return "permission_refused", "You may not do this."
    codes = error.get_codes()
    named = codes if isinstance(codes, str) else "refused"
    if named == error.default_code:
        named = CODE_BY_STATUS.get(status, named)
    return named, str(error.detail)


def _flatten(details: Any, field: str = "") -> Iterator[dict[str, str]]:
    """Yield one {"field", "code", "detail"} for each message of a ValidationError."""
    if isinstance(details, Mapping) and set(details) == {"message", "code"}:
        yield {
            "field": field,
            "code": str(details["code"]),
            "detail": str(details["message"]),
        }
    elif isinstance(details, Mapping):
        for name, inner in details.items():
            plain = "" if name == "non_field_errors" else str(name)
            yield from _flatten(inner, f"{field}.{plain}".strip("."))
    elif isinstance(details, list):
        for inner in details:
            yield from _flatten(inner, field)


def _respond_unavailable(path: str, method: str | None) -> Response:
    logger.exception("api_unavailable")
    response = _respond(
        HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", tell_away(method), path
    )
    return _with_retry(response)


def tell_away(method: str | None) -> str:
    """Return what is said where the database went away under a request.

    Where it went with the commit, or after it, nobody here knows whether it has it.
    """
    if method in SAFE_METHODS:
        return f"{AWAY} Try again."
    return (
        f"{AWAY} What was sent may have been done all the same: look before it is sent "
        "once more. Alerts and evidence can be sent once more as they are."
    )


def _with_retry(response: Response) -> Response:
    """Say when to come back, in an answer that another try may change."""
    if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


def _respond_internal(path: str) -> Response:
    logger.exception("api_internal_error")
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    detail = "Something went wrong here. It was logged; name the request_id."
    return _respond(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        detail,
        path,
        request_id=request_id,
    )


def _respond(
    status: HTTPStatus, code: str, detail: str, instance: str, /, **members: Any
) -> Response:
    document = make_problem(status, code, detail, instance=instance, **members)
    return Response(document, status=status, content_type=CONTENT_TYPE)
