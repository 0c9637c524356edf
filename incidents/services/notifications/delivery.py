"""Sending what is written down: claimed by one worker at a time, tried again, logged.

A worker claims some rows, commits, and sends them outside any transaction, several at
once. It holds the lock of each until what became of it is written, so no two workers
ever send one row at the same time. What was claimed and not begun is given back as soon
as nothing moves, and at the end of a run.

Where the database goes away in mid-delivery, a run waits for it with what it has sent:
what is not recorded would be sent again.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from evidence.queue.holding import Holding
from evidence.queue.sending import queue_on_commit
from incidents.models import (
    AttemptOutcome,
    Notification,
    NotificationAttempt,
    NotificationState,
)
from incidents.services.notifications.channels import MAY_HAVE_ARRIVED
from incidents.services.notifications.claim_times import pause_after, put_right
from incidents.services.notifications.claims import (
    claim_batch,
    finish,
    give_back,
    let_go,
    may_have_arrived,
)
from incidents.services.notifications.outbox import DELIVER
from incidents.services.notifications.reminder_settings import current_settings
from incidents.services.notifications.senders import Senders, Sent

log = logging.getLogger(__name__)

RUN_SECONDS = 30.0
"""After this a run takes no new row and lets another task go on."""
SOFT_LIMIT_SECONDS = 75
HARD_LIMIT_SECONDS = 90
STALLED_SECONDS = 2.0
"""Where nobody was free for this long, others may have what is not begun."""
PATIENCE_SECONDS = 60.0
"""After this a run waits no longer for a database to record what it has sent."""
PAUSE_SECONDS = 0.5
AWAY = (OperationalError, InterfaceError)
ROWS_A_SENDER = 2
"""A claim takes more than is sent at once, so that it is made half as often."""


def deliver_notifications(*, now: dt.datetime | None = None) -> int:
    """Send what is waiting; return how many messages went out.

    `now` stands still for tests; without it every claim takes its own moment.
    """
    put_right(now=now)
    # The locks go last: while a sender may still be at it, nobody takes it over.
    with Holding() as holding, Senders(settings.NOTIFICATION_SENDERS) as senders:
        run = _Run(senders, holding, now)
        if run.go_on():
            return run.sent
    queue_on_commit(DELIVER)
    return run.sent


class _Run:
    """One run: what it has claimed and not begun, and what it has sent so far."""

    def __init__(
        self, senders: Senders, holding: Holding, now: dt.datetime | None
    ) -> None:
        self.sent = 0
        self._senders = senders
        self._holding = holding
        self._now = now
        self._late_after = current_settings().plan.late_after
        self._claimed: deque[Notification] = deque()
        self._ends_at = time.monotonic() + RUN_SECONDS
        self._patient_until = time.monotonic() + PATIENCE_SECONDS

    def go_on(self) -> bool:
        """Send until nothing waits; return False where the time was up before."""
        try:
            while self._start_some() or self._senders.is_busy:
                self._settle_some()
        finally:
            # Also where sending broke: nobody else may take a claimed row for minutes.
            self._give_back()
        return time.monotonic() < self._ends_at

    def _start_some(self) -> bool:
        """Give every free sender a message; return whether there was any."""
        if time.monotonic() >= self._ends_at:
            return False
        waits = bool(self._claimed) or (self._senders.has_free and self._claim())
        while self._claimed and self._senders.has_free:
            self._senders.start(self._claimed.popleft())
        return waits

    def _claim(self) -> bool:
        """Claim some; return whether any waited, if only to be closed."""
        most = ROWS_A_SENDER * settings.NOTIFICATION_SENDERS
        try:
            rows = claim_batch(
                most, self._holding, now=self._now, late_after=self._late_after
            )
        except AWAY:
            # What is under way is recorded first, once the database is back.
            if not self._senders.is_busy:
                raise
            return False
        self._claimed += rows or ()
        return rows is not None

    def _settle_some(self) -> None:
        ended = self._senders.wait_for_some(STALLED_SECONDS)
        if ended:
            self._settle(ended)
            return
        with suppress(*AWAY):
            self._holding.hold_on()
            self._give_back()

    def _settle(self, ended: Sequence[Sent]) -> None:
        """Record what became of messages, if need be once the database is back."""
        unrecorded, was_away = ended, False
        while True:
            try:
                if was_away:
                    self._holding.hold_on()
                    unrecorded = _without_recorded(ended)
                self.sent += settle(unrecorded, now=self._now)
                break
            except AWAY:
                if time.monotonic() > self._patient_until:
                    raise
                was_away = True
                log.warning("the database is away; %d sent messages wait", len(ended))
                time.sleep(PAUSE_SECONDS)
        # A session that is gone has let go.
        with suppress(*AWAY):
            let_go([one.row for one in ended], self._holding)

    def _give_back(self) -> None:
        if self._claimed:
            give_back(self._claimed, now=self._now)
            let_go(self._claimed, self._holding)
            self._claimed.clear()


@transaction.atomic
def settle(ended: Sequence[Sent], *, now: dt.datetime | None = None) -> int:
    """Record what became of messages; return how many went out.

    What an attempt means for its row counts only while the claim still holds.
    """
    moment = now or timezone.now()
    rows = Notification.objects.select_for_update(of=("self",)).in_bulk(
        [one.row.pk for one in ended]
    )
    # Every try is written, held or not: a message that went out twice shows as two.
    NotificationAttempt.objects.bulk_create(
        NotificationAttempt(
            notification=one.row,
            number=one.row.attempts,
            outcome=one.outcome,
            detail=one.detail[:300],
            ended_at=moment,
        )
        for one in ended
    )
    held = [one for one in ended if _holds(rows[one.row.pk], one)]
    went_out = [one.row.pk for one in held if one.outcome is AttemptOutcome.SENT]
    if went_out:
        finish(went_out, NotificationState.SENT, "", moment)
    for one in held:
        if one.outcome is not AttemptOutcome.SENT:
            _end_try(rows[one.row.pk], one, moment)
    return sum(one.outcome is AttemptOutcome.SENT for one in ended)


def _without_recorded(ended: Sequence[Sent]) -> list[Sent]:
    """Leave out what was recorded, though the answer that it was got lost."""
    tries = NotificationAttempt.objects.filter(
        notification__in=[one.row.pk for one in ended]
    )
    known = set(tries.values_list("notification", "number", "outcome"))
    return [
        one
        for one in ended
        if (one.row.pk, one.row.attempts, one.outcome.value) not in known
    ]


def _holds(row: Notification, ended: Sent) -> bool:
    # The count tells one claim from the next: who took it over has raised it.
    if row.state == NotificationState.SENDING and row.attempts == ended.row.attempts:
        return True
    log.warning("notification %s was taken over before it was settled", row.pk)
    return False


def _end_try(row: Notification, ended: Sent, now: dt.datetime) -> None:
    """Write what a try that did not go out means: the end, or another try."""
    if ended.outcome is AttemptOutcome.PRINTED:
        finish([row.pk], NotificationState.PRINTED, ended.detail, now)
    # What refuses will refuse again; only what was away is tried once more.
    elif ended.outcome is AttemptOutcome.REFUSED or not row.attempts_left:
        log.error("notification %s failed for good: %s", row.pk, ended.detail)
        why = _why_failed(row, ended.detail)
        finish([row.pk], NotificationState.FAILED, why, now)
    else:
        row.state = NotificationState.PENDING
        row.problem = ended.detail
        row.next_try_at = now + pause_after(row.attempts)
        row.save(update_fields=["state", "problem", "next_try_at"])


def _why_failed(row: Notification, detail: str) -> str:
    """Return the last word on a message, which some earlier try may have delivered."""
    if MAY_HAVE_ARRIVED in detail or not may_have_arrived([row]):
        return detail
    return f"{detail.rstrip('.')}. {MAY_HAVE_ARRIVED}"
