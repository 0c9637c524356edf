"""Passwords that somebody else has set, which their owner changes at first use."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User

from evidence.models import AuditEntry

BREAK_GLASS = "person.break_glass"
PASSWORD_ACTIONS = (
    "person.created",
    "person.password_reset",
    "person.password_changed",
    BREAK_GLASS,
)
LAPSES_AFTER = dt.timedelta(days=7)
"""Over a weekend and an illness of its owner's; the longer, the more have seen it."""
LAPSED = (
    "An administrator set this password, and it lapsed before you chose one of your "
    "own. Ask for another."
)


def is_password_of_another(person: User) -> bool:
    """Return whether an administrator set the password, by what history says last.

    One that a command on the server set is its owner's, but for break-glass: who is
    there could read any other too.
    """
    return _set_by_another(person) is not None


def has_lapsed(person: User, *, now: dt.datetime) -> bool:
    """Return whether somebody else's password was not replaced in time."""
    entry = _set_by_another(person)
    return entry is not None and entry.recorded_at < now - LAPSES_AFTER


def _set_by_another(person: User) -> AuditEntry | None:
    last = (
        AuditEntry.objects.filter(
            object_type="auth.user",
            object_id=str(person.pk),
            action__in=PASSWORD_ACTIONS,
        )
        .order_by("-pk")
        .first()
    )
    if last is None:
        return None
    is_anothers = last.actor_id not in (None, person.pk)
    return last if last.action == BREAK_GLASS or is_anothers else None
