"""Sign-ins, sign-outs and failures: in the history, and told to the account's owner."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from axes.models import AccessAttempt, AccessFailureLog
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.accounts.telling import AccountNotice, tell_owner
from evidence.audit.history import record_entry
from evidence.models import AuditEntry

LIFT = "axes.delete_accessattempt"
NOBODY = "a name that nobody has"
AGENT_LENGTH = 200


@dataclass(frozen=True)
class Origin:
    """Where a request came from: the address, None over a socket, and the browser."""

    address: str | None
    agent: str

    @property
    def words(self) -> str:
        return self.address or "this server"

    def as_state(self) -> dict[str, str | None]:
        return {"address": self.address, "browser": self.agent[:AGENT_LENGTH]}


@transaction.atomic
def record_sign_in(
    *,
    person: User,
    origin: Origin,
    is_new_device: bool,
    way: str = "password",
    now: dt.datetime | None = None,
) -> None:
    """Record that somebody signed in; from a device that is new, tell them."""
    moment = now or timezone.now()
    after = origin.as_state() | {"new_device": is_new_device, "by": way}
    entry = record_entry(
        action="person.signed_in", actor=person, obj=person, after=after, now=moment
    )[0]
    if is_new_device:
        tell_owner(
            AccountNotice(
                person,
                f"account:{person.pk}:device:{entry.pk}",
                f"Your account signed in on a new device, from {origin.words}",
                moment,
            )
        )


@transaction.atomic
def record_sign_out(
    *, person: User, origin: Origin, now: dt.datetime | None = None
) -> None:
    """Record that somebody signed out themselves."""
    record_entry(
        action="person.signed_out",
        actor=person,
        obj=person,
        after=origin.as_state(),
        now=now,
    )


@transaction.atomic
def lift_lock(*, attempt_id: int, actor: Actor) -> None:
    """Let a name try again from an address where it failed, and from anywhere.

    The limit of an address stays, and ends by itself. Gone already: do nothing.
    """
    require_permission(actor, LIFT)
    attempt = AccessAttempt.objects.select_for_update().filter(pk=attempt_id).first()
    if attempt is None:
        return
    person = User.objects.filter(username=attempt.username or "").first()
    record_entry(
        action="person.lock_lifted",
        actor=actor,
        obj=person or attempt,
        before={
            "address": attempt.ip_address,
            "failures": attempt.failures_since_start,
        },
    )
    attempt.delete()


def find_lifted_at(person: User) -> dt.datetime | None:
    """Return when the failures of somebody's name were last forgiven."""
    entries = AuditEntry.objects.filter(
        object_type="auth.user",
        object_id=str(person.pk),
        action__in=("person.lock_lifted", "person.break_glass"),
    )
    last = entries.order_by("-pk").first()
    return last.recorded_at if last else None


@transaction.atomic
def record_failure(
    *,
    failure: AccessFailureLog,
    person: User | None,
    is_locked: bool,
    reason: str = "",
) -> None:
    """Record a sign-in that failed, and the lock that it leads to.

    `person` is whose name was given; None where nobody has it.

    A name that nobody has is not written down here: people type passwords there, and
    history is for ever. The list of failures, to which the entry points, has it for
    administrators. An account's owner is told once an hour, and of each lock.
    """
    action = "person.locked_out" if is_locked else "person.sign_in_failed"
    entry = record_entry(
        action=action,
        actor=None,
        obj=person or _without_name(failure),
        reason=reason,
        after={"address": failure.ip_address},
        now=failure.attempt_time,
    )[0]
    if person is not None:
        _tell_of_failure(person, failure, entry.pk if is_locked else None)


def _without_name(failure: AccessFailureLog) -> AccessFailureLog:
    return AccessFailureLog(
        pk=failure.pk,
        username=NOBODY,
        ip_address=failure.ip_address,
        attempt_time=failure.attempt_time,
    )


def _tell_of_failure(person: User, failure: AccessFailureLog, lock: int | None) -> None:
    where, at = failure.ip_address or "this server", failure.attempt_time
    if lock is not None:
        key = f"account:{person.pk}:locked:{lock}"
        headline = f"Signing in as you is locked for now from {where}: it failed often"
    else:
        key = f"account:{person.pk}:failed:{at:%Y-%m-%dT%H}"
        headline = f"Somebody failed to sign in as you, from {where}"
    tell_owner(AccountNotice(person, key, headline, at))
