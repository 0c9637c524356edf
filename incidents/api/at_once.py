"""A single alert whose sender does not wait, answered before the rest of the stack.

Only where all is as usual: a program with its token, a plain body, a new alert of a
known extension. Everything else, each refusal among it, goes the ordinary way as if
nobody had looked here, and is answered there.
"""

from __future__ import annotations

import time

from django.core.exceptions import DisallowedHost
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.renderers import JSONRenderer

from evidence.accounts.token_in_force import find_token
from evidence.api.base.authentication import SCHEMES, TOKEN_PATTERN
from evidence.api.base.throttling import is_within_rate, name_token
from evidence.errors import CasefileError
from incidents.api.alert_bodies import split_body
from incidents.api.alerts import (
    RESPOND_ASYNC,
    AlertViewSet,
    accepted_document,
    read_alert,
    wants_no_decision,
)
from incidents.models import AlertDecision
from incidents.services.alerts.incoming import IncomingAlert
from incidents.services.alerts.waiting import StoredAtOnce, accept_by_token

BODY_MAX_BYTES = 128 * 1024
"""More than an alert of usual texts has; a longer one goes the ordinary way."""
JSON = "application/json"
PLAIN_ANSWERS = ("", "*/*", JSON)


def accept_at_once(request: HttpRequest) -> tuple[IncomingAlert, StoredAtOnce] | None:
    """Store the alert of a request; None where the ordinary way has to answer.

    A request that was counted for its rate is not counted again there.
    """
    secret = _find_secret(request) if _is_plain(request) else None
    alert = _read_body(request.body) if secret else None
    if secret is None or alert is None:
        return None
    try:
        stored = _store(request, secret, alert)
    except (DatabaseError, CasefileError):
        # Asked again, the database says it to who can put it into words.
        return None
    return (alert, stored) if stored else None


def _store(
    request: HttpRequest, secret: str, alert: IncomingAlert
) -> StoredAtOnce | None:
    token = find_token(secret)
    if token is None:
        return None
    pk, digest = token
    rate, client = AlertViewSet.throttle_rate, name_token(pk)
    if not is_within_rate(request, name=rate, client=client, now=time.time()):
        return None
    return accept_by_token(
        alert=alert,
        token=pk,
        token_digest=digest,
        address=request.META.get("REMOTE_ADDR"),
        now=timezone.now(),
    )


def _is_plain(request: HttpRequest) -> bool:
    """Return whether it is sent as programs send alerts, with nothing beside it."""
    meta = request.META
    length = meta.get("CONTENT_LENGTH") or ""
    if not (
        wants_no_decision(meta.get("HTTP_PREFER", ""))
        and request.content_type == JSON
        and meta.get("HTTP_ACCEPT", "") in PLAIN_ANSWERS
        and not meta.get("QUERY_STRING")
        and not meta.get("HTTP_COOKIE")
        and length.isdecimal()
        and int(length) <= BODY_MAX_BYTES
    ):
        return False
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return True


def _find_secret(request: HttpRequest) -> str | None:
    scheme, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = secret.strip().encode("latin-1", "replace")
    is_token = scheme.lower().encode("latin-1", "replace") in SCHEMES
    return token.decode() if is_token and TOKEN_PATTERN.fullmatch(token) else None


def _read_body(data: bytes) -> IncomingAlert | None:
    try:
        body = split_body(data)
    except APIException:
        return None
    read = None if body.is_batch else read_alert(body.texts[0], None)
    return read if isinstance(read, IncomingAlert) else None


def answer_stored(alert: IncomingAlert, stored: StoredAtOnce) -> HttpResponse:
    """Return what the ordinary way answers to a new alert that waits."""
    document = accepted_document(
        source=str(alert.source),
        alert_id=alert.alert.alert_id,
        id=stored.pk,
        decision=AlertDecision.WAITING,
        incident=None,
        document_sha256=alert.document_sha256,
    )
    return HttpResponse(
        JSONRenderer().render(document),
        content_type=JSON,
        status=status.HTTP_202_ACCEPTED,
        headers={
            "Location": reverse("api:alert-detail", args=[stored.pk]),
            "Preference-Applied": RESPOND_ASYNC,
        },
    )
