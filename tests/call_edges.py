"""Where calls stand on an edge of CPython's stack, counted by the pages it costs."""

from __future__ import annotations

import resource

CALLS = 2_000
"""Calls at each depth. On an edge each costs a page, and elsewhere none."""
DEPTHS = range(400)


def worst_faults() -> int:
    """Return the page faults of many calls, from the depth that causes most."""
    return max(map(_faults_from, DEPTHS))


def _faults_from(depth: int) -> int:
    if depth:
        return _faults_from(depth - 1)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(CALLS):
        _call()
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def _call(
    a: int = 0, b: int = 0, c: int = 0, d: int = 0, e: int = 0, f: int = 0, g: int = 0
) -> list[int]:
    """Ask for a larger frame than a step down is: one of the depths is at an edge."""
    return [a, b, c, d, e, f, g, a, b, c, d, e, f, g, a, b, c, d, e, f, g]
