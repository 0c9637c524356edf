"""How much work something does, counted: a slow machine fails no test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


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
