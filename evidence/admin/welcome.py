"""The end of every way in: a session, with the history and the device known.

Nothing else in Casefile calls Django's `login`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from evidence.accounts.devices import (
    find_device,
    forget_device_failures,
    remember_device,
)
from evidence.accounts.factors.proving import (
    FACTORS,
    SINGLE_WAYS,
    SignInWay,
    note_factor,
)
from evidence.accounts.first_use import is_password_of_another
from evidence.accounts.presence import note_presence
from evidence.accounts.provider_sign_out import NOTED as PROVIDER_SESSION
from evidence.accounts.sessions import note_session
from evidence.accounts.sign_ins import AGENT_LENGTH, Origin, record_sign_in
from evidence.admin.base import client_address
from evidence.admin.first_password import MARK

BACKEND = "django.contrib.auth.backends.ModelBackend"
"""Whose sessions all are, however somebody came in."""


def origin_of(request: HttpRequest) -> Origin:
    """Return where a request came from."""
    agent = request.headers.get("User-Agent", "")
    return Origin(client_address(request), agent[:AGENT_LENGTH])


def welcome(
    request: HttpRequest,
    person: User,
    ways: Sequence[SignInWay],
    target: str,
    *,
    shown_at: dt.datetime | Literal["now"] | None = "now",
) -> HttpResponse:
    """Sign somebody in who came by these ways, one after the other; lead them on.

    `shown_at` is when they last showed who they are, which single sign-on may have
    asked long ago; None: nobody knows. What cannot be recorded fails, and gives no
    session.
    """
    device, now = find_device(request, person), timezone.now()
    is_single = bool(SINGLE_WAYS.intersection(ways))
    at_provider = request.session.pop(PROVIDER_SESSION, None)
    login(request, person, backend=BACKEND)
    record_sign_in(
        person=person,
        origin=origin_of(request),
        is_new_device=device is None,
        way=" and ".join(ways),
    )
    note_session(request.session, origin_of(request), now=now)
    if shown_at is not None:
        note_presence(request.session, now=now if shown_at == "now" else shown_at)
    for way in FACTORS.intersection(ways):
        note_factor(request.session, way)
    if is_single:
        request.session[PROVIDER_SESSION] = at_provider
    elif is_password_of_another(person):
        request.session[MARK] = True
    if device:
        forget_device_failures(device)
    response = HttpResponseRedirect(target)
    remember_device(response, person, device or "")
    return response
