"""How long a piece of work may take, and how much memory: hostile files ask for more.

The time is Celery's soft limit, which raises in the work; where that is stuck outside
Python, the hard limit ends its process, and after three of those the sweep gives up.
The memory is the kernel's limit on what the process may ask for, set around the work:
reaching it raises MemoryError, and no other process is killed for it. A library in C
may end its process instead: what reads large documents does so by children.py.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from celery import current_task
from django.conf import settings

from evidence.queue.names import QueueName

MIB = 1024 * 1024


@dataclass(frozen=True)
class TimeLimit:
    """Seconds after which work is told to end, and after which it is ended."""

    soft_seconds: int
    hard_seconds: int

    def as_options(self) -> dict[str, int]:
        """Return the options of a Celery task or message."""
        return {"soft_time_limit": self.soft_seconds, "time_limit": self.hard_seconds}


def limit_of(soft_seconds: int) -> TimeLimit:
    """Return a limit with half a minute between being told and being ended."""
    return TimeLimit(soft_seconds, soft_seconds + 30)


# Too short a limit gives up good work; too long a one holds a queue for that long. What
# hostile material of each kind takes is measured by tests/bench/bench_hostile.py; the
# figures are in docs/benchmarks.md, and beside each limit the worst of them in seconds
# of the processor and megabytes. A busy machine takes several times as long.
# 30 MB of one-byte calls: given up at the limit of memory after 69 s.
VERIFYING = limit_of(600)
# 10 MB whose hidden values begin alike: 7 s, 444 MB.
EXPORTING = limit_of(900)
# Not measured by itself: reads once what verifying reads twice.
READING = limit_of(300)
# Above what a scan takes of its own accord, so that it ends with a report.
SCANNING = limit_of(540)
# A signed postmortem's files: the PDF below, and two writes of text.
ARCHIVING = limit_of(300)
# To another network and back; the largest archives are some gigabytes.
COPYING = limit_of(1700)
# Every section a table of as many rows as fit: 9 s, 314 MB.
LAYING_OUT = limit_of(120)
# All documents of a case at once, held to the limit of memory too.
GATHERING = limit_of(300)
BY_THE_CLOCK = limit_of(60)
AMONG_SMALL = limit_of(45)
"""In the queue of small files. What takes longer goes on among the large ones."""


def current_queue() -> str:
    """Return the queue that the running task came from; empty outside a worker."""
    if not current_task:
        return ""
    info = current_task.request.delivery_info or {}
    return str(info.get("routing_key") or "")


def is_among_small() -> bool:
    return current_queue() == QueueName.SMALL


@contextmanager
def memory_limit() -> Iterator[None]:
    """Let this process ask for TASK_MEMORY_MB more than it has, in this block."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = _data_bytes() + settings.TASK_MEMORY_MB * MIB
    if before[1] != resource.RLIM_INFINITY:
        most = min(most, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int:
    """Return how much data this process has by the kernel's count; 0 where unknown."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    counts = (line.split()[1] for line in lines if line.startswith("VmData:"))
    return int(next(counts, "0")) * 1024


def why_too_long() -> str:
    """Return why work that reached its time limit is given up, with the limit."""
    if not current_task:
        return "it took longer than a worker has for one task"
    limit = current_task.request.timelimit
    seconds = limit[1] if limit and limit[1] else current_task.soft_time_limit
    return f"it took longer than {seconds} s, the most that this may take"


def why_too_large() -> str:
    return (
        f"it needed more than {settings.TASK_MEMORY_MB} MiB of memory, the most that "
        "this may need"
    )
