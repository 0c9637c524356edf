"""What holds for every task: when it last ended well is noted, and when not, why.

The page System shows it; a note that cannot be written stops nothing.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery import Task
from django.core.cache import cache
from redis.exceptions import RedisError

from evidence.call_stack import call_with_room
from evidence.queue.signs import ended_key, failed_key

log = logging.getLogger(__name__)

KEPT_SECONDS = 7 * 24 * 3600


class NotedTask(Task):
    """Notes the time of a task's last good end, and the kind of its last fault."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # What Celery calls where a task has no `__call__` of its own.
        return call_with_room(self.run, *args, **kwargs)

    def on_success(
        self, retval: Any, task_id: str, args: Any, kwargs: dict[str, Any]
    ) -> None:
        _note(ended_key(self.name), time.time())

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: Any,
        kwargs: dict[str, Any],
        einfo: Any,
    ) -> None:
        _note(failed_key(self.name), (time.time(), type(exc).__name__))


def _note(key: str, value: object) -> None:
    try:
        cache.set(key, value, KEPT_SECONDS)
    except RedisError:
        log.warning("the end of a task could not be noted", exc_info=True)
