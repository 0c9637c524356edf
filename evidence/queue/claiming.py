"""Claiming queued work, so that each piece is done once however often it is delivered.

While a worker works it holds a PostgreSQL session lock for the piece. The lock goes
with its connection: a worker that is killed lets go by dying, and a second delivery
meanwhile finds the lock taken and returns. (A pooler between the workers and the
database must therefore pool by session.)
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from evidence.errors import StorageUnavailable
from evidence.models import ExportRequest, QueuedWork, VerificationRequest, WorkState
from evidence.queue.sending import queue_on_commit

Work = TypeVar("Work", bound=QueuedWork)

log = logging.getLogger(__name__)

TRANSIENT_ERRORS = (StorageUnavailable, OperationalError, InterfaceError)
"""What another try may cure; everything else is an answer."""

MAX_ATTEMPTS = 3
"""Starts without an end after which a piece of work is given up: it kills workers."""

STORE_MAY_BE_AWAY = dt.timedelta(hours=24)
"""How long work waits for the evidence store: a night's outage costs no report."""
DATABASE_MAY_FAIL = dt.timedelta(hours=1)
"""The same for database errors: one that lets itself be noted is likely the work's."""

RUNNING_IS_LOST_AFTER = dt.timedelta(minutes=2)
QUEUED_IS_LOST_AFTER = dt.timedelta(minutes=10)
SWEEP_SIZE = 500
PROGRESS_SECONDS = 1.0

TASKS: dict[type[QueuedWork], str] = {
    VerificationRequest: "evidence.verify_item",
    ExportRequest: "evidence.export_bundle",
}
"""The task that does each kind of work. An app above adds its own kinds here."""


@contextmanager
def session_lock(name: str) -> Iterator[bool]:
    """Hold a lock for as long as the block runs; yield False where another has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name])
        held = bool(cursor.fetchone()[0])
    try:
        yield held
    finally:
        if held and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [name]
                )


def lock_name(work: type[QueuedWork], pk: int) -> str:
    return f"{work._meta.label_lower}:{pk}"


@transaction.atomic
def start_work(model: type[Work], pk: int) -> Work | None:
    """Count a start and return the row; None where the work is finished already."""
    work = model._default_manager.select_for_update().get(pk=pk)
    if not work.is_pending:
        return None
    now = timezone.now()
    work.state = WorkState.RUNNING
    work.attempts += 1
    work.started_at = work.started_at or now
    work.touched_at = now
    work.progress_percent = 0
    work.save(
        update_fields=[
            "state",
            "attempts",
            "started_at",
            "touched_at",
            "progress_percent",
        ]
    )
    return work


def put_back(
    work: QueuedWork, problem: Exception, *, now: dt.datetime | None = None
) -> bool:
    """Let work wait for another try; return False where it has waited long enough.

    The start came back, so it does not count. Counted from the first start: an error
    that passes for transient and never passes must end too. What returns False is left
    running, for the caller to finish with `why_given_up`.
    """
    moment = now or timezone.now()
    if moment - (work.started_at or moment) >= _patience(problem):
        log.error("%s %s was tried for too long", work._meta.label, work.pk)
        return False
    type(work)._default_manager.filter(pk=work.pk, finished_at__isnull=True).update(
        state=WorkState.QUEUED,
        attempts=max(0, work.attempts - 1),
        last_problem=str(problem),
        touched_at=moment,
    )
    return True


def why_given_up(problem: Exception) -> str:
    """Say why work that put_back did not take ends without an answer."""
    hours = _patience(problem) // dt.timedelta(hours=1)
    # A database's own words may quote what was being written.
    said = problem.message if isinstance(problem, StorageUnavailable) else ""
    return f"trying again was of no use for {hours} h: {said or type(problem).__name__}"


def _patience(problem: Exception) -> dt.timedelta:
    if isinstance(problem, StorageUnavailable):
        return STORE_MAY_BE_AWAY
    return DATABASE_MAY_FAIL


def progress_recorder(
    work: QueuedWork, *, first: int, last: int
) -> Callable[[float], None]:
    """Return a function that notes a fraction done as a percentage, once a second.

    Percentages run from `first` to `last`. Each note is a statement of its own,
    outside any transaction, so that it shows at once.
    """
    noted = 0.0

    def note(fraction: float) -> None:
        nonlocal noted
        if time.monotonic() - noted < PROGRESS_SECONDS:
            return
        noted = time.monotonic()
        type(work)._default_manager.filter(pk=work.pk, finished_at__isnull=True).update(
            progress_percent=int(first + (last - first) * min(1.0, max(0.0, fraction))),
            touched_at=timezone.now(),
        )

    return note


@transaction.atomic
def requeue_lost_work(*, now: dt.datetime | None = None) -> int:
    """Queue again what was asked for and has gone quiet; return how much.

    A message is lost with its worker or its broker; the row is not. Work that is only
    slow is queued a second time too, which the lock makes harmless.
    """
    moment = now or timezone.now()
    count = 0
    for model, task in TASKS.items():
        for state, after in (
            (WorkState.RUNNING, RUNNING_IS_LOST_AFTER),
            (WorkState.QUEUED, QUEUED_IS_LOST_AFTER),
        ):
            quiet = model._default_manager.filter(
                state=state, touched_at__lt=moment - after
            ).order_by("touched_at")
            rows = quiet.select_for_update(skip_locked=True)[:SWEEP_SIZE]
            pks = [row.pk for row in rows]
            model._default_manager.filter(pk__in=pks).update(touched_at=moment)
            for pk in pks:
                queue_on_commit(task, pk)
            count += len(pks)
    if count:
        log.warning("queued %d lost pieces of work again", count)
    return count
