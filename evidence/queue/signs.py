"""What workers and the scheduler leave in the cache: that they live, what ended how."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from redis.exceptions import RedisError

BEAT_KEY = "beat-seen"


def seen_key(queue: str) -> str:
    return f"worker-seen:{queue}"


def ended_key(task_name: str) -> str:
    return f"task-ended:{task_name}"


def failed_key(task_name: str) -> str:
    return f"task-failed:{task_name}"


@dataclass(frozen=True)
class TaskSigns:
    """When a task last ended well, and when and by what it last failed."""

    name: str
    ended_at: dt.datetime | None = None
    failed_at: dt.datetime | None = None
    fault: str = ""

    @property
    def fails(self) -> bool:
        """Return whether its newest end was a failure."""
        if self.failed_at is None:
            return False
        return self.ended_at is None or self.ended_at < self.failed_at


def read_task_signs(names: Iterable[str]) -> list[TaskSigns]:
    """Return the signs of tasks by name; without the cache nobody knows anything."""
    wanted = sorted(set(names))
    keys = [key(name) for name in wanted for key in (ended_key, failed_key)]
    found = _read(keys)
    signs = []
    for name in wanted:
        failed, fault = found.get(failed_key(name), (None, ""))
        ended = _moment(found.get(ended_key(name)))
        signs.append(TaskSigns(name, ended, _moment(failed), fault))
    return signs


def read_heartbeats(queues: Iterable[str]) -> dict[str, dt.datetime]:
    """Return when a worker of each queue was heard, where one was lately."""
    by_key = {seen_key(queue): queue for queue in queues}
    found = _read(list(by_key))
    return {
        by_key[key]: dt.datetime.fromtimestamp(at, dt.UTC) for key, at in found.items()
    }


def _read(keys: list[str]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = cache.get_many(keys)
    except RedisError:
        return {}
    return found


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)
