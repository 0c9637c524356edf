"""Finding work that was lost: its message went with a broker, its row did not.

Work is lost that says it runs while nobody holds its lock, that was never sent, or that
waits while its queue is shorter than the rows that wait in it. So a long queue is not
sent over again, and an emptied one is filled within a minute. A piece that is sent
twice is done once all the same.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from celery import current_app
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from kombu import Queue

from evidence.database.states import find_in_states
from evidence.models import UNFINISHED_STATES, QueuedWork, WorkState
from evidence.queue.claiming import UNSENT
from evidence.queue.holding import is_held, lock_name
from evidence.queue.names import LARGE_FROM_BYTES, UNPACKED_FACTOR, QueueName
from evidence.queue.running import WorkKind, queue_work, registered_kinds
from evidence.queue.sending import BROKER_ERRORS, ONCE_MORE, SEND_SECONDS
from evidence.set_clocks import TOLERANCE

log = logging.getLogger(__name__)

RUNNING_IS_LOST_AFTER = dt.timedelta(seconds=15)
"""Time for a worker to take its lock, and for one that ended to lose it."""
QUEUED_IS_LOST_AFTER = dt.timedelta(seconds=20)
PUT_BACK_IS_LOST_AFTER = dt.timedelta(minutes=6)
"""Longer than a task pauses before its next try (retry_backoff_max)."""
Kinds = Sequence[WorkKind[Any, Any]]
SWEEP_SIZE = 500
"""Of each queue, in one run; the next comes in seconds."""


@dataclass(frozen=True)
class Waiting:
    """A quiet row, and the queue that its message should be in."""

    work: QueuedWork
    queue: QueueName


@transaction.atomic
def requeue_lost_work(*, now: dt.datetime | None = None) -> int:
    """Queue again what was asked for and has been lost; return how much."""
    moment = now or timezone.now()
    kinds = find_unfinished_kinds()
    lost = [work for kind in kinds for work in _find_broken(kind, moment)]
    lost += _find_missing(kinds, moment)
    for work in lost:
        rows = type(work)._default_manager.filter(pk=work.pk)
        rows.filter(last_problem=UNSENT).update(last_problem="")
        # Before it is sent: the next sweep comes in seconds and must not send it too.
        rows.update(touched_at=moment)
        queue_work(work)
    if lost:
        log.warning("queued %d lost pieces of work again", len(lost))
    return len(lost)


def find_unfinished_kinds() -> Kinds:
    """Return the kinds of which some piece waits or runs: mostly there are none."""
    kinds = registered_kinds()
    found = find_in_states({kind.model: UNFINISHED_STATES for kind in kinds})
    return [kind for kind in kinds if kind.model in found]


def find_oldest_waiting() -> dict[QueueName, dt.datetime]:
    """Return when the oldest piece was asked for that waits in each queue."""
    oldest: dict[QueueName, dt.datetime] = {}
    for kind in find_unfinished_kinds():
        rows = kind.model._default_manager.filter(state=WorkState.QUEUED)
        rows = rows.select_related(*kind.follows).order_by("requested_at")
        for part in _by_load(kind, rows):
            if (work := part.first()) is not None:
                queue, asked_at = kind.find_queue(work), work.requested_at
                oldest[queue] = min(oldest.get(queue, asked_at), asked_at)
    return oldest


def _by_load(kind: WorkKind[Any, Any], rows: QuerySet[Any]) -> list[QuerySet[Any]]:
    """Return the rows of each queue that a kind's work waits in, apart.

    What `queue_of_item` says, as a condition: of all that waits one row is read.
    """
    if not kind.follows:
        return [rows]
    [item] = kind.follows
    packed_from = -(-LARGE_FROM_BYTES // UNPACKED_FACTOR)
    is_large = Q(**{f"{item}__size_bytes__gte": LARGE_FROM_BYTES})
    is_large |= Q(**{f"{item}__size_bytes__gte": packed_from}) & ~Q(
        **{f"{item}__wrapping": ""}
    )
    return [rows.filter(is_large), rows.exclude(is_large)]


def count_waiting(queues: Iterable[QueueName]) -> dict[QueueName, int]:
    """Return how many messages wait in each queue; none where the broker does not say.

    Over one connection: a broker that hangs costs one wait, and not one for each queue.
    """
    try:
        with current_app.connection_for_read() as broker:
            broker.ensure_connection(timeout=SEND_SECONDS, **ONCE_MORE)
            channel = broker.default_channel
            return {queue: _ask_for_length(queue, channel) for queue in queues}
    except BROKER_ERRORS:
        return {}


def _ask_for_length(queue: QueueName, channel: Any) -> int:
    return int(Queue(queue, channel=channel).queue_declare().message_count)


def _find_broken(kind: WorkKind[Any, Any], now: dt.datetime) -> Iterator[QueuedWork]:
    """Yield what was never sent, and what says it runs and has no worker."""
    yield from _lock(kind, Q(state=WorkState.QUEUED, last_problem=UNSENT))
    quiet = _untouched(RUNNING_IS_LOST_AFTER, now)
    for work in _lock(kind, Q(state=WorkState.RUNNING) & quiet):
        if not is_held(lock_name(kind.model, work.pk)):
            yield work


def _is_quiet(now: dt.datetime) -> Q:
    """Return the condition of what waits, by its row, and may be in no queue."""
    fresh = Q(last_problem="") & _untouched(QUEUED_IS_LOST_AFTER, now)
    tried = ~Q(last_problem__in=("", UNSENT)) & _untouched(PUT_BACK_IS_LOST_AFTER, now)
    return Q(state=WorkState.QUEUED) & (fresh | tried)


def _untouched(length: dt.timedelta, now: dt.datetime) -> Q:
    """Return `has_passed`, since a row was touched, as a condition."""
    return Q(touched_at__lt=now - length) | Q(touched_at__gt=now + TOLERANCE)


def _by_queue(kind: WorkKind[Any, Any], condition: Q) -> Iterator[Waiting]:
    """Yield all that waits, with its queue: what is behind a long one is seen too."""
    rows = kind.model._default_manager.filter(condition).select_related(*kind.follows)
    for work in rows.order_by("touched_at").iterator(SWEEP_SIZE):
        yield Waiting(work, kind.find_queue(work))


def _find_missing(kinds: Kinds, now: dt.datetime) -> list[QueuedWork]:
    """Return of each queue as many rows, the quietest first, as it has too few."""
    is_quiet = _is_quiet(now)
    quiet: dict[QueueName, list[tuple[dt.datetime, type[QueuedWork], int]]] = {}
    for kind in kinds:
        for waiter in _by_queue(kind, is_quiet):
            place = (waiter.work.touched_at, kind.model, waiter.work.pk)
            quiet.setdefault(waiter.queue, []).append(place)
    missing: list[QueuedWork] = []
    lengths = count_waiting(quiet) if quiet else {}
    for queue, waiting in lengths.items():
        places = sorted(quiet[queue], key=lambda place: place[0])
        if waiting < len(places):
            few = places[: min(len(places) - waiting, SWEEP_SIZE)]
            missing += _lock_chosen(few, is_quiet)
    return missing


def _lock_chosen(
    places: Sequence[tuple[dt.datetime, type[QueuedWork], int]], condition: Q
) -> Iterator[QueuedWork]:
    """Lock what still waits of these, as far as nobody else has it."""
    for kind in registered_kinds():
        keys = [pk for _, model, pk in places if model is kind.model]
        if keys:
            yield from _lock(kind, condition & Q(pk__in=keys))


def _lock(kind: WorkKind[Any, Any], condition: Q) -> QuerySet[Any]:
    rows = kind.model._default_manager.filter(condition).order_by("touched_at")
    return rows.select_for_update(skip_locked=True)[:SWEEP_SIZE]
