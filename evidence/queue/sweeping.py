"""Finding work that was lost: its message went with a broker, its row did not.

Work is lost that says it runs while nobody holds its lock, that was never sent, or that
waits while its queue is shorter than the rows that wait in it. So a long queue is not
sent over again, and an emptied one is filled within a minute. A piece that is sent
twice is done once all the same.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from kombu import Queue

from evidence.models import QueuedWork, WorkState
from evidence.queue.claiming import UNSENT, lock_name
from evidence.queue.names import QueueName
from evidence.queue.running import WorkKind, queue_work, registered_kinds
from evidence.queue.sending import BROKER_ERRORS

log = logging.getLogger(__name__)

RUNNING_IS_LOST_AFTER = dt.timedelta(seconds=15)
"""Time for a worker to take its lock, and for one that ended to lose it."""
QUEUED_IS_LOST_AFTER = dt.timedelta(seconds=20)
PUT_BACK_IS_LOST_AFTER = dt.timedelta(minutes=6)
"""Longer than a task pauses before its next try (retry_backoff_max)."""
SWEEP_SIZE = 500


@dataclass(frozen=True)
class Waiting:
    """A quiet row, and the queue that its message should be in."""

    work: QueuedWork
    queue: QueueName


@transaction.atomic
def requeue_lost_work(*, now: dt.datetime | None = None) -> int:
    """Queue again what was asked for and has been lost; return how much."""
    moment = now or timezone.now()
    lost = [work for kind in registered_kinds() for work in _find_broken(kind, moment)]
    lost += _find_missing(
        [waiter for kind in registered_kinds() for waiter in _find_quiet(kind, moment)]
    )
    for work in lost:
        rows = type(work)._default_manager.filter(pk=work.pk)
        rows.filter(last_problem=UNSENT).update(last_problem="")
        rows.update(touched_at=moment)
        queue_work(work)
    if lost:
        log.warning("queued %d lost pieces of work again", len(lost))
    return len(lost)


def count_waiting(queue: QueueName) -> int | None:
    """Return how many messages wait in a queue; None where the broker does not say."""
    try:
        with current_app.connection_for_read() as broker:
            declared = Queue(queue, channel=broker.default_channel).queue_declare()
    except BROKER_ERRORS:
        return None
    return int(declared.message_count)


def _find_broken(kind: WorkKind[Any, Any], now: dt.datetime) -> Iterator[QueuedWork]:
    """Yield what was never sent, and what says it runs and has no worker."""
    yield from _lock(kind, Q(state=WorkState.QUEUED, last_problem=UNSENT))
    quiet = Q(state=WorkState.RUNNING, touched_at__lt=now - RUNNING_IS_LOST_AFTER)
    for work in _lock(kind, quiet):
        if not _has_worker(kind, work):
            yield work


def _find_quiet(kind: WorkKind[Any, Any], now: dt.datetime) -> Iterator[Waiting]:
    fresh = Q(last_problem="", touched_at__lt=now - QUEUED_IS_LOST_AFTER)
    tried = ~Q(last_problem__in=("", UNSENT)) & Q(
        touched_at__lt=now - PUT_BACK_IS_LOST_AFTER
    )
    for work in _lock(kind, Q(state=WorkState.QUEUED) & (fresh | tried)):
        yield Waiting(work, kind.find_queue(work))


def _find_missing(quiet: list[Waiting]) -> list[QueuedWork]:
    """Return of each queue as many rows, the quietest first, as it has too few."""
    missing: list[QueuedWork] = []
    for queue in QueueName:
        rows = [waiter.work for waiter in quiet if waiter.queue is queue]
        waiting = count_waiting(queue) if rows else None
        if waiting is not None:
            rows.sort(key=lambda work: work.touched_at)
            missing += rows[: max(0, len(rows) - waiting)]
    return missing


def _lock(kind: WorkKind[Any, Any], condition: Q) -> QuerySet[Any]:
    rows = kind.model._default_manager.filter(condition).order_by("touched_at")
    return rows.select_for_update(skip_locked=True)[:SWEEP_SIZE]


def _has_worker(kind: WorkKind[Any, Any], work: QueuedWork) -> bool:
    """Return whether somebody holds the lock that a worker holds while it works."""
    name = lock_name(kind.model, work.pk)
    with connection.cursor() as cursor:
        # Let go with the transaction, and a worker that comes meanwhile tries again.
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name]
        )
        return not cursor.fetchone()[0]
