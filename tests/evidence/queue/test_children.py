"""Work in a child: whatever ends it, the worker goes on and says the one right thing.

Real limits and real signals, in processes of their own: none of them ends this one.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from evidence.errors import EvidenceConflict
from evidence.format import DocumentRefused, verify_document
from evidence.models import Outcome, WorkState
from evidence.queue.children import (
    MIB,
    ChildBroke,
    ChildKilled,
    Rows,
    Tell,
    may_reach_limit,
    run_apart,
    run_in_child,
)
from evidence.services import request_verification, run_verification
from tests.bench import hostile_material as material
from tests.factories import make_evidence, make_incident

LIMIT_MB = 64
# One object of very many members: orjson ends its process where memory runs out.
HOSTILE_BYTES = 3_000_000
# So many that each of its tables is larger than any that malloc makes of freed memory.
ALWAYS_HOSTILE_BYTES = 12_000_000


def unheard(fraction: float) -> None:
    pass


def end_by(ended_by: signal.Signals, tell: Tell) -> None:
    os.kill(os.getpid(), ended_by)


def fill_and_break(tell: Tell) -> None:
    # In blocks that malloc takes from freed memory where it can.
    held = [bytes(100_000) for _ in range(LIMIT_MB // 2 * 10)]
    os.kill(os.getpid(), signal.SIGSEGV)
    del held


def judge(data: bytes, tell: Tell) -> bool:
    return verify_document(data).valid


def test_child_hands_back_its_answer_and_tells_how_far_it_is() -> None:
    heard: list[float] = []

    def work(tell: Tell) -> int:
        tell(0.25)
        tell(0.5)
        return os.getpid()

    assert run_in_child(work, hear=heard.append) != os.getpid()
    assert heard == [0.25, 0.5]


@pytest.mark.parametrize(
    "error",
    [DocumentRefused("code", "why", "$.a"), EvidenceConflict("why", code="code")],
)
def test_what_the_work_raises_is_raised_here(error: Exception) -> None:
    def refuse(tell: Tell) -> None:
        raise error

    with pytest.raises((type(error), RuntimeError), match="why"):
        run_in_child(refuse, hear=unheard)


def test_too_much_memory_is_told_as_that_however_the_child_ends(
    settings: Settings,
) -> None:
    settings.TASK_MEMORY_MB = LIMIT_MB
    with pytest.raises(MemoryError):
        run_in_child(lambda tell: bytearray(2 * LIMIT_MB * MIB), hear=unheard)
    freed = [bytearray(b"x" * 100_000) for _ in range(4 * LIMIT_MB * 10)]
    kept = freed[::100]
    del freed
    with pytest.raises(MemoryError):
        run_in_child(fill_and_break, hear=unheard)
    del kept


# A process of its own: what this one has freed would be memory beyond the limit.
READER = """
import django, os, sys
django.setup()
from functools import partial
from django.conf import settings
from evidence.queue.children import run_apart
from evidence.queue.limits import memory_limit
from tests.evidence.queue.test_children import HOSTILE_BYTES, LIMIT_MB, judge, unheard
from tests.bench import hostile_material as material
settings.TASK_MEMORY_MB = LIMIT_MB
data = material.names(HOSTILE_BYTES)
try:
    run_apart(partial(judge, data), reads=[data])
except MemoryError:
    print("told as too much memory", flush=True)
with memory_limit():
    judge(data, unheard)
print("read")
"""


def test_hostile_document_ends_a_process_and_is_told_as_too_much_memory() -> None:
    """Without the child that is proved first, the process that reads it is gone."""
    reader = subprocess.run([sys.executable, "-c", READER], capture_output=True)
    assert reader.stdout == b"told as too much memory\n", reader.stderr
    assert reader.returncode == -signal.SIGSEGV


def test_broken_parser_and_killed_child_are_told_apart() -> None:
    with pytest.raises(ChildBroke, match="SIGSEGV"):
        run_in_child(partial(end_by, signal.SIGSEGV), hear=unheard)
    with pytest.raises(ChildKilled):
        run_in_child(partial(end_by, signal.SIGKILL), hear=unheard)


@pytest.mark.live
def test_verification_is_given_up_at_the_first_try(
    db: None, settings: Settings
) -> None:
    hostile = material.names(ALWAYS_HOSTILE_BYTES)
    item = make_evidence(make_incident(), content=hostile, name="bundle.json")
    request = request_verification(item_id=item.pk, actor=None)
    settings.TASK_MEMORY_MB = LIMIT_MB
    report = run_verification(request_id=request.pk)
    request.refresh_from_db()
    assert (request.state, request.attempts) == (WorkState.GAVE_UP, 1)
    assert f"it needed more than {LIMIT_MB} MiB of memory" in request.failure
    assert report is not None
    assert report.outcome == Outcome.UNFINISHED


def test_small_document_costs_no_process(settings: Settings) -> None:
    assert run_apart(lambda tell: os.getpid(), reads=[b"{}"]) == os.getpid()
    settings.TASK_MEMORY_MB = 3072
    assert not may_reach_limit(5 * MIB)
    assert may_reach_limit(6 * MIB)


def test_time_limit_kills_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Celery's soft limit raises here is raised at once, and nobody is left."""
    children: list[int] = []
    fork = os.fork

    def noting() -> int:
        child = fork()
        children.append(child)
        return child

    def strike(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(os, "fork", noting)
    before = signal.signal(signal.SIGALRM, strike)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(TimeoutError):
            run_in_child(lambda tell: time.sleep(60), hear=unheard)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)


WORKER = """
import os, time
from evidence.queue.children import run_in_child
def work(tell):
    os.write(1, b"%d\\n" % os.getpid())
    time.sleep(60)
run_in_child(work, hear=print)
"""


def test_child_dies_with_a_worker_that_is_killed() -> None:
    worker = subprocess.Popen([sys.executable, "-c", WORKER], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    with worker.stdout:
        child = int(worker.stdout.readline())
        worker.kill()
        worker.wait()
        # The child had the pipe too: its end is the pipe's.
        assert worker.stdout.read() == b""
    # Its files are closed a moment before it is gone.
    until = time.monotonic() + 10
    while is_running(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_running(child)


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Calls:
    """An answer that would have its reader call something."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.getcwd, ()


def test_answer_that_would_call_something_is_not_read() -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"No answer holds posix\.getcwd"):
        run_in_child(lambda tell: [Calls()], hear=unheard)


def test_rows_come_back_in_order_from_a_child() -> None:
    with Rows() as rows:
        count = run_in_child(
            lambda tell: rows.write((n, "é", None, 0.5) for n in range(2_500)),
            hear=unheard,
        )
        assert count == 2_500
        assert list(rows) == [[n, "é", None, 0.5] for n in range(2_500)]
