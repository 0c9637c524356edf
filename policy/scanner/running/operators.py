"""Operators of two values and of one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from policy.scanner.running.machine import add
from policy.scanner.running.values import (
    UNDEFINED,
    Closure,
    Native,
    Record,
    are_equal,
    are_same,
    is_number,
    to_int32,
    to_number,
    to_truth,
    whole,
)


def _plus(left: Any, right: Any) -> Any:
    """Return a sum of numbers, or texts joined."""
    if is_number(left) and is_number(right):
        return whole(left + right)
    if any(isinstance(side, (str, Record)) for side in (left, right)):
        return add(left, right)
    return whole(to_number(left) + to_number(right))


def _divide(left: Any, right: Any) -> Any:
    """Return a quotient; by nothing it is infinite or no number."""
    above, below = to_number(left), to_number(right)
    if below == 0:
        return (
            math.nan if above == 0 or above != above else math.copysign(math.inf, above)
        )
    return whole(above / below)


def _remainder(left: Any, right: Any) -> Any:
    """Return what a division leaves, with the sign of what is divided."""
    above, below = to_number(left), to_number(right)
    if below == 0 or math.isinf(above) or below != below or above != above:
        return math.nan
    return whole(math.fmod(above, below))


def _power(left: Any, right: Any) -> Any:
    """Return a power; no number where it is too large."""
    base, exponent = float(to_number(left)), float(to_number(right))
    try:
        return whole(math.pow(base, exponent))
    except (OverflowError, ValueError):
        return math.nan


def _compared(check: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return a comparison of two texts, or of two numbers."""

    def compare(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return check(left, right)
        return check(to_number(left), to_number(right))

    return compare


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": _plus,
    "-": lambda left, right: whole(to_number(left) - to_number(right)),
    "*": lambda left, right: whole(to_number(left) * to_number(right)),
    "/": _divide,
    "%": _remainder,
    "**": _power,
    "===": are_same,
    "!==": lambda left, right: not are_same(left, right),
    "==": are_equal,
    "!=": lambda left, right: not are_equal(left, right),
    "<": _compared(lambda left, right: left < right),
    ">": _compared(lambda left, right: left > right),
    "<=": _compared(lambda left, right: left <= right),
    ">=": _compared(lambda left, right: left >= right),
    "&": lambda left, right: to_int32(left) & to_int32(right),
    "|": lambda left, right: to_int32(left) | to_int32(right),
    "^": lambda left, right: to_int32(left) ^ to_int32(right),
    "<<": lambda left, right: to_int32(to_int32(left) << (to_int32(right) & 31)),
    ">>": lambda left, right: to_int32(left) >> (to_int32(right) & 31),
    ">>>": lambda left, right: (to_int32(left) & 0xFFFFFFFF) >> (to_int32(right) & 31),
}


def _type_of(value: Any) -> str:
    """Return what typeof says."""
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, (Closure, Native)):
        return "function"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "number" if is_number(value) else "object"


UNARY: dict[str, Callable[[Any], Any]] = {
    "!": lambda value: not to_truth(value),
    "-": lambda value: whole(-to_number(value)),
    "+": to_number,
    "~": lambda value: ~to_int32(value),
    "typeof": _type_of,
    "void": lambda value: UNDEFINED,
}
