"""How long a claim lasts, how long to wait after a try, and clocks that were set."""

from __future__ import annotations

import datetime as dt
import logging
import time

from django.db import connection
from django.utils import timezone

from evidence.set_clocks import TOLERANCE
from incidents.models import Notification, NotificationState

log = logging.getLogger(__name__)

LEASE = dt.timedelta(seconds=120)
"""Longer than the task may take, so that a lock which is held for longer is held by a
process that stands still."""
FIRST_PAUSE = dt.timedelta(seconds=30)
LONGEST_PAUSE = dt.timedelta(hours=1)
PUT_RIGHT = """
    UPDATE incidents_notification
       SET next_try_at = %(now)s
     WHERE state IN ('pending', 'sending')
       AND next_try_at > %(now)s + interval '1 second' * %(tolerance)s
       AND next_try_at > CASE state
             WHEN 'sending' THEN
               %(now)s + interval '1 second' * (%(lease)s + %(tolerance)s)
             ELSE greatest(send_at, %(now)s + interval '1 second' * (%(tolerance)s
               + least(%(longest)s, %(first)s * power(2, least(attempts, 20) - 1))))
           END
"""
"""What is put off beyond the longest pause after so many tries, and its own moment."""


def put_right(*, now: dt.datetime | None = None) -> int:
    """Have tried again what a clock that ran ahead has put off; return how many.

    Of a claim only its time: who holds it still does.
    """
    moment = now or timezone.now()
    seconds = {
        "lease": LEASE.total_seconds(),
        "first": FIRST_PAUSE.total_seconds(),
        "longest": LONGEST_PAUSE.total_seconds(),
        "tolerance": TOLERANCE.total_seconds(),
    }
    with connection.cursor() as cursor:
        cursor.execute(PUT_RIGHT, {"now": moment, **seconds})
        changed = cursor.rowcount
    if changed:
        log.warning("%d messages were put off by a clock that ran ahead", changed)
    return changed


def pause_after(attempts: int) -> dt.timedelta:
    """Return how long to wait after so many tries: 30 s, doubling, at most an hour."""
    return min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)


class StandingStill:
    """Claims that somebody holds for longer than anybody may, as this process saw.

    By time that passes, and not by a clock that is set. A worker whose processes were
    frozen keeps its connections, and with them its locks: what it had in hand goes out
    after LEASE all the same.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], float] = {}

    def has(self, row: Notification, *, at: float | None = None) -> bool:
        """Return whether this claim was seen held for LEASE; note it where not.

        The count of tries tells one claim from the next.
        """
        if row.state != NotificationState.SENDING:
            return False
        moment = time.monotonic() if at is None else at
        ago = moment - self._seen.setdefault((row.pk, row.attempts), moment)
        lease = LEASE.total_seconds()
        self._seen = {
            claim: since
            for claim, since in self._seen.items()
            if moment - since < 10 * lease
        }
        if ago >= lease:
            log.warning("notification %s is held by what stands still", row.pk)
        return ago >= lease


standing_still = StandingStill()
