"""One message for all that ask for the same work within a moment.

Where a hundred alerts a second ask for one thing to be looked at, one look does.
"""

from __future__ import annotations

import math
import threading
import time

from evidence.queue.sending import send_now

HELD_SECONDS = 0.4
"""How often a process sends the same message, however many ask for it."""
ACTED_AFTER_SECONDS = 0.5
"""When it is acted on: after the last change that it stands for."""
REMEMBERED = 1_000


class Bell:
    """Sends a task's message, unless one is on its way that is early enough.

    It is acted on a little later than others are held back, so that nothing comes in
    behind the look that it was to be seen by.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rung_at: dict[tuple[object, ...], float] = {}

    def ring(self, task_name: str, args: list[object]) -> None:
        """Have the task done for what is committed by now."""
        key, now = (task_name, *args), time.monotonic()
        with self._lock:
            if now - self._rung_at.get(key, -math.inf) < HELD_SECONDS:
                return
            if len(self._rung_at) >= REMEMBERED:
                self._rung_at = {
                    rung: at
                    for rung, at in self._rung_at.items()
                    if now - at < HELD_SECONDS
                }
            self._rung_at[key] = now
        send_now(task_name, args, countdown=ACTED_AFTER_SECONDS)


bell = Bell()
