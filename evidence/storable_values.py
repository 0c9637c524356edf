"""Values out of documents, made safe for database columns.

A document may hold what PostgreSQL cannot: NUL characters, integers beyond 64 bits,
texts longer than an index takes. What is stored here is for lists and filters; the
bytes themselves are never touched. And what comes back otherwise than it went.
"""

from __future__ import annotations

import math
from typing import Any

from evidence.format import LongArray
from evidence.format.canonical import MAX_SAFE_INTEGER, format_number
from evidence.text import storable

BIGINT_MAX = 2**63 - 1
# Four bytes a character at most stays below what a B-tree page takes.
TEXT_LENGTH = 500
LIST_LENGTH = 50
JSON_LIST_LENGTH = 1000
JSON_TEXT_LENGTH = 2000


def safe_text(value: Any, *, length: int = TEXT_LENGTH) -> str | None:
    """Return a string without NUL and of limited length; None for what is none."""
    if not isinstance(value, str):
        return None
    return storable(value)[:length]


def safe_bigint(value: Any) -> int | None:
    """Return an integer that a 64-bit column holds, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    number = int(value)
    return number if -BIGINT_MAX <= number <= BIGINT_MAX else None


def safe_float(value: Any) -> float | None:
    """Return a finite number as a float, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def safe_texts(value: Any) -> list[str]:
    """Return the strings of a list, each safe, and no more than LIST_LENGTH."""
    if not isinstance(value, list):
        return []
    texts = (safe_text(item) for item in value[:LIST_LENGTH])
    return [text for text in texts if text is not None]


def safe_json(value: Any) -> Any:
    """Return a JSON value that jsonb takes, with long lists and texts cut short."""
    if isinstance(value, str):
        return safe_text(value, length=JSON_TEXT_LENGTH)
    if isinstance(value, dict):
        return {str(safe_text(k)): safe_json(item) for k, item in value.items()}
    if isinstance(value, list | tuple | LongArray):
        return [safe_json(item) for item in value[:JSON_LIST_LENGTH]]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_back(value: Any) -> Any:
    """Return JSON that a column held with the numbers that were written into it.

    PostgreSQL writes large ones out in full, so that the double 1e23 comes back as an
    integer that no double equals, and that has no canonical form.
    """
    if isinstance(value, dict):
        return {name: read_back(item) for name, item in value.items()}
    if isinstance(value, list):
        return [read_back(item) for item in value]
    if type(value) is int and abs(value) > MAX_SAFE_INTEGER:
        return float(value)
    return value


def readable(value: Any) -> Any:
    """Return JSON whose canonical form can be read strictly again.

    RFC 8785 writes the double 2**60 as 1152921504606847000, an integer that no double
    equals, and strict reading refuses it. Such a number becomes text.
    """
    if isinstance(value, dict):
        return {name: readable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [readable(item) for item in value]
    if type(value) in (int, float) and abs(value) > MAX_SAFE_INTEGER:
        number = read_back(value)
        text = format_number(number)
        if "e" in text or int(text) == number == value:
            return number
        return str(int(value))
    return value
