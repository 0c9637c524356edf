"""Passwords that somebody else has set, which their owner changes at first use."""

from __future__ import annotations

from django.contrib.auth.models import User

from evidence.models import AuditEntry

BREAK_GLASS = "person.break_glass"
PASSWORD_ACTIONS = (
    "person.created",
    "person.password_reset",
    "person.password_changed",
    BREAK_GLASS,
)


def is_password_of_another(person: User) -> bool:
    """Return whether an administrator set the password, by what history says last.

    One that a command on the server set is its owner's, but for break-glass: who is
    there could read any other too.
    """
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
        return False
    return last.action == BREAK_GLASS or last.actor_id not in (None, person.pk)
