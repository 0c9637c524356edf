"""That somebody can always administer accounts."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q

from evidence.accounts.access import Role
from evidence.errors import PersonError

LOCK = 0x0CA5EAD1
"""Two administrators who take each other's role away take turns on it."""


def require_administrator() -> None:
    """Raise PersonError where the caller's change leaves nobody who can administer.

    Called after the change, inside its transaction: the second of two at once sees
    what the first has done.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    able = User.objects.filter(
        Q(groups__name=Role.ADMINISTRATOR) | Q(is_superuser=True),
        is_active=True,
        is_staff=True,
    )
    if not able.exists():
        raise PersonError(
            "This is the last administrator: nobody could manage accounts any more. "
            "Make somebody else an administrator first.",
            code="last_administrator",
        )
