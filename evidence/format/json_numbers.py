"""What counts as an integer and as a number in JSON, where Python would be lenient.

A boolean is neither, and `1.0` is the integer 1.
"""

from __future__ import annotations

from typing import Any


def integer_of(value: Any) -> int | None:
    """Return the integer that a JSON value is, or None where it is none."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    return None


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number."""
    return type(value) is int or type(value) is float
