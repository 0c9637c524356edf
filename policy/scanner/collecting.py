"""Python's search for cycles, put off while a file is read.

A scan makes some million objects, nearly all of which are let go by themselves; looking
through them again and again is a fifth of its time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = (1_000_000, 20, 20)
"""Objects made between two searches; the limit of memory holds all the same."""


@contextmanager
def rare_collection() -> Iterator[None]:
    """Have the search for cycles begin seldom; as before at the end."""
    before = gc.get_threshold()
    if before[0] and before[0] < RARELY[0]:
        gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
