"""Queueing work: a service names the task, and the task starts after the commit.

Services import no task module (style: services <- tasks), so they name it. Nothing
is sent where the transaction rolls back; where the broker is away at the moment of
the commit, the row that asked for the work is still there, marked as not sent, and the
sweep that the scheduler runs sends it.

A broker that hangs costs a request SEND_SECONDS a try and no more; then nobody here
asks it for REST_SECONDS, so that a hundred requests do not wait one after the other.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

import kombu.exceptions
from amqp.exceptions import AMQPError
from celery import current_app
from django.db import transaction
from redis.exceptions import RedisError

from evidence.queue.limits import AMONG_SMALL
from evidence.queue.names import QueueName

log = logging.getLogger(__name__)

SEND_SECONDS = 2.0
"""How long one step of sending may take; settings.py gives the same to sockets."""
REST_SECONDS = 5.0
BROKER_ERRORS = (kombu.exceptions.OperationalError, AMQPError, RedisError, OSError)
# A connection of the pool may have died with a broker that is well again: one more try.
ONCE_MORE = {"max_retries": 1, "interval_start": 0, "interval_step": 0}


class Rest:
    """Tells whether the broker is left alone after a failure; shared by threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def may_try(self) -> bool:
        """Return whether to try. After a rest one caller does, and the others wait."""
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return False
            if self._until:
                self._until = now + REST_SECONDS
            return True

    def begin(self) -> None:
        with self._lock:
            self._until = time.monotonic() + REST_SECONDS

    def end(self) -> None:
        with self._lock:
            self._until = 0.0


broker_rest = Rest()


def queue_on_commit(
    task_name: str,
    *args: object,
    queue: str = "",
    countdown: float | None = None,
    on_unsent: Callable[[], object] | None = None,
) -> None:
    """Send a Celery task by name once the current transaction has committed.

    Arguments must be plain JSON values: ids, not rows. Without a queue it goes to the
    task's own; with `countdown` it starts no earlier than in so many seconds. A broker
    that cannot be reached is logged and not raised, because the change it belongs to is
    committed; `on_unsent` is called then.
    """
    transaction.on_commit(
        partial(
            _send,
            task_name,
            list(args),
            queue=queue,
            countdown=countdown,
            on_unsent=on_unsent,
        )
    )


def _send(
    task_name: str,
    args: list[object],
    *,
    queue: str,
    countdown: float | None,
    on_unsent: Callable[[], object] | None,
) -> None:
    is_sent = send_now(task_name, args, queue=queue, countdown=countdown)
    if not is_sent and on_unsent is not None:
        on_unsent()


def send_now(
    task_name: str,
    args: list[object],
    *,
    queue: str = "",
    countdown: float | None = None,
) -> bool:
    """Send a task; return False where the broker does not take it in a few seconds.

    With `countdown` it is done no earlier than in so many seconds.
    """
    if not broker_rest.may_try():
        log.warning("could not queue %s: the broker did not answer before", task_name)
        return False
    try:
        current_app.send_task(
            task_name,
            args=args,
            queue=queue or None,
            countdown=countdown,
            retry_policy=ONCE_MORE,
            confirm_timeout=SEND_SECONDS,
            **(AMONG_SMALL.as_options() if queue == QueueName.SMALL else {}),
        )
    except BROKER_ERRORS:
        broker_rest.begin()
        log.warning("could not queue %s; the sweep will", task_name, exc_info=True)
        return False
    broker_rest.end()
    return True
