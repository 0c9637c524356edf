"""A worker's sign of life, for /readyz.

It comes from the worker's own loop: a pool that is busy with long tasks does not delay
it, as it would delay a task, and no queue has to be empty.
"""

import logging
import time
from typing import Any

from celery import bootsteps
from django.core.cache import cache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

WORKER_SEEN_KEY = "worker-seen"
INTERVAL_SECONDS = 5
STALE_SECONDS = 20


class HeartbeatStep(bootsteps.StartStopStep):
    """Write the time to the cache, every few seconds, while the worker takes tasks."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.timer: Any = None

    def start(self, parent: Any) -> None:
        self.timer = parent.timer.call_repeatedly(INTERVAL_SECONDS, write_heartbeat)
        write_heartbeat()

    def stop(self, parent: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def write_heartbeat() -> None:
    """Write the sign of life. A cache that is away must not stop the worker."""
    try:
        cache.set(WORKER_SEEN_KEY, time.time(), STALE_SECONDS)
    except RedisError:
        log.warning("the worker's heartbeat could not be written", exc_info=True)
