"""Sending what is written down: claimed by one worker at a time, tried again, logged.

A worker takes a row under a row lock that others skip, commits the claim, and sends
outside any transaction. A claim runs out after LEASE: where the worker was killed in
between, another sends the message again with the same idempotency key. The task's hard
time limit is shorter than the lease, so no two workers ever send one row at once.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from contextlib import closing

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from evidence.queue.sending import queue_on_commit
from incidents.models import (
    AttemptOutcome,
    Notification,
    NotificationAttempt,
    NotificationKind,
    NotificationPreference,
    NotificationState,
)
from incidents.notification_texts import (
    compose_body,
    compose_subject,
    is_late,
)
from incidents.services.notifications.channels import (
    MAY_HAVE_ARRIVED,
    MailSession,
    Printed,
    SendFailed,
    SendRefused,
    send,
)
from incidents.services.notifications.outbox import DELIVER
from incidents.services.notifications.reminder_settings import current_settings
from incidents.services.notifications.reminders import held_until

log = logging.getLogger(__name__)

RUN_SECONDS = 30.0
"""After this a run takes no new row and lets another task go on."""
HARD_LIMIT_SECONDS = 90
LEASE = dt.timedelta(seconds=120)
FIRST_PAUSE = dt.timedelta(seconds=30)
LONGEST_PAUSE = dt.timedelta(hours=1)


def deliver_notifications(*, now: dt.datetime | None = None) -> int:
    """Send what is waiting; return how many messages went out.

    `now` stands still for tests; without it every claim takes its own moment.
    """
    started = time.monotonic()
    late_after = current_settings().plan.late_after
    sent = 0
    with closing(MailSession()) as mail:
        while time.monotonic() - started < RUN_SECONDS:
            row = claim_next(now=now, late_after=late_after)
            if row is None:
                return sent
            sent += _send_claimed(row, mail, now=now)
    queue_on_commit(DELIVER)
    return sent


def claim_next(
    *, now: dt.datetime | None = None, late_after: dt.timedelta | None = None
) -> Notification | None:
    """Claim the message that waits longest; return it composed, or None if none does.

    What there is no reason to send any more is closed on the way. `late_after` is the
    plan's, for who has read it.
    """
    moment = now or timezone.now()
    if late_after is None:
        late_after = current_settings().plan.late_after
    while True:
        with transaction.atomic():
            row = _lock_next(moment)
            if row is None:
                return None
            if _claim(row, moment, late_after):
                return row


def _lock_next(now: dt.datetime) -> Notification | None:
    return (
        Notification.objects.claimable(now)
        .select_for_update(of=("self",), skip_locked=True)
        .select_related(
            "recipient__notification_preference",
            "webhook",
            "incident",
            "phase__cycle",
        )
        .order_by("next_try_at", "id")
        .first()
    )


def _claim(row: Notification, now: dt.datetime, late_after: dt.timedelta) -> bool:
    """Claim a locked row; return False where it is finished instead."""
    was_sending = row.state == NotificationState.SENDING
    if was_sending:
        _record_attempt(row, AttemptOutcome.LOST, "no worker came back", now)
    # Of what may have arrived already nobody can say that it was not needed any more:
    # it goes out once more, under the same key, and then the log is right.
    may_have_arrived = was_sending or MAY_HAVE_ARRIVED in row.problem
    reason = _why_nobody_is_told(row)
    if not (reason or may_have_arrived):
        reason = _why_overtaken(row, now)
    elif reason and may_have_arrived:
        _finish(row, NotificationState.FAILED, f"{reason}. {MAY_HAVE_ARRIVED}", now)
        return False
    if reason:
        _finish(row, NotificationState.OVERTAKEN, reason, now)
        return False
    if not row.attempts_left:
        _finish(row, NotificationState.FAILED, "its workers ended in sending it", now)
        return False
    row.attempts += 1
    row.attempts_left -= 1
    try:
        with transaction.atomic():
            _write_claim(row, now, late_after)
    except (OperationalError, InterfaceError):
        # The database and not the message: the whole run has to wait.
        raise
    except Exception as error:
        # The boundary that can act: a message whose text cannot be made must not hold
        # up all that wait behind it.
        log.exception("notification %s cannot be composed", row.pk)
        _give_up(row, error, now)
        return False
    return True


def _write_claim(row: Notification, now: dt.datetime, late_after: dt.timedelta) -> None:
    row.state = NotificationState.SENDING
    row.next_try_at = now + LEASE
    row.was_late = is_late(row, now=now, late_after=late_after)
    row.subject = compose_subject(row, now=now)[:300]
    row.body = compose_body(row, now=now, preference=_preference_of(row))
    row.save(
        update_fields=[
            "state",
            "attempts",
            "attempts_left",
            "next_try_at",
            "was_late",
            "subject",
            "body",
        ]
    )


def _give_up(row: Notification, error: Exception, now: dt.datetime) -> None:
    """Record a row without a text as a try that failed for good."""
    reason = f"the message could not be composed: {type(error).__name__}"
    row.save(update_fields=["attempts", "attempts_left"])
    _record_attempt(row, AttemptOutcome.REFUSED, reason, now)
    _finish(row, NotificationState.FAILED, reason, now)


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


def _send_claimed(
    row: Notification, mail: MailSession, *, now: dt.datetime | None
) -> bool:
    """Send a claimed row and record how it went; return True if it went out."""
    try:
        send(row, mail)
    except Printed as told:
        _settle(row, AttemptOutcome.PRINTED, str(told), now=now)
        return False
    except SendRefused as error:
        _settle(row, AttemptOutcome.REFUSED, str(error), now=now)
        return False
    except SendFailed as error:
        _settle(row, AttemptOutcome.FAILED, str(error), now=now)
        return False
    except Exception as error:
        # What no channel foresaw, in a library's code mostly: a try like any other,
        # not the end of the run.
        log.exception("notification %s could not be sent", row.pk)
        reason = f"Sending ended with {type(error).__name__}. {MAY_HAVE_ARRIVED}"
        _settle(row, AttemptOutcome.FAILED, reason, now=now)
        return False
    _settle(row, AttemptOutcome.SENT, "", now=now)
    return True


@transaction.atomic
def _settle(
    claimed: Notification,
    outcome: AttemptOutcome,
    detail: str,
    *,
    now: dt.datetime | None,
) -> None:
    """Record an attempt, and what it means for the row if the claim still holds."""
    moment = now or timezone.now()
    row = Notification.objects.select_for_update(of=("self",)).get(pk=claimed.pk)
    _record_attempt(claimed, outcome, detail, moment)
    if row.state != NotificationState.SENDING or row.attempts != claimed.attempts:
        log.warning("notification %s was taken over before it was settled", row.pk)
        return
    if outcome is AttemptOutcome.SENT:
        _finish(row, NotificationState.SENT, "", moment)
    elif outcome is AttemptOutcome.PRINTED:
        _finish(row, NotificationState.PRINTED, detail, moment)
    elif outcome is AttemptOutcome.REFUSED or not row.attempts_left:
        log.error("notification %s failed for good: %s", row.pk, detail)
        _finish(row, NotificationState.FAILED, detail, moment)
    else:
        row.state = NotificationState.PENDING
        row.problem = detail
        row.next_try_at = moment + pause_after(row.attempts)
        row.save(update_fields=["state", "problem", "next_try_at"])


def pause_after(attempts: int) -> dt.timedelta:
    """Return how long to wait after so many tries: 30 s, doubling, at most an hour."""
    return min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)


def _finish(
    row: Notification, state: NotificationState, problem: str, now: dt.datetime
) -> None:
    row.state, row.problem, row.finished_at = state, problem, now
    row.save(update_fields=["state", "problem", "finished_at"])


def _record_attempt(
    row: Notification, outcome: AttemptOutcome, detail: str, now: dt.datetime
) -> None:
    NotificationAttempt.objects.create(
        notification=row,
        number=row.attempts,
        outcome=outcome,
        detail=detail[:300],
        ended_at=now,
    )
