"""How much a bench measures: all of it, or as little as shows that it still works.

`--smallest` takes seconds and its figures mean nothing; the suite runs every bench so.
"""

from __future__ import annotations

import sys
from typing import TypeVar

SMALLEST = "--smallest"
Size = TypeVar("Size")


def is_smallest() -> bool:
    """Tell whether this process was asked for the smallest size."""
    return SMALLEST in sys.argv[1:]


def choose(full: Size, smallest: Size) -> Size:
    """Return the size to measure with."""
    return smallest if is_smallest() else full
