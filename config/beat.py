"""Beat's scheduler: Celery's own, for machines whose clock is set.

Celery compares times of day. With the clock set an hour back it would send nothing for
an hour. Here what ran in a future that has not come is due at once; the tasks claim
their work, so that one too many does no harm.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import Any

from celery.beat import PersistentScheduler

from config.heartbeat import INTERVAL_SECONDS, write_beat

log = logging.getLogger(__name__)

LONG_AGO = dt.timedelta(days=1)
"""More than any task's interval: what last ran then is due now."""
JUMP_SECONDS = 5.0
"""More than clocks are slewed by between two ticks, less than the shortest interval."""


class SteadyScheduler(PersistentScheduler):
    """Starts over when the clock was set, and tells that it is alive."""

    # A clock that is set back shows at the next tick, so ticks must not be far apart.
    max_interval = INTERVAL_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        self._offset = _read_offset()
        self._told_at = 0.0
        super().__init__(*args, **options)

    def tick(self, *args: Any, **options: Any) -> float:
        if abs(_read_offset() - self._offset) > JUMP_SECONDS:
            log.warning("the clock was set; what ran in the future is due now")
            self._start_over()
        if time.monotonic() - self._told_at >= INTERVAL_SECONDS:
            self._told_at = time.monotonic()
            write_beat()
        wait: float = super().tick(*args, **options)
        return min(wait, INTERVAL_SECONDS)

    def setup_schedule(self) -> None:
        super().setup_schedule()
        # The file may say that tasks ran at times that have not come yet.
        self._forget_future_runs()

    def _start_over(self) -> None:
        self._offset = _read_offset()
        self._forget_future_runs()
        self._heap = None

    def _forget_future_runs(self) -> None:
        for entry in self.schedule.values():
            now = entry.default_now()
            if entry.last_run_at and entry.last_run_at > now:
                entry.last_run_at = now - LONG_AGO


def _read_offset() -> float:
    return time.time() - time.monotonic()
