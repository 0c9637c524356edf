"""Claiming messages: some at a time, under locks that others pass by.

The keys come first, from the partial index of what waits, and the rows by their keys:
so a claim costs the same however many wait, and whatever the planner's statistics say
of a burst that came since. What there is no reason to send any more is closed on the
way.

A worker holds the lock of each message that it has claimed until it is settled
(evidence/queue/holding.py). A claim is taken over once LEASE is over and nobody holds
it: a clock that is set ends none, and neither does a database that was restarted, and
so lost the locks of workers that send. Where a worker was killed, another sends again.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from evidence.queue.holding import Holding, lock_name
from incidents.models import (
    AttemptOutcome,
    Notification,
    NotificationAttempt,
    NotificationKind,
    NotificationPreference,
    NotificationState,
)
from incidents.notification_texts import compose_body, compose_subject, is_late
from incidents.services.notifications.channels import MAY_HAVE_ARRIVED
from incidents.services.notifications.claim_times import LEASE, standing_still
from incidents.services.notifications.hearing import may_be_heard
from incidents.services.notifications.reminder_settings import current_settings
from incidents.services.notifications.reminders import held_until

log = logging.getLogger(__name__)

SUBJECT_LENGTH = 300
End = tuple[NotificationState, str] | None
WRITE_CLAIMS = """
    UPDATE incidents_notification AS row
       SET state = 'sending', next_try_at = %(until)s, attempts = row.attempts + 1,
           attempts_left = row.attempts_left - 1, was_late = claimed.was_late,
           subject = claimed.subject, body = claimed.body
      FROM unnest(%(keys)s::bigint[], %(late)s::boolean[], %(subjects)s::text[],
                  %(bodies)s::text[]) AS claimed (id, was_late, subject, body)
     WHERE row.id = claimed.id
"""
"""One statement for all: an UPDATE with its cases takes longer to write than to do."""


def claim_batch(
    most: int,
    holding: Holding,
    *,
    now: dt.datetime | None = None,
    late_after: dt.timedelta | None = None,
) -> list[Notification] | None:
    """Claim up to `most` messages, those that wait longest; return them composed.

    None where nothing waits; none of them where all that was looked at ended here.
    `holding` holds them from now on. `late_after` is the plan's, for who has read it.
    """
    moment = now or timezone.now()
    if late_after is None:
        late_after = current_settings().plan.late_after
    with transaction.atomic():
        rows = _take_waiting(moment, most, holding)
        claimed = _claim_all(rows, moment, late_after) if rows else None
    let_go(set(rows) - set(claimed or ()), holding)
    return claimed


def let_go(rows: Collection[Notification], holding: Holding) -> None:
    """Let go of messages whose outcome is committed, or that were given back."""
    holding.let_go([_lock_of(row.pk) for row in rows])


def give_back(rows: Sequence[Notification], *, now: dt.datetime | None = None) -> int:
    """Let others take what was claimed and not begun; return how many rows.

    The try does not count: nothing was under way.
    """
    moment = now or timezone.now()
    returned = 0
    for row in rows:
        # Filtered on the claim: a row that another run took over is its own.
        returned += Notification.objects.filter(
            pk=row.pk, state=NotificationState.SENDING, attempts=row.attempts
        ).update(
            state=NotificationState.PENDING,
            attempts=row.attempts - 1,
            attempts_left=row.attempts_left + 1,
            next_try_at=moment,
        )
    return returned


def finish(
    keys: Collection[int], state: NotificationState, problem: str, now: dt.datetime
) -> None:
    """End locked rows, all for the same reason."""
    Notification.objects.filter(pk__in=keys).update(
        state=state, problem=problem, finished_at=now
    )


def may_have_arrived(rows: Sequence[Notification]) -> set[int]:
    """Return the keys of the rows of which some try may have been received."""
    tried = [row.pk for row in rows if row.attempts]
    if not tried:
        return set()
    unknown = Q(outcome=AttemptOutcome.LOST) | Q(detail__contains=MAY_HAVE_ARRIVED)
    tries = NotificationAttempt.objects.filter(unknown, notification__in=tried)
    return set(tries.values_list("notification", flat=True)) | {
        row.pk for row in rows if MAY_HAVE_ARRIVED in row.problem
    }


def _take_waiting(now: dt.datetime, most: int, holding: Holding) -> list[Notification]:
    """Lock what nobody has in hand, looking past what somebody has."""
    passed: set[int] = set()
    while rows := _lock_waiting(now, most, passed):
        taken = holding.take([_lock_of(row.pk) for row in rows])
        free = [
            row for row in rows if _lock_of(row.pk) in taken or standing_still.has(row)
        ]
        if free:
            return free
        passed |= {row.pk for row in rows}
    return []


def _lock_of(pk: int) -> str:
    return lock_name(Notification, pk)


def _lock_waiting(
    now: dt.datetime, most: int, passed: Collection[int]
) -> list[Notification]:
    waiting = Notification.objects.claimable(now)
    if passed:
        waiting = waiting.exclude(pk__in=passed)
    keys = (
        waiting.select_for_update(skip_locked=True)
        .order_by("next_try_at", "id")
        .values_list("pk", flat=True)
    )
    with _in_order_of_an_index():
        chosen = list(keys[:most])
    rows = Notification.objects.filter(pk__in=chosen).select_related(
        "recipient__notification_preference", "webhook", "incident", "phase__cycle"
    )
    return sorted(rows, key=lambda row: chosen.index(row.pk))


@contextmanager
def _in_order_of_an_index() -> Iterator[None]:
    """Keep the planner from sorting: then only the index of what waits will do.

    After a burst it believes in a handful of waiting rows, and may fetch and sort all.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off")
        yield
        cursor.execute("SET LOCAL enable_sort TO DEFAULT")


