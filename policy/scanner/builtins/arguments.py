"""What the methods share: bounds on results, callbacks, and arguments as numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from policy.scanner.semantics.coercion import (
    to_position,
    to_text,
)
from policy.scanner.semantics.values import (
    Value,
    is_undefined,
)


class Caller(Protocol):
    """What methods with callbacks need of the folder."""

    def apply(self, target: Value, arguments: list[Value]) -> Value: ...


def integers_of(arguments: list[Value]) -> list[int | None]:
    """Return each argument as a place; None for undefined, as if it were not given.

    Raise ValueError for one that is not known.
    """
    found: list[int | None] = []
    for argument in arguments:
        is_given = not is_undefined(argument)
        place = to_position(argument) if is_given else None
        if is_given and place is None:
            raise ValueError
        found.append(place)
    return found


def bounds_of(arguments: list[Value]) -> slice:
    """Return the part that slice(start, end) takes; Python's rules are the same."""
    numbers = [*integers_of(arguments[:2]), None, None]
    return slice(numbers[0], numbers[1])


Native = Callable[[list[Value], Caller], Value | None]


def first_text(arguments: list[Value]) -> str | None:
    """Return the first argument as text."""
    return to_text(arguments[0]) if arguments else None
