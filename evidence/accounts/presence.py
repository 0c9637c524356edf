"""Whether the person at the browser is who signed in: their password, asked again."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from evidence.accounts.devices import find_device, forget_device_failures

PROVED = "proved_at"


def note_presence(session: Any, *, now: dt.datetime) -> None:
    """Write down in a session when its person showed who they are: just now, mostly.

    A provider's clock may be ahead: what it dates later than now would hold too long.
    """
    session[PROVED] = min(now, timezone.now()).isoformat()


def is_present(session: Any, *, now: dt.datetime) -> bool:
    """Return whether the password was given of late, or need not be."""
    limit = dt.timedelta(minutes=settings.PRESENCE_MINUTES)
    if not limit:
        return True
    proved_at = session.get(PROVED)
    if not isinstance(proved_at, str):
        return False
    return now - dt.datetime.fromisoformat(proved_at) < limit


@sensitive_variables("password")
def prove_password(request: HttpRequest, person: User, password: str) -> bool:
    """Return whether this is the person's password; failures count as of a sign-in.

    So they have its limits, and stand in the history.
    """
    found = authenticate(request, username=person.get_username(), password=password)
    if found is None or found.pk != person.pk:
        return False
    if device := find_device(request, person):
        forget_device_failures(device)
    return True
