"""Claiming queued work, so that each piece is done once however often it is delivered.

While a worker works it holds the lock of the piece (holding.py beside this file): a
worker that is killed lets go by dying, and a second delivery meanwhile finds the lock
taken and returns.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from evidence.errors import CasefileError, StorageUnavailable
from evidence.models import UNFINISHED_STATES, QueuedWork, WorkState
from evidence.text import storable

Work = TypeVar("Work", bound=QueuedWork)
Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

TRANSIENT_ERRORS = (StorageUnavailable, OperationalError, InterfaceError)
"""What another try may cure; everything else is an answer."""

MAX_ATTEMPTS = 3
"""Tries that came to nothing after which a piece is given up: it kills workers, or
fails in the same way each time."""

STORE_MAY_BE_AWAY = dt.timedelta(hours=24)
"""How long work waits for the evidence store: a night's outage costs no report."""
DATABASE_MAY_FAIL = dt.timedelta(hours=1)
"""The same for database errors: one that lets itself be noted is likely the work's."""

UNSENT = "The queue could not be reached; it is sent again within a minute."
"""The mark of a piece that waits in no queue, in the words that its page shows."""

MOVED = "It takes long, and waits among the large files now."
PROGRESS_SECONDS = 1.0


def start_work(model: type[Work], pk: int) -> Work | None:
    """Claim a piece, count the try and return it; None where it is finished already.

    One UPDATE filtered on the old state: nobody waits for a lock on the row, and what
    was finished meanwhile is left alone.
    """
    now = timezone.now()
    claimed = model._default_manager.filter(pk=pk, state__in=UNFINISHED_STATES).update(
        state=WorkState.RUNNING,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", Value(now)),
        touched_at=now,
        progress_percent=0,
    )
    work = model._default_manager.get(pk=pk)
    return work if claimed else None


def lock_unfinished(work: Work) -> Work | None:
    """Lock a piece inside the caller's transaction; None where it is finished."""
    # Read anew under the lock: another worker may have finished it meanwhile.
    locked = type(work)._default_manager.select_for_update().get(pk=work.pk)
    return locked if locked.is_pending else None


def end_work(
    work: QueuedWork, state: WorkState, *, now: dt.datetime, failure: str = ""
) -> None:
    """End a locked piece with its answer, or with why there is none. Saves it whole."""
    work.state = state
    work.progress_percent = 100
    work.failure = storable(failure)
    work.last_problem = ""
    work.touched_at = work.finished_at = now
    work.save()


def put_back(
    work: QueuedWork, problem: Exception, *, now: dt.datetime | None = None
) -> bool:
    """Let work wait for another try; return False where it has waited long enough.

    What is away is not the work's fault, so the try does not count. Counted from the
    first start: an error that passes for transient and never passes must end too. What
    returns False is left running, for the caller to finish with `why_given_up`.
    """
    moment = now or timezone.now()
    if moment - (work.started_at or moment) >= _patience(problem):
        log.error("%s %s was tried for too long", work._meta.label, work.pk)
        return False
    type(work)._default_manager.filter(pk=work.pk, finished_at__isnull=True).update(
        state=WorkState.QUEUED,
        attempts=max(0, work.attempts - 1),
        last_problem=describe_problem(problem),
        touched_at=moment,
    )
    return True


def why_given_up(problem: Exception) -> str:
    """Return why work that put_back did not take ends without an answer."""
    hours = _patience(problem) // dt.timedelta(hours=1)
    return f"trying again was of no use for {hours} h: {describe_problem(problem)}"


def why_no_more_tries(work: QueuedWork) -> str:
    """Return why work whose tries ended without a word is not tried again."""
    if work.last_problem:
        return (
            f"{MAX_ATTEMPTS} tries came to nothing, the last with: {work.last_problem}"
        )
    return (
        f"{MAX_ATTEMPTS} workers ended while they were at it: it takes more time or "
        "memory than one may, or breaks what reads it"
    )


def note_failure(work: QueuedWork, problem: Exception) -> None:
    """Queue work again after a failure of its own: the try counts."""
    type(work)._default_manager.filter(pk=work.pk, finished_at__isnull=True).update(
        state=WorkState.QUEUED,
        last_problem=describe_problem(problem),
        touched_at=timezone.now(),
    )


def note_unsent(work: QueuedWork) -> None:
    """Mark a piece whose task the broker did not take: the sweep sends it first."""
    type(work)._default_manager.filter(pk=work.pk, state=WorkState.QUEUED).update(
        last_problem=UNSENT
    )


def note_moved(work: QueuedWork) -> None:
    """Let work wait in another queue; the try does not count."""
    type(work)._default_manager.filter(pk=work.pk, finished_at__isnull=True).update(
        state=WorkState.QUEUED,
        attempts=max(0, work.attempts - 1),
        last_problem=MOVED,
        touched_at=timezone.now(),
    )


def describe_problem(problem: Exception) -> str:
    """Return what may be shown of an error.

    Only our own errors are written to be read; others, a database's above all, may
    quote what they were at.
    """
    if isinstance(problem, CasefileError):
        return problem.message
    if isinstance(problem, SoftTimeLimitExceeded):
        return "it took longer than a worker has for one task"
    return f"{type(problem).__name__}; the worker's log says more"


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
