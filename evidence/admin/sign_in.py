"""Signing in and out: the admin's own pages, with the history and the device known."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from evidence.accounts.devices import (
    find_device,
    forget_device_failures,
    remember_device,
)
from evidence.accounts.first_use import is_password_of_another
from evidence.accounts.presence import note_presence
from evidence.accounts.sessions import note_session
from evidence.accounts.sign_ins import (
    AGENT_LENGTH,
    Origin,
    record_sign_in,
    record_sign_out,
)
from evidence.admin.base import client_address
from evidence.admin.first_password import MARK


def origin_of(request: HttpRequest) -> Origin:
    """Return where a request came from."""
    agent = request.headers.get("User-Agent", "")
    return Origin(client_address(request), agent[:AGENT_LENGTH])


def sign_in_view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Sign somebody in. What cannot be recorded fails, and gives no session."""
    response: HttpResponse = admin.site.login(request, **kwargs)
    is_in = request.method == "POST" and response.status_code == 302
    if is_in and request.user.is_authenticated:
        _welcome(request, response)
    return response


def sign_out_view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Sign somebody out, and record it."""
    person = request.user
    response: HttpResponse = admin.site.logout(request, **kwargs)
    if person.is_authenticated and not request.user.is_authenticated:
        record_sign_out(person=person, origin=origin_of(request))
    return response


def _welcome(request: HttpRequest, response: HttpResponse) -> None:
    person = cast(User, request.user)
    device = find_device(request, person)
    record_sign_in(
        person=person, origin=origin_of(request), is_new_device=device is None
    )
    now = timezone.now()
    note_session(request.session, origin_of(request), now=now)
    note_presence(request.session, now=now)
    if is_password_of_another(person):
        request.session[MARK] = True
    if device:
        forget_device_failures(device)
    remember_device(response, person, device or "")
