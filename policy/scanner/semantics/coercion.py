"""JavaScript's conversions between values, as far as constants need them."""

from __future__ import annotations

import math
import re
from decimal import Decimal

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
    if abs(number) < _EXACT and number == int(number):
        return str(int(number))
    sign, figures, shift = Decimal(repr(number)).normalize().as_tuple()
    digits, place = "".join(map(str, figures)), len(figures) + int(shift)
    if 0 < place <= 21:
        whole = digits[:place].ljust(place, "0")
        text = f"{whole}.{digits[place:]}" if digits[place:] else whole
    elif -6 < place <= 0:
        text = f"0.{'0' * -place}{digits}"
    else:
        rest = f".{digits[1:]}" if digits[1:] else ""
        text = f"{digits[0]}{rest}e{place - 1:+d}"
    return f"-{text}" if sign else text


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
    return None if text is None else _text_number(text.strip(SPACES))


def _text_number(text: str) -> float:
    """Return the number that JavaScript reads in trimmed text; NaN for none."""
    if not text:
        return 0.0
    if _BASED.fullmatch(text):
        return float(int(text, 0)) if len(text) < _MOST_DIGITS else math.inf
    found = DECIMAL.fullmatch(text)
    return math.nan if found is None else decimal_number(found)


# What JavaScript takes for a blank.
SPACES = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_EXACT = 2.0**53
_MOST_DIGITS = 256
_BASED = re.compile(r"0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+")
DECIMAL = re.compile(
    r"([+-]?)(?:(Infinity)|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
)


def decimal_number(found: re.Match[str]) -> float:
    """Return the number that a match of DECIMAL stands for."""
    if found[2]:
        return -math.inf if found[1] == "-" else math.inf
    return float(found[0])


def to_int(value: Value) -> int | None:
    """Return the value as a finite integer, truncated, or None."""
    number = to_number(value)
    if number is None or not math.isfinite(number):
        return None
    return int(number)


def to_position(value: Value) -> int | None:
    """Return the value as a place: 0 for NaN, far away for what is endless."""
    number = to_number(value)
    if number is None or math.isnan(number):
        return None if number is None else 0
    return int(max(-_EXACT, min(_EXACT, number)))


def units(text: str) -> bytes:
    """Return the units of a text as JavaScript counts and orders them."""
    return text.encode("utf-16-be", "surrogatepass")


def is_wide(text: str) -> bool:
    """Return whether letters take more than one unit, so that places differ."""
    return not text.isascii() and max(text) > "\uffff"


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
    if whole > _EXACT:
        return None
    while whole:
        whole, digit = divmod(whole, base)
        digits = _DIGITS[digit] + digits
    return ("-" if number < 0 else "") + (digits or "0")
