"""What is found does not depend on how deep the caller of a scan stands.

That it costs the same is measured by tests/bench/bench_stack.py.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from policy.scanner.stack import FRAMES, on_own_stack


@on_own_stack
def count_calls() -> int:
    """Return how many calls fit into each other."""

    def call(depth: int) -> int:
        try:
            return call(depth + 1)
        except RecursionError:
            return depth

    return call(0)


def call_from(depth: int, function: Callable[[], int]) -> int:
    return call_from(depth - 1, function) if depth else function()


def test_the_room_for_calls_is_the_same_for_every_caller() -> None:
    found = {call_from(depth, count_calls) for depth in (0, 1, 50, 300, 700)}
    assert len(found) == 1
    assert FRAMES - 100 < found.pop() <= FRAMES


def test_the_caller_keeps_its_own_limit() -> None:
    before = sys.getrecursionlimit()
    count_calls()
    assert sys.getrecursionlimit() == before
