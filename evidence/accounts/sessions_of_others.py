"""Signing somebody out everywhere, by an administrator."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.accounts.people import CHANGE, lock_person
from evidence.accounts.sessions import end_sessions_of, list_own_sessions
from evidence.accounts.telling import AccountNotice, tell_owner
from evidence.audit.history import record_entry
from evidence.errors import PersonError
from evidence.text import require_text


@transaction.atomic
def sign_out_everywhere(
    *, actor: Actor, person_id: int, reason: str, now: dt.datetime | None = None
) -> User:
    """End every session of somebody, whose account stays as it is; they are told.

    Raise PersonError where they are signed in nowhere.
    """
    require_permission(actor, CHANGE)
    person = lock_person(person_id, actor)
    why, moment = require_text(reason, refusal=PersonError), now or timezone.now()
    found = list_own_sessions(person, None)
    if not found:
        raise PersonError(f"{person.get_username()} is signed in nowhere.")
    end_sessions_of(person)
    entry = record_entry(
        action="person.signed_out_by_another",
        actor=actor,
        obj=person,
        reason=why,
        before={"addresses": sorted({each.address for each in found})},
        after={"ended": len(found)},
        now=moment,
    )[0]
    key = f"account:{person.pk}:signed-out:{entry.pk}"
    headline = f"{name_of(actor)} signed you out everywhere"
    tell_owner(AccountNotice(person, key, headline, moment))
    return person
