"""That somebody can always administer accounts."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from evidence.accounts.access import Role
from evidence.errors import PersonError
from evidence.models import Passkey, SignInIdentity

LOCK = 0x0CA5EAD1
"""Two administrators who take each other's role away take turns on it."""


def require_administrator() -> None:
    """Raise PersonError where the caller's change leaves nobody who can administer.

    Called after the change, inside its transaction: the second of two at once sees
    what the first has done.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    if not _list_able().exists():
        raise PersonError(
            "This is the last administrator: nobody could manage accounts any more. "
            "Make somebody else an administrator first.",
            code="last_administrator",
        )


def _list_able() -> QuerySet[User]:
    """Return the administrators who have a way in: a password, a passkey or a link."""
    has_password = ~Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    passkeys = Passkey.objects.filter(user=OuterRef("pk"))
    links = SignInIdentity.objects.filter(
        user=OuterRef("pk"), issuer=settings.OIDC_ISSUER
    )
    return User.objects.filter(
        Q(groups__name=Role.ADMINISTRATOR) | Q(is_superuser=True),
        has_password | Exists(passkeys) | Exists(links),
        is_active=True,
        is_staff=True,
    )
