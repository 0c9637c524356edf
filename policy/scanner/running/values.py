"""Values of a run, as Python's own where they have one: None is null.

Numbers are int where they are whole and exact, else float; texts are str.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MAX_EXACT = 2**53
MAX_RUN_TEXT = 256 * 1024


class UnsupportedError(Exception):
    """Something that is not run: the attempt ends."""


class ThrownError(Exception):
    """An exception of the program that is run; its own catch may take it."""


class _Undefined:
    """The one value that is not there."""


UNDEFINED = _Undefined()


@dataclass(eq=False)
class Record:
    """An object: its members, and what it inherits from."""

    members: dict[str, Any] = field(default_factory=dict)
    parent: Record | None = None


@dataclass(eq=False)
class Items(Record):
    """An array, or a call's arguments."""

    items: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class Native(Record):
    """A function of the runtime's that may be called: `call(this, arguments)`."""

    call: Callable[[Any, list[Any]], Any] = lambda this, given: UNDEFINED
    is_maker: bool = False


@dataclass(eq=False)
class Closure(Record):
    """A function of the program; `call(this, arguments)` runs it."""

    call: Callable[[Any, list[Any]], Any] = lambda this, given: UNDEFINED
    source: str = ""


def is_number(value: object) -> bool:
    """Return whether a value is a number; true and false are none."""
    return type(value) is int or type(value) is float


def to_truth(value: object) -> bool:
    """Return a value as a condition."""
    if value is None or value is UNDEFINED or value is False:
        return False
    if is_number(value):
        return value != 0 and value == value
    return value != ""


def to_number(value: object) -> int | float:
    """Return a value as a number."""
    if value is None or isinstance(value, bool):
        return int(bool(value))
    if type(value) is int or type(value) is float:
        return value
    if isinstance(value, Items):
        return to_number(to_text(value))
    if not isinstance(value, str):
        return math.nan
    return _number_of(value.strip())


def _number_of(text: str) -> int | float:
    """Return the number that a text is; nothing is 0."""
    if not text:
        return 0
    try:
        if text[:2].lower() in ("0x", "0o", "0b"):
            return whole(int(text[:300], 0))
        return math.nan if "_" in text else whole(float(text))
    except ValueError:
        return math.nan


def whole(number: float) -> int | float:
    """Return a number as int where that says the same."""
    if type(number) is float and number.is_integer() and abs(number) < MAX_EXACT:
        return int(number)
    if type(number) is int and abs(number) >= MAX_EXACT:
        return float(number)
    return number


def to_int32(value: object) -> int:
    """Return a value as operators on bits take it."""
    number = to_number(value)
    if type(number) is float:
        if math.isnan(number) or math.isinf(number):
            return 0
        number = int(number)
    bits = int(number) & 0xFFFFFFFF
    return bits - 0x100000000 if bits & 0x80000000 else bits


def to_text(value: object) -> str:
    """Return a value as text; raise UnsupportedError where the runtime would decide."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is UNDEFINED:
        return "undefined"
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return _float_text(value)
    if isinstance(value, Items):
        parts = ["" if i is None or i is UNDEFINED else to_text(i) for i in value.items]
        return ",".join(parts)
    if isinstance(value, Closure):
        return value.source
    if isinstance(value, Record) and not isinstance(value, Native):
        return "[object Object]"
    raise UnsupportedError


def _float_text(value: float) -> str:
    """Return a number's text where Python writes it as JavaScript does."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    if "e" in text:
        raise UnsupportedError
    return text


def are_same(left: object, right: object) -> bool:
    """Return left === right."""
    if is_number(left) and is_number(right):
        return left == right
    if type(left) is not type(right):
        return False
    if isinstance(left, (str, bool)):
        return left == right
    return left is right


def are_equal(left: object, right: object) -> bool:
    """Return left == right."""
    empty = (None, UNDEFINED)
    if left in empty or right in empty:
        return left in empty and right in empty
    if isinstance(left, Record) and isinstance(right, Record):
        return left is right
    if isinstance(left, Record):
        left = to_text(left)
    if isinstance(right, Record):
        right = to_text(right)
    if type(left) is type(right):
        return are_same(left, right)
    return to_number(left) == to_number(right)
