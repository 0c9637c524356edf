"""Turns at the store: one that is slow holds some of a process's threads, never all.

At most STORE_WAITERS threads of a process wait for the store at once. Who comes on top
waits a moment for a turn and is then told to come back, so that pages and sign-in
still have threads. Reading a sender's bytes takes no turn: a slow sender is not a slow
store. Nor do probes, which have threads of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from evidence.errors import StorageBusy

PATIENCE_SECONDS = 2.0
BUSY = (
    "The evidence store is slow at this moment, and others wait for it already. "
    "Nothing was stored or read: try again in a few seconds."
)


class Turns:
    """Counts the threads of this process that are at the store."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.patience_seconds = patience_seconds
        self._changed = threading.Condition()
        self._taken = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have a turn while the block runs. Raise StorageBusy where none is free."""
        with self._changed:
            if not self._changed.wait_for(self._is_free, self.patience_seconds):
                raise StorageBusy(BUSY)
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify()

    def _is_free(self) -> bool:
        most: int = settings.STORE_WAITERS
        return not most or self._taken < most


turns = Turns()
