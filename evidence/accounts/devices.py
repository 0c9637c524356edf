"""Devices that a person has signed in from: a signed cookie, and what it is good for.

Who signs in is given a cookie that names them and is signed by the server, as OWASP's
"Slow Down Online Guessing Attacks with Device Cookies" has it. A browser that sends it
is known: signing in from one without it is told to the account's owner, and failures
of others, which lock a name or an address, do not lock a known device out. Its own
failures are counted by themselves. A new password makes every device new again.
"""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.core.cache import cache
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import constant_time_compare
from redis.exceptions import RedisError

COOKIE = "casefile_device"
SALT = "casefile.device"
KEPT_SECONDS = 366 * 86_400
"""How long a browser that nobody signs in from stays known."""


def find_device(request: HttpRequest, person: User) -> str | None:
    """Return the name of the device where this person has signed in from it before."""
    try:
        held = signing.loads(
            request.COOKIES.get(_cookie_of(person), ""), salt=SALT, max_age=KEPT_SECONDS
        )
        name, stamp = held
    except (signing.BadSignature, ValueError, TypeError):
        return None
    same = constant_time_compare(str(stamp), _stamp_of(person))
    return str(name) if same else None


def remember_device(response: HttpResponseBase, person: User, name: str = "") -> None:
    """Have the browser known from now on, under its old name where it has one."""
    value = signing.dumps(
        [name or secrets.token_urlsafe(12), _stamp_of(person)], salt=SALT
    )
    response.set_cookie(
        _cookie_of(person),
        value,
        max_age=KEPT_SECONDS,
        path="/",
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def count_device_failures(device: str) -> int | None:
    """Return how often this device failed of late; None where nobody can tell."""
    try:
        return int(cache.get(_key_of(device), 0))
    except (RedisError, OSError):
        return None


def note_device_failure(device: str, *, seconds: int) -> None:
    """Count one more failure of a known device, for so many seconds."""
    key = _key_of(device)
    try:
        cache.add(key, 0, timeout=seconds)
        cache.incr(key)
    except (RedisError, OSError, ValueError):
        # Away, or gone in between: then the device is not exempt, or begins anew.
        return


def forget_device_failures(device: str) -> None:
    try:
        cache.delete(_key_of(device))
    except (RedisError, OSError):
        return


def _key_of(device: str) -> str:
    return f"device-failures:{device}"


def _cookie_of(person: User) -> str:
    # As with the session's: over TLS only this very host can set it.
    prefix = "__Host-" if settings.SESSION_COOKIE_SECURE else ""
    return f"{prefix}{COOKIE}_{person.pk}"


def _stamp_of(person: User) -> str:
    """Return what ties a cookie to a person and their present password."""
    kept = f"{person.pk}:{person.get_session_auth_hash()}"
    return hashlib.sha256(kept.encode()).hexdigest()[:32]
