"""One's own sessions: where one is signed in, and ending what is not needed.

Sessions are Django's, in its table. What a sign-in came from and when it was last used
is kept inside each; the table says for whom only to who opens its rows, so looking for
a person's takes as long as there are sessions.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from evidence.accounts.sign_ins import Origin
from evidence.audit.history import record_entry

SIGNED_IN, SEEN = "signed_in", "seen_at"
"""The session's own notes: from where and when; when it was used last."""
NOTE_SEEN_AFTER = dt.timedelta(minutes=1)
"""How exact the second is: at most one write a minute for a busy session."""


@dataclass(frozen=True)
class OwnSession:
    """A sign-in that goes on. `handle` names it on a page; the key is a secret."""

    handle: str
    key: str
    address: str
    browser: str
    signed_in_at: dt.datetime | None
    seen_at: dt.datetime | None
    is_current: bool


def note_session(session: Any, origin: Origin, *, now: dt.datetime) -> None:
    """Write down in a new session where and when it began."""
    session[SIGNED_IN] = origin.as_state() | {"at": now.isoformat()}
    session[SEEN] = now.isoformat()


def note_seen(session: Any, *, now: dt.datetime) -> None:
    """Write down that a session is used; within a minute of the last note, nothing."""
    seen_at = _read_moment(session.get(SEEN))
    if seen_at is not None and now - seen_at >= NOTE_SEEN_AFTER:
        session[SEEN] = now.isoformat()


def is_over(session: Any, limit: dt.timedelta, *, now: dt.datetime) -> bool:
    """Return whether a session began longer ago than the limit, however used it is.

    The age of its cookie does not say: each write of the session begins it anew.
    """
    began_at = _read_moment((session.get(SIGNED_IN) or {}).get("at"))
    return began_at is not None and now - began_at > limit


def is_idle(session: Any, limit: dt.timedelta, *, now: dt.datetime) -> bool:
    """Return whether nobody has used a session for longer than the limit."""
    seen_at = _read_moment(session.get(SEEN))
    return seen_at is not None and now - seen_at > limit


def list_own_sessions(person: User, current_key: str | None) -> list[OwnSession]:
    """Return where a person is signed in, this session first, then the last used."""
    found = list(_sessions_of(person, current_key))
    earliest = dt.datetime.min.replace(tzinfo=dt.UTC)
    found.sort(key=lambda each: each.seen_at or earliest, reverse=True)
    return sorted(found, key=lambda each: not each.is_current)


@transaction.atomic
def end_own_sessions(
    *,
    actor: User,
    current_key: str | None,
    handle: str = "",
    now: dt.datetime | None = None,
) -> int:
    """End one's session of this handle, or with none all but this; return how many.

    This very session is ended by signing out.
    """
    ended = [
        each
        for each in _sessions_of(actor, current_key)
        if not each.is_current and handle in ("", each.handle)
    ]
    Session.objects.filter(pk__in=[each.key for each in ended]).delete()
    if ended:
        record_entry(
            action="person.sessions_ended",
            actor=actor,
            obj=actor,
            before={"addresses": sorted({each.address for each in ended})},
            after={"ended": len(ended)},
            now=now,
        )
    return len(ended)


def end_sessions_of(person: User) -> None:
    """End every session of a person, for a change that a caller records."""
    keys = [each.key for each in _sessions_of(person, None)]
    Session.objects.filter(pk__in=keys).delete()


def _sessions_of(person: User, current_key: str | None) -> Iterator[OwnSession]:
    rows = Session.objects.filter(expire_date__gt=timezone.now())
    for row in rows.iterator():
        held = row.get_decoded()
        stamp = str(held.get(HASH_SESSION_KEY, ""))
        if str(held.get(SESSION_KEY)) != str(person.pk):
            continue
        # One of an older password is refused at its next request: it is over already.
        if not constant_time_compare(stamp, person.get_session_auth_hash()):
            continue
        begun = held.get(SIGNED_IN) or {}
        yield OwnSession(
            handle=hashlib.sha256(row.session_key.encode()).hexdigest()[:16],
            key=row.session_key,
            address=begun.get("address") or "unknown",
            browser=begun.get("browser") or "unknown",
            signed_in_at=_read_moment(begun.get("at")),
            seen_at=_read_moment(held.get(SEEN)),
            is_current=row.session_key == current_key,
        )


def _read_moment(text: Any) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if isinstance(text, str) else None