NOT_THEIRS: End = (
    NotificationState.OVERTAKEN,
    "the case is restricted, and not theirs to hear of",
)


def _claim_all(
    rows: Sequence[Notification], now: dt.datetime, late_after: dt.timedelta
) -> list[Notification]:
    """Claim locked rows and return those to send; finish the others."""
    _record_lost([row for row in rows if row.state == NotificationState.SENDING], now)
    arrived = may_have_arrived(rows)
    ends = {row.pk: _find_end(row, now, row.pk in arrived) for row in rows}
    heard = {row.pk for row in may_be_heard(rows)}
    ends |= {row.pk: NOT_THEIRS for row in rows if row.pk not in heard}
    _finish_all({key: end for key, end in ends.items() if end}, now)
    composed = [
        row for row in rows if not ends[row.pk] and _compose(row, now, late_after)
    ]
    _write(composed, now)
    return composed


def _record_lost(rows: Sequence[Notification], now: dt.datetime) -> None:
    NotificationAttempt.objects.bulk_create(
        NotificationAttempt(
            notification=row,
            number=row.attempts,
            outcome=AttemptOutcome.LOST,
            detail="no worker came back",
            ended_at=now,
        )
        for row in rows
    )


def _find_end(row: Notification, now: dt.datetime, has_maybe_arrived: bool) -> End:
    """Return how a row ends that is not to be sent, and why; None for one that is.

    Of what may have arrived already nobody can say that it was not needed any more:
    it goes out once more, under the same key, and then the log is right.
    """
    nobody = _why_nobody_is_told(row)
    if nobody and has_maybe_arrived:
        return NotificationState.FAILED, f"{nobody}. {MAY_HAVE_ARRIVED}"
    why = nobody or ("" if has_maybe_arrived else _why_overtaken(row, now))
    if why:
        return NotificationState.OVERTAKEN, why
    if not row.attempts_left:
        return NotificationState.FAILED, "its workers ended in sending it"
    return None


def _finish_all(ends: dict[int, End], now: dt.datetime) -> None:
    for state, why in {end for end in ends.values() if end}:
        keys = [key for key, end in ends.items() if end == (state, why)]
        finish(keys, state, why, now)


def _compose(row: Notification, now: dt.datetime, late_after: dt.timedelta) -> bool:
    """Write the text into a row; give up one of which none can be made."""
    try:
        row.was_late = is_late(row, now=now, late_after=late_after)
        row.subject = compose_subject(row, now=now)[:SUBJECT_LENGTH]
        row.body = compose_body(row, now=now, preference=_preference_of(row))
    except (OperationalError, InterfaceError):
        # The database and not the message: the whole run has to wait.
        raise
    except Exception as error:
        _give_up(row, error, now)
        return False
    return True


def _write(rows: list[Notification], now: dt.datetime) -> None:
    """Write the claims; one that cannot be written is given up, and leaves the list."""
    try:
        _write_claims(rows, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        for row in list(rows):
            try:
                _write_claims([row], now)
            except (OperationalError, InterfaceError):
                raise
            except Exception as error:
                rows.remove(row)
                _give_up(row, error, now)


def _write_claims(rows: Sequence[Notification], now: dt.datetime) -> None:
    if not rows:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            WRITE_CLAIMS,
            {
                "until": now + LEASE,
                "keys": [row.pk for row in rows],
                "late": [row.was_late for row in rows],
                "subjects": [row.subject for row in rows],
                "bodies": [row.body for row in rows],
            },
        )
    for row in rows:
        row.state, row.next_try_at = NotificationState.SENDING, now + LEASE
        row.attempts += 1
        row.attempts_left -= 1


def _give_up(row: Notification, error: Exception, now: dt.datetime) -> None:
    """Record a row without a text as a try that failed for good.

    The boundary that can act: a message whose text cannot be made must not hold up all
    that wait behind it.
    """
    log.error("notification %s cannot be composed", row.pk, exc_info=error)
    reason = f"the message could not be composed: {type(error).__name__}"
    row.subject = row.body = ""
    row.attempts += 1
    row.attempts_left -= 1
    row.save(update_fields=["attempts", "attempts_left"])
    NotificationAttempt.objects.create(
        notification=row,
        number=row.attempts,
        outcome=AttemptOutcome.REFUSED,
        detail=reason,
        ended_at=now,
    )
    finish([row.pk], NotificationState.FAILED, reason, now)


def _why_nobody_is_told(row: Notification) -> str:
    """Return why a message has nobody to go to any more, or ""."""
    if row.recipient is not None and not row.recipient.is_active:
        return "the person is no longer active"
    if row.webhook is not None and not row.webhook.is_active:
        return "the channel is switched off"
    return ""


def _why_overtaken(row: Notification, now: dt.datetime) -> str:
    """Return why there is nothing left to tell, or ""."""
    phase = row.phase
    if phase is None:
        return ""
    if phase.cycle.ended_at is not None:
        return "the case was closed"
    # A breach has happened, whatever came after: it is told in any case.
    if row.kind == NotificationKind.BREACH:
        return ""
    if phase.completed_at is not None:
        return "the phase was completed"
    if phase.due_at != row.phase_due_at:
        return "another due time was set"
    if row.kind == NotificationKind.WARNING and phase.due_at and phase.due_at <= now:
        return "the phase is overdue, which has a message of its own"
    if row.kind == NotificationKind.REPEAT and held_until(phase, now):
        return "somebody acknowledged it"
    return ""


def _preference_of(row: Notification) -> NotificationPreference | None:
    if row.recipient is None:
        return None
    return getattr(row.recipient, "notification_preference", None)
