"""The way back in, for who works on the server, when nobody can administer any more."""

from __future__ import annotations

import datetime as dt
import secrets
from typing import Any

from axes.models import AccessAttempt
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.accounts.factors.removal import take_factors
from evidence.accounts.identities import take_identities
from evidence.accounts.people import require_free_name
from evidence.accounts.sessions import end_sessions_of
from evidence.accounts.telling import AccountNotice, tell_owner
from evidence.accounts.tokens import revoke_tokens_of
from evidence.audit.history import record_entry
from evidence.errors import PersonError
from evidence.text import require_text

TOLD = (Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR)
"""Who hears of it: those who would notice if it were not meant to be."""
OPENED = "The account was opened by break_glass."


@transaction.atomic
def open_break_glass(
    *, username: str, reason: str, now: dt.datetime | None = None
) -> tuple[User, str]:
    """Make an account an administrator that can sign in; return it and its password.

    The account is made where there is none, switched on, given the role, unlocked and
    set a password that works until it is changed, which the first sign-in asks for. Its
    second factors and its link to single sign-on go, its sessions end, and its tokens
    are revoked: who lost them, or whose provider is away, comes back by this too. It is
    recorded, and told to everybody who looks after the history. For a command on the
    server only: nobody's permission is asked.
    """
    why, moment = require_text(reason, refusal=PersonError), now or timezone.now()
    person = User.objects.select_for_update().filter(username=username).first()
    is_new = person is None
    if person is not None and person.groups.filter(name=Role.MACHINE).exists():
        # A machine has no other role, and its secrets are on other servers.
        raise PersonError(
            f"{username} is a machine's account. Name a person's, or a new one.",
            field="username",
        )
    if person is None:
        person = User(username=require_free_name(username))
    before: dict[str, Any] = {
        "is_active": person.is_active and not is_new,
        "is_new": is_new,
    }
    password = secrets.token_urlsafe(18)
    person.is_active = person.is_staff = True
    person.set_password(password)
    person.save()
    person.groups.add(Group.objects.get(name=Role.ADMINISTRATOR))
    before |= take_factors(person)
    before["identities"] = take_identities(person)
    end_sessions_of(person)
    revoke_tokens_of(person, actor=None, reason=OPENED, now=moment)
    AccessAttempt.objects.filter(username=person.username).delete()
    entry = record_entry(
        action="person.break_glass",
        actor=None,
        obj=person,
        reason=why,
        before=before,
        after={"is_active": True, "role": Role.ADMINISTRATOR.value},
        now=moment,
    )[0]
    _tell_everybody(person, f"break-glass:{entry.pk}", moment)
    return person, password


def _tell_everybody(person: User, key: str, now: dt.datetime) -> None:
    headline = f"On the server, {person.get_username()} was made an administrator"
    looks_after = Q(groups__name__in=TOLD) | Q(is_superuser=True)
    told = User.objects.filter(looks_after, is_active=True).distinct()
    for other in told.order_by("pk"):
        tell_owner(AccountNotice(other, key, headline, now))
