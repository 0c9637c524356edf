"""Canonical form and hashes: RFC 8785 (JCS) over I-JSON values (RFC 7493).

`canonical_bytes` is exact for every value that JSON can hold, and refuses the rest.
Numbers are IEEE 754 doubles: an int that no double equals is refused, never rounded.

orjson writes most documents in canonical form already, and many times faster. It
differs in three things only: floats that are integral, tiny or huge; integers beyond
2**53; and the order of member names with characters from U+E000 up (RFC 8785 sorts
by UTF-16 unit, orjson by code point). Every fast path here first rules those out, and
otherwise hands over to the exact writer below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Any

import orjson

from .errors import DocumentRefused

MAX_SAFE_INTEGER = 2**53 - 1
# Below this orjson and ECMAScript disagree about where exponents begin.
LEAST_PLAIN_FLOAT = 1e-5
_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
# First bytes of UTF-8 characters from U+E000 up.
_HIGH_LEAD_BYTES = tuple(bytes([lead]) for lead in range(0xEE, 0xF5))


def hash_bytes(data: bytes) -> str:
    """Return the lower-case hex SHA-256 of the bytes."""
    return hashlib.sha256(data).hexdigest()


def hash_value(value: Any) -> str:
    """Return H(value): the lower-case hex SHA-256 of the canonical form."""
    try:
        return hash_bytes(canonical_record(value))
    except TypeError:
        # Nested deeper than the fast writer goes, or half of a surrogate pair.
        return hash_bytes(canonical_bytes(value))


def canonical_bytes(value: Any) -> bytes:
    """Return the RFC 8785 form of a JSON value, whatever numbers and names it holds."""
    parts: list[str] = []
    try:
        _write(value, parts.append)
        return "".join(parts).encode()
    except UnicodeEncodeError:
        raise DocumentRefused(
            "lone_surrogate", "a string holds half of a surrogate pair"
        ) from None
    except RecursionError:
        raise DocumentRefused("too_deep", "nested too deeply to be written") from None


def canonical_plain(value: Any, *, plain: bool) -> bytes:
    """Return `canonical_bytes(value)`, by the fast way where that is safe.

    `plain` is the reader's word that every number is one orjson writes canonically.
    A list is tried again record by record, so that one odd record costs only itself.
    """
    if plain:
        data = orjson.dumps(value, option=_SORTED)
        if not has_high_characters(data):
            return data
    if type(value) is list:
        return b"[" + b",".join([canonical_record(item) for item in value]) + b"]"
    return canonical_record(value)


def canonical_record(value: Any) -> bytes:
    """Return `canonical_bytes(value)`, the fast way where a walk shows it safe."""
    return (
        orjson.dumps(value, option=_SORTED)
        if _is_plain(value)
        else canonical_bytes(value)
    )


def has_high_characters(data: bytes) -> bool:
    """Return whether UTF-8 bytes hold a character from U+E000 up."""
    if data.isascii():
        return False
    return any(lead in data for lead in _HIGH_LEAD_BYTES)


def is_plain_float(number: float) -> bool:
    """Return whether orjson writes the float as RFC 8785 does."""
    size = abs(number)
    return LEAST_PLAIN_FLOAT <= size <= MAX_SAFE_INTEGER and not number.is_integer()


def require_double(number: int) -> float:
    """Return the double that equals an integer; refuse where there is none."""
    try:
        nearest = float(number)
    except OverflowError:
        nearest = 0.0
    if nearest != number:
        raise DocumentRefused(
            "inexact_integer", "no IEEE 754 double equals this integer"
        )
    return nearest


def format_number(number: float) -> str:
    """Write a finite double as ECMAScript does (RFC 8785, section 3.2.2.3)."""
    if number != number or number in (float("inf"), float("-inf")):
        raise DocumentRefused("not_finite", "NaN and infinities are not JSON")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    digits, exponent = _shortest_digits(abs(number))
    count, point = len(digits), len(digits) + exponent
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if count > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


def _shortest_digits(number: float) -> tuple[str, int]:
    """Return (digits, exponent) with number = digits x 10**exponent, digits shortest.

    repr gives the shortest digits that read back as the same double, as ECMAScript
    asks; only its layout differs.
    """
    mantissa, _, exponent = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    power = int(exponent or 0) - len(fraction) + len(digits) - len(stripped)
    return stripped, power


def _write(value: Any, emit: Any) -> None:
    """Emit the canonical form of a value, piece by piece."""
    kind = type(value)
    if kind is str:
        emit(_write_string(value))
    elif kind is dict:
        _write_object(value, emit)
    elif kind is list or kind is tuple:
        _write_array(value, emit)
    elif value is None or kind is bool:
        emit("null" if value is None else "true" if value else "false")
    elif kind is int:
        emit(str(value) if abs(value) <= MAX_SAFE_INTEGER else _write_large(value))
    elif kind is float:
        emit(format_number(value))
    else:
        raise DocumentRefused("not_json", f"{kind.__name__} has no place in JSON")


def _write_large(number: int) -> str:
    """Return the ES6 form of an integer beyond ±(2**53-1)."""
    return format_number(require_double(number))


def _write_object(value: dict[str, Any], emit: Any) -> None:
    """Emit an object, its members in order of their names in UTF-16."""
    if not all(type(name) is str for name in value):
        raise DocumentRefused("not_json", "member names must be strings")
    emit("{")
    separator = ""
    for name in sorted(value, key=utf16_units):
        emit(f"{separator}{_write_string(name)}:")
        _write(value[name], emit)
        separator = ","
    emit("}")


def _write_array(value: Sequence[Any], emit: Any) -> None:
    """Emit an array."""
    emit("[")
    for position, item in enumerate(value):
        if position:
            emit(",")
        _write(item, emit)
    emit("]")


def _write_string(text: str) -> str:
    """Return a string as RFC 8785 writes it."""
    # The standard library escapes exactly what RFC 8785 asks for, DEL excepted: both
    # leave it alone; \b \t \n \f \r have short forms, other controls \u00xx.
    return str(encode_basestring(text))


def utf16_units(name: str) -> bytes:
    """Return the sort key of a member name: its UTF-16 code units, big-endian."""
    # Surrogates pass here, to be refused where the text is encoded.
    return name.encode("utf-16-be", "surrogatepass")


def _is_plain(value: Any) -> bool:
    """Return whether orjson writes the value canonically, as far as it can tell."""
    stack = [value]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind is dict:
            if not all(type(name) is str and name.isascii() for name in item):
                return False
            stack.extend(item.values())
        elif kind is list:
            stack.extend(item)
        elif kind is float:
            if not is_plain_float(item):
                return False
        elif kind is int:
            if not -MAX_SAFE_INTEGER <= item <= MAX_SAFE_INTEGER:
                return False
        elif not (kind is str or kind is bool or item is None):
            return False
    return True
