"""How much work something does, counted: a slow machine fails no test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fail as soon as more functions than this are called inside, those in C included.

    What one call in C takes is not seen: give it so much that a way that costs the
    square of it would not end.
    """
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")
        assert count <= calls, f"more than {calls} calls"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(before)
    assert count <= calls, f"more than {calls} calls"


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
