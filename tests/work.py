"""How much work something does, counted: a slow machine fails no test."""

from __future__ import annotations

import cProfile
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

LOOKS_SECONDS = 1.0


class MuchWork(BaseException):
    """More functions were called than a test allows: nothing else catches this."""


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fail as soon as more functions than this are called inside, those in C included.

    What one call in C takes is not seen: give it so much that a way that costs the
    square of it would not end.
    """
    # A profiler in C counts: one in Python took longer than all that it counted. It
    # calls nobody at a limit, so a timer looks now and then.
    profiler = cProfile.Profile()

    def look(number: int, frame: object) -> None:
        if (count := _count(profiler)) > calls:
            raise MuchWork(f"{count} calls, more than {calls}")

    before = signal.signal(signal.SIGVTALRM, look)
    signal.setitimer(signal.ITIMER_VIRTUAL, LOOKS_SECONDS, LOOKS_SECONDS)
    profiler.enable()
    try:
        yield
    finally:
        profiler.disable()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    count = _count(profiler)
    assert count <= calls, f"{count} calls, more than {calls}"


def count_work(work: Callable[[], Any]) -> int:
    """Return how many functions some work calls, those in C included."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    return _count(profiler)


def _count(profiler: cProfile.Profile) -> int:
    return sum(entry.callcount for entry in profiler.getstats())


@contextmanager
def count_calls(*functions: Callable[..., Any]) -> Iterator[dict[str, int]]:
    """Count how often each of these functions is called inside, by its name."""
    counts = {function.__name__: 0 for function in functions}
    codes = {function.__code__: function.__name__ for function in functions}

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code in codes:
            counts[codes[frame.f_code]] += 1

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield counts
    finally:
        sys.setprofile(before)
