"""Room on CPython's stack of frames, so that calls cost the same at any depth.

CPython (3.11 and later) keeps the frames of a thread in pieces of 16 kB, and gives a
piece back to the system with the first frame on it. A loop whose calls stand just
across such an edge gets a piece and gives it back with each call, and takes up to three
times as long. A frame that asks for much gets a large piece, and the calls within it
stand on what that leaves over.

Whatever works long is called with room: requests (`config/web_worker.py`), tasks
(`config/tasks.py`), commands (`manage.py`), scans (`policy/scanner/stack.py`).
tests/bench/bench_stack.py measures it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

Params = ParamSpec("Params")
Result = TypeVar("Result")

ROOM_SLOTS = 2**16
"""Words of memory; about as many again are left over for the calls within."""


def call_with_room(
    function: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs
) -> Result:
    """Call a function where half a megabyte of frames has no edge."""
    result: Result = _call_in_large_frame(function, args, kwargs)
    return result


def _call(function: Any, args: Any, kwargs: Any) -> Any:
    return function(*args, **kwargs)


_call_in_large_frame = FunctionType(
    _call.__code__.replace(co_stacksize=ROOM_SLOTS + 1), globals()
)
