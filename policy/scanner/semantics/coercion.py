"""JavaScript's conversions between values, as far as constants need them."""

from __future__ import annotations

import math

from policy.scanner.semantics.values import (
    Array,
    Bytes,
    Class,
    Constant,
    Function,
    Host,
    Method,
    Module,
    Number,
    Object,
    Pattern,
    Text,
    Value,
)

_NAN = frozenset((Function, Class, Method, Host, Module))
_TRUE = frozenset((Array, Object, Pattern, Bytes, Function, Class, Method))
_NUMBERS = {None: 0.0, True: 1.0, False: 0.0, ...: math.nan}
_WORDS = {None: "null", True: "true", False: "false", ...: "undefined"}
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MAX_JOIN_DEPTH = 8


def to_text(value: Value, depth: int = 0) -> str | None:
    """Return String(value), or None where it is not known."""
    if type(value) is Text:
        return value.text
    if type(value) is Value:
        return None
    if type(value) is Number:
        return number_text(value.number)
    if type(value) is Constant:
        return _WORDS[value.constant]
    if type(value) is Array:
        return join_items(value, ",", depth)
    if type(value) is Pattern:
        return f"/{value.source}/{value.flags}"
    if type(value) is Object:
        is_plain = not value.is_open and "toString" not in value.members
        return "[object Object]" if is_plain else None
    if type(value) is Bytes:
        return value.data.decode("utf-8", "replace")
    if type(value) is Host or type(value) is Method:
        return f"function {value.name.rpartition('.')[2]}() {{ [native code] }}"
    return None


def join_items(array: Array, separator: str, depth: int = 0) -> str | None:
    """Return array.join(separator), or None where an item is not known."""
    if depth > _MAX_JOIN_DEPTH:
        return None
    pieces: list[str] = []
    for item in array.items:
        empty = type(item) is Constant and item.constant in (None, ...)
        piece = "" if empty else to_text(item, depth + 1)
        if piece is None:
            return None
        pieces.append(piece)
    return separator.join(pieces)


def number_text(number: float) -> str:
    """Return a number as JavaScript prints it, for those that names are made of."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == int(number) and abs(number) < 1e21:
        return str(int(number))
    return repr(number)


def to_number(value: Value) -> float | None:
    """Return Number(value), or None where it is not known."""
    if type(value) is Number:
        return value.number
    if type(value) is Value:
        return None
    if type(value) is Constant:
        return _NUMBERS[value.constant]
    if type(value) in _NAN:
        return math.nan
    text = to_text(value)
    return None if text is None else _text_number(text.strip())


def _text_number(text: str) -> float:
    """Return the number that JavaScript reads in trimmed text; NaN for none."""
    if not text:
        return 0.0
    try:
        if text[:2].lower() in ("0x", "0o", "0b"):
            return float(int(text, 0))
        return math.nan if "_" in text or "n" in text.lower() else float(text)
    except (ValueError, OverflowError):
        return math.inf if text == "Infinity" else math.nan


def to_int(value: Value) -> int | None:
    """Return the value as a finite integer, truncated, or None."""
    number = to_number(value)
    if number is None or not math.isfinite(number):
        return None
    return int(number)


def to_truth(value: Value) -> bool | None:
    """Return Boolean(value), or None where it is not known."""
    if type(value) is Value:
        return None
    if type(value) is Text:
        return bool(value.text)
    if type(value) is Number:
        return bool(value.number) and not math.isnan(value.number)
    if type(value) is Constant:
        return value.constant is True
    return True if type(value) in _TRUE else None


def to_base(number: float, base: int) -> str | None:
    """Return number.toString(base) for whole numbers, or None."""
    if not math.isfinite(number) or number != int(number) or not 2 <= base <= 36:
        return None
    whole, digits = abs(int(number)), ""
    if whole > 2**64:
        return None
    while whole:
        whole, digit = divmod(whole, base)
        digits = _DIGITS[digit] + digits
    return ("-" if number < 0 else "") + (digits or "0")
