"""A worker's sign of life, for /readyz, one for each queue that it takes from.

It comes from the worker's own loop: a pool that is busy with long tasks does not delay
it, as it would delay a task, and no queue has to be empty.
"""

import logging
import time
from collections.abc import Iterable
from typing import Any

from celery import bootsteps
from django.core.cache import cache
from redis.exceptions import RedisError

from evidence.queue.signs import BEAT_KEY, seen_key

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5
STALE_SECONDS = 20


class HeartbeatStep(bootsteps.StartStopStep):
    """Write the time to the cache, every few seconds, while the worker takes tasks."""

    requires = ("celery.worker.components:Timer",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self.timer: Any = None

    def start(self, parent: Any) -> None:
        queues = tuple(parent.app.amqp.queues.consume_from)
        self.timer = parent.timer.call_repeatedly(
            INTERVAL_SECONDS, write_heartbeat, (queues,)
        )
        write_heartbeat(queues)

    def stop(self, parent: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def write_heartbeat(queues: Iterable[str]) -> None:
    """Write the sign of life. A cache that is away must not stop the worker."""
    _write({seen_key(queue): time.time() for queue in queues})


def write_beat() -> None:
    """Write that the scheduler is alive."""
    _write({BEAT_KEY: time.time()})


def _write(signs: dict[str, float]) -> None:
    try:
        cache.set_many(signs, STALE_SECONDS)
    except RedisError:
        log.warning("a sign of life could not be written", exc_info=True)
