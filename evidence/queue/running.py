"""Running queued work: one way for every kind to be tried, put back and given up.

How a try ends: with an answer; waiting, where the store or the database is away; put
back, where it failed in any other way; given up, where that happened three times, or
where it took more time or memory than it may.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.utils import timezone

from evidence.errors import as_refusal
from evidence.models import QueuedWork, WorkState
from evidence.queue.children import ChildBroke
from evidence.queue.claiming import (
    MAX_ATTEMPTS,
    TRANSIENT_ERRORS,
    Answer,
    Work,
    describe_problem,
    end_work,
    lock_unfinished,
    note_failure,
    note_moved,
    note_unsent,
    put_back,
    start_work,
    why_given_up,
    why_no_more_tries,
)
from evidence.queue.holding import lock_name, session_lock
from evidence.queue.limits import (
    is_among_small,
    memory_limit,
    why_too_large,
    why_too_long,
)
from evidence.queue.names import QueueName
from evidence.queue.sending import queue_on_commit
from evidence.queue.signs import read_heartbeats

log = logging.getLogger(__name__)


class WorkPutBack(Exception):
    """A try came to nothing and the work waits for another: the task is to repeat."""


@dataclass(frozen=True)
class WorkKind(Generic[Work, Answer]):
    """A kind of queued work: its task, and what is done with a piece of it.

    `run` does the work outside any transaction and ends it with its answer, a refusal
    included; whatever it raises is a try that came to nothing. `give_up` ends it with
    the reason. `find_answer` returns what a finished piece came to. `find_queue` says
    which queue a piece waits in, and `follows` which rows it looks at for that.
    """

    model: type[Work]
    task: str
    run: Callable[[Work], Answer]
    give_up: Callable[[Work, str], Answer]
    find_answer: Callable[[Work], Answer | None]
    find_queue: Callable[[Work], QueueName]
    follows: tuple[str, ...] = ()


_kinds: dict[type[QueuedWork], WorkKind[Any, Any]] = {}


def register_kind(kind: WorkKind[Work, Answer]) -> WorkKind[Work, Answer]:
    """Make a kind known to the sweep, and return it."""
    _kinds[kind.model] = kind
    return kind


def registered_kinds() -> Sequence[WorkKind[Any, Any]]:
    return tuple(_kinds.values())


def queue_work(work: QueuedWork) -> None:
    """Send a piece's task once the transaction has committed.

    Where the broker does not take it, the row says so, and the sweep sends it.
    """
    kind = _kinds[type(work)]
    queue_on_commit(
        kind.task,
        work.pk,
        queue=kind.find_queue(work),
        on_unsent=partial(note_unsent, work),
    )


def why_waiting(work: QueuedWork) -> str:
    """Return why a piece waits, in a sentence for its page; empty where it does not."""
    if work.last_problem:
        return work.last_problem
    if work.state != WorkState.QUEUED:
        return ""
    queue = _kinds[type(work)].find_queue(work)
    if queue not in read_heartbeats([queue]):
        return "No worker takes from its queue just now; it is done once one is back."
    before = type(work)._default_manager.filter(
        state=WorkState.QUEUED, requested_at__lt=work.requested_at
    )
    count = before.count()
    return f"{count} of its kind wait before it." if count else "It is next."


def run_work(kind: WorkKind[Work, Answer], pk: int) -> Answer | None:
    """Do a piece of work and return its answer.

    None where another worker does it, or where it was given up without one. Must run
    outside a transaction. Running it twice, at once or after a crash, leaves one
    answer. Raise WorkPutBack where it waits for another try.
    """
    with session_lock(lock_name(kind.model, pk)) as mine:
        if not mine:
            return None
        work = start_work(kind.model, pk)
        if work is None:
            return kind.find_answer(kind.model._default_manager.get(pk=pk))
        # Counted at the start, so that a worker that was killed has left its try.
        if work.attempts > MAX_ATTEMPTS:
            return _give_up(kind, work, why_no_more_tries(work))
        return _try(kind, work)


def _try(kind: WorkKind[Work, Answer], work: Work) -> Answer | None:
    try:
        with memory_limit():
            return kind.run(work)
    except SoftTimeLimitExceeded:
        # Too long for the small queue is not yet too long.
        if is_among_small():
            _move_to_large(kind, work)
            return None
        return _give_up(kind, work, why_too_long())
    except MemoryError:
        return _give_up(kind, work, why_too_large())
    except ChildBroke as error:
        return _give_up(kind, work, str(error))
    except TRANSIENT_ERRORS as error:
        return _put_back(kind, work, error)
    except Exception as error:
        refusal = as_refusal(error)
        if isinstance(refusal, TRANSIENT_ERRORS):
            return _put_back(kind, work, refusal)
        # The boundary that can act: whatever the work makes of its material, it ends
        # after some tries with a reason, and not as a retry loop.
        log.exception("%s %s failed, try %d", kind.task, work.pk, work.attempts)
        if work.attempts >= MAX_ATTEMPTS:
            last = describe_problem(error)
            why = f"it failed {MAX_ATTEMPTS} times, the last time with: {last}"
            return _give_up(kind, work, why)
        note_failure(work, error)
        raise WorkPutBack(describe_problem(error)) from error


def _put_back(
    kind: WorkKind[Work, Answer], work: Work, problem: Exception
) -> Answer | None:
    """Let work wait for what is away; where it has waited long enough, give it up."""
    if put_back(work, problem):
        raise WorkPutBack(describe_problem(problem)) from problem
    return _give_up(kind, work, why_given_up(problem))


def _move_to_large(kind: WorkKind[Work, Answer], work: Work) -> None:
    """Let what takes long begin anew among the large, and the small go on."""
    note_moved(work)
    queue_on_commit(
        kind.task, work.pk, queue=QueueName.LARGE, on_unsent=partial(note_unsent, work)
    )


def _give_up(kind: WorkKind[Work, Answer], work: Work, why: str) -> Answer | None:
    """End a piece with the reason; where even that fails, end its row alone."""
    try:
        return kind.give_up(work, why)
    except TRANSIENT_ERRORS as error:
        raise WorkPutBack(describe_problem(error)) from error
    except Exception:
        # Whatever it broke on must not leave the row running for ever.
        log.exception("%s %s could not be given up as usual", kind.task, work.pk)
    with transaction.atomic():
        locked = lock_unfinished(work)
        if locked is not None:
            end_work(locked, WorkState.GAVE_UP, now=timezone.now(), failure=why)
    return None
