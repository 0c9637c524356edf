"""A stack of one's own: what is found may not depend on how deep the caller stands."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from evidence.call_stack import call_with_room

Params = ParamSpec("Params")
Result = TypeVar("Result")

FRAMES = 2_000
"""Calls within calls, counted from here; Python counts from the bottom of the stack."""


def on_own_stack(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """Have a function run with the same room for calls, from wherever it is called.

    Else it depends on the caller whether a loop stands across an edge of the stack
    (`evidence/call_stack.py`) and runs out of a time limit: seen on 3.11, 3.12 and
    3.13, up to 150 times as long without room, at most twice with it.
    """

    @wraps(function)
    def call(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(_depth() + FRAMES)
        try:
            return call_with_room(function, *args, **kwargs)
        finally:
            sys.setrecursionlimit(before)

    return call


def _depth() -> int:
    """Return how many calls the caller stands in."""
    frame, depth = sys._getframe(), 0
    while frame.f_back is not None:
        frame, depth = frame.f_back, depth + 1
    return depth
