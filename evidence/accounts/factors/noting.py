"""What all changes of somebody's own factors share: the lock, the history, the word."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User

from evidence.accounts.access import Actor
from evidence.accounts.factors.held import HeldFactors, must_have_factor
from evidence.accounts.telling import AccountNotice, tell_owner
from evidence.audit.history import record_entry
from evidence.errors import FactorError, PermissionRefused
from evidence.models import RecoveryCode


def lock_self(actor: User) -> User:
    """Lock one's own account, so that changes of its factors take turns."""
    person = User.objects.select_for_update(no_key=True).get(pk=actor.pk)
    if not person.is_active:
        raise PermissionRefused(f"{person.get_username()} is switched off.")
    return person


def note_change(
    person: User,
    action: str,
    headline: str,
    *,
    actor: Actor,
    now: dt.datetime,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Record a change of somebody's factors and tell them of it."""
    entry = record_entry(
        action=action,
        actor=actor,
        obj=person,
        reason=reason,
        before=before,
        after=after,
        now=now,
    )[0]
    key = f"account:{person.pk}:factor:{entry.pk}"
    tell_owner(AccountNotice(person, key, headline, now))


def require_another(person: User, held: HeldFactors) -> None:
    """Raise FactorError where the last factor would go of somebody who needs one."""
    if held.count == 1 and must_have_factor(person):
        raise FactorError(
            "Your role needs a second factor, and this is your only one: add another "
            "first, then remove this one.",
            code="factor_needed",
        )


def forget_codes_without_factor(person: User, held: HeldFactors) -> None:
    """Delete the recovery codes of somebody who has nothing left to recover."""
    if not held:
        RecoveryCode.objects.filter(user=person).delete()
