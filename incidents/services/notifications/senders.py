"""Threads that send: several messages at once, each by a connection of its own.

They never touch the database: what is to be sent comes in composed, with all that it
needs, and what became of it goes back to the one who asked. A server that hangs holds
one of them, and the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from incidents.models import AttemptOutcome, Notification
from incidents.services.notifications.channels import (
    MAY_HAVE_ARRIVED,
    MailSession,
    Printed,
    SendFailed,
    SendRefused,
    send,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """A message that a sender is done with, and what became of it."""

    row: Notification
    outcome: AttemptOutcome
    detail: str


class Senders:
    """A number of senders; the first that is free takes the next message."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="sender")
        # Taken from the end, so that few messages go by few connections.
        self._free = [MailSession() for _ in range(count)]
        self._under_way: dict[Future[Sent], MailSession] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for those that send, for SENDING_SECONDS at most, and close.

        What becomes of them nobody hears any more: their claims run out.
        """
        self._pool.shutdown(wait=True, cancel_futures=True)
        for mail in self._free:
            mail.close()

    @property
    def has_free(self) -> bool:
        return bool(self._free)

    @property
    def is_busy(self) -> bool:
        return bool(self._under_way)

    def start(self, row: Notification) -> None:
        """Have a free sender send a row that is claimed and composed."""
        mail = self._free.pop()
        self._under_way[self._pool.submit(send_row, row, mail)] = mail

    def wait_for_some(self, seconds: float) -> Sequence[Sent]:
        """Return what has ended, once some has or the time is up."""
        done, _ = wait(self._under_way, seconds, FIRST_COMPLETED)
        for future in done:
            self._free.append(self._under_way.pop(future))
        return [future.result() for future in done]


def send_row(row: Notification, mail: MailSession) -> Sent:
    """Send a claimed row and return what became of it; never raise for a failure."""
    try:
        send(row, mail)
    except Printed as told:
        return Sent(row, AttemptOutcome.PRINTED, str(told))
    except SendRefused as error:
        return Sent(row, AttemptOutcome.REFUSED, str(error))
    except SendFailed as error:
        return Sent(row, AttemptOutcome.FAILED, str(error))
    except Exception as error:
        # What no channel foresaw, in a library's code mostly: a try like any other,
        # not the end of the run.
        log.exception("notification %s could not be sent", row.pk)
        reason = f"Sending ended with {type(error).__name__}. {MAY_HAVE_ARRIVED}"
        return Sent(row, AttemptOutcome.FAILED, reason)
    return Sent(row, AttemptOutcome.SENT, "")
