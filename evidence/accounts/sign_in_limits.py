"""Limits on guessing: per name and address together, per address, and per name.

A known device (evidence/accounts/devices.py) has a limit of its own and only that one,
so that nobody can lock a named person out of the browser they work in: failures from
elsewhere do not count against it. Axes keeps the attempts and asks this handler.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_client_username, get_failure_limit
from axes.models import AccessFailureLog
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from evidence.accounts.devices import (
    count_device_failures,
    find_device,
    note_device_failure,
)
from evidence.accounts.sign_ins import find_lifted_at, record_failure

FAILURES_KEPT = dt.timedelta(days=366)
IPV6_PREFIX = 64
"""One household's share of IPv6: counted as one address."""
NAMED = "persons_named"
"""Where a request keeps whose names it gave."""
FAILURE_REASON = "sign_in_failure_reason"
"""Where a request keeps why signing in failed, where that is known."""


class SignInLimits(AxesDatabaseHandler):
    """Axes' own handler of attempts, with more limits, and with a history."""

    def get_failures(
        self, request: Any, credentials: dict[str, Any] | None = None
    ) -> int:
        """Return how many failures count; from the limit on, signing in is locked."""
        device = _device_of(request, credentials)
        counted = count_device_failures(device) if device else None
        if counted is not None:
            return counted
        limit = get_failure_limit(request, credentials)
        pair: int = super().get_failures(request, credentials)
        is_over = _is_over(
            get_client_username(request, credentials),
            getattr(request, "axes_ip_address", None),
            _person_of(request, credentials),
        )
        return max(pair, limit) if is_over else pair

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Any = None, **kw: Any
    ) -> None:
        """Count a failure, keep it, record it, and lock where a limit is reached."""
        was_locked = getattr(request, "axes_locked_out", False)
        device = _device_of(request, credentials)
        if device and not was_locked:
            note_device_failure(device, seconds=cooloff_seconds())
        try:
            super().user_login_failed(sender, credentials, request, **kw)
        except IntegrityError:
            # The row of another failure at once was there when this one's was written,
            # and gone, by a sign-in that succeeded, when it was read.
            super().user_login_failed(sender, credentials, request, **kw)
        if request is None or was_locked:
            return
        name = get_client_username(request, credentials)
        failure = AccessFailureLog.objects.filter(username=name).latest("pk")
        person = _person_of(request, credentials)
        is_locked = bool(request.axes_locked_out) or (
            device is None and _is_over(name, request.axes_ip_address, person)
        )
        # Single sign-on says why; whatever else fails, the name or the secret is wrong.
        reason = getattr(request, FAILURE_REASON, "")
        record_failure(
            failure=failure, person=person, is_locked=is_locked, reason=reason
        )

    def remove_out_of_limit_failure_logs(
        self, *, username: str, limit: int | None = None
    ) -> int:
        """Forget a name's old failures; axes would forget the newest, which count."""
        before = timezone.now() - FAILURES_KEPT
        rows = AccessFailureLog.objects.filter(username=username)
        count, _ = rows.filter(attempt_time__lt=before).delete()
        return count


def cooloff_seconds() -> int:
    return int(settings.AXES_COOLOFF_TIME * 3600)


def _person_of(
    request: HttpRequest | None, credentials: dict[str, Any] | None
) -> User | None:
    """Return whose name a request gives; looked up once, however many limits ask."""
    name = get_client_username(request, credentials) if request is not None else None
    if request is None or not name:
        return None
    known: dict[str, User | None] = request.__dict__.setdefault(NAMED, {})
    if name not in known:
        known[name] = User.objects.filter(username=name).first()
    return known[name]


def _device_of(
    request: HttpRequest | None, credentials: dict[str, Any] | None
) -> str | None:
    """Return the known device that a request comes from, of the person it names."""
    person = _person_of(request, credentials)
    if request is None or person is None or not person.is_active:
        return None
    return find_device(request, person)


def _is_over(name: str | None, address: str | None, person: User | None) -> bool:
    """Return whether an address, or a name from anywhere, failed too often of late.

    `person` is who has the name; None where nobody has it.
    """
    since = timezone.now() - dt.timedelta(seconds=cooloff_seconds())
    recent = AccessFailureLog.objects.filter(attempt_time__gte=since)
    if address and _from(recent, address).count() >= settings.LOGIN_ADDRESS_LIMIT:
        return True
    of_name = recent.filter(username=name) if name else recent.none()
    if of_name.count() < settings.LOGIN_NAME_LIMIT:
        return False
    lifted_at = find_lifted_at(person) if person else None
    since_then = of_name.filter(attempt_time__gt=lifted_at) if lifted_at else of_name
    return since_then.count() >= settings.LOGIN_NAME_LIMIT


def _from(rows: QuerySet[AccessFailureLog], address: str) -> QuerySet[AccessFailureLog]:
    """Keep the failures from an address, or from its network where it is IPv6."""
    if ipaddress.ip_address(address).version == 4:
        return rows.filter(ip_address=address)
    network = ipaddress.ip_network(f"{address}/{IPV6_PREFIX}", strict=False)
    return rows.extra(where=["ip_address <<= %s::inet"], params=[str(network)])
