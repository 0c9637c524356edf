"""Which factors a person has, and whether their role needs one."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User

from evidence.accounts.access import Role
from evidence.models import AuthenticatorApp, Passkey, RecoveryCode


@dataclass(frozen=True)
class HeldFactors:
    """A person's factors. Recovery codes stand in for one; alone they are none."""

    app: AuthenticatorApp | None
    passkeys: tuple[Passkey, ...]
    codes_left: int

    def __bool__(self) -> bool:
        return self.count > 0

    @property
    def count(self) -> int:
        return int(self.app is not None) + len(self.passkeys)


def find_factors(person: User) -> HeldFactors:
    """Return what a person has, the unused recovery codes counted."""
    return HeldFactors(
        AuthenticatorApp.objects.filter(user=person).first(),
        tuple(Passkey.objects.filter(user=person)),
        RecoveryCode.objects.filter(user=person, used_at=None).count(),
    )


def has_factor(person: User) -> bool:
    """Return whether signing in as this person takes a second factor."""
    return (
        AuthenticatorApp.objects.filter(user=person).exists()
        or Passkey.objects.filter(user=person).exists()
    )


def must_have_factor(person: User) -> bool:
    """Return whether a role of theirs needs one, a superuser's as administrators'."""
    roles = set(settings.SECOND_FACTOR_ROLES)
    if not roles:
        return False
    if person.is_superuser and Role.ADMINISTRATOR in roles:
        return True
    return person.groups.filter(name__in=roles).exists()
