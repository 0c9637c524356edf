"""Functions that make plain values: numbers, texts, patterns, errors, modules."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from policy.scanner.builtins.arguments import Caller, Native, first_text
from policy.scanner.semantics.coercion import (
    DECIMAL,
    SPACES,
    decimal_number,
    to_number,
    to_position,
    to_text,
    to_truth,
)
from policy.scanner.semantics.values import (
    Array,
    Blob,
    Constant,
    Module,
    Number,
    Object,
    Pattern,
    Text,
    Value,
)


def _string(arguments: list[Value], _: Caller) -> Value | None:
    """Return an argument as text; empty where none is given."""
    text = first_text(arguments) if arguments else ""
    return None if text is None else Text(text)


def _parse_int(arguments: list[Value], _: Caller) -> Value | None:
    """Return the integer at a text's beginning; NaN where there is none."""
    text = first_text(arguments)
    base = to_position(arguments[1]) if len(arguments) > 1 else 0
    if text is None or base is None or not (2 <= base <= 36 or base == 0):
        return None
    text = text.strip(SPACES)
    if text.isascii():
        text = text.lower()
    sign = -1.0 if text.startswith("-") else 1.0
    text = text[1:] if text[:1] in ("+", "-") else text
    if text.startswith("0x") and base in (0, 16):
        text, base = text[2:], 16
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"[: base or 10]
    found = re.match(f"[{digits}]{{1,{_MOST_DIGITS}}}", text)
    return Number(sign * int(found[0], base or 10)) if found else Number(math.nan)


_MOST_DIGITS = 128


def _parse_float(arguments: list[Value], _: Caller) -> Value | None:
    """Return the number at a text's beginning; NaN where there is none."""
    text = first_text(arguments)
    if text is None:
        return None
    found = DECIMAL.match(text.lstrip(SPACES))
    return Number(math.nan if found is None else decimal_number(found))


def _math(function: Callable[[float], float]) -> Native:
    """Return a native that applies a function to one finite number."""

    def call(arguments: list[Value], _: Caller) -> Value | None:
        number = to_number(arguments[0]) if arguments else None
        if number is None or not math.isfinite(number):
            return None
        return Number(float(function(number)))

    return call


def _rounded(number: float) -> float:
    """Return the nearest whole number, the greater of two."""
    below = math.floor(number)
    return below + (number - below >= 0.5)


def _number(arguments: list[Value], _: Caller) -> Value | None:
    """Return an argument as a number; 0 where none is given."""
    number = to_number(arguments[0]) if arguments else 0.0
    return None if number is None else Number(number)


def _boolean(arguments: list[Value], _: Caller) -> Value | None:
    """Return an argument's truth."""
    truth = to_truth(arguments[0]) if arguments else False
    return None if truth is None else Constant(truth)


def _regexp(arguments: list[Value], _: Caller) -> Value | None:
    """Return a regular expression made of text and flags."""
    text = first_text(arguments)
    flags = to_text(arguments[1]) if len(arguments) > 1 else ""
    return None if text is None else Pattern(text, flags or "")


def _error(arguments: list[Value], _: Caller) -> Value | None:
    """Return an error with its message; its other members are not known."""
    text = first_text(arguments)
    return None if text is None else Object({"message": Text(text)}, True)


def _symbol(arguments: list[Value], _: Caller) -> Value | None:
    """Return a symbol with its description."""
    text = first_text(arguments)
    return None if text is None else Object({"description": Text(text)}, True)


def _promise(arguments: list[Value], _: Caller) -> Value | None:
    """Return the value that a promise is made of."""
    return arguments[0] if arguments else None


def _builtin_module(arguments: list[Value], _: Caller) -> Value | None:
    """Return the module that `process.getBuiltinModule` gives."""
    text = first_text(arguments)
    return None if text is None else Module(text.removeprefix("node:"))


def _blob(arguments: list[Value], _: Caller) -> Value | None:
    """Return a blob that is made of texts alone."""
    parts = arguments[0] if arguments else None
    if not isinstance(parts, Array):
        return None
    texts = [part.text for part in parts.items if isinstance(part, Text)]
    return Blob("".join(texts)) if len(texts) == len(parts.items) else None


def _address_of_blob(arguments: list[Value], _: Caller) -> Value | None:
    """Return the address of a blob: it stands for the same text."""
    return arguments[0] if arguments and isinstance(arguments[0], Blob) else None


CONVERTERS: dict[str, Native] = {
    "Blob": _blob,
    "URL.createObjectURL": _address_of_blob,
    "String": _string,
    "Number": _number,
    "Boolean": _boolean,
    "parseInt": _parse_int,
    "Number.parseInt": _parse_int,
    "parseFloat": _parse_float,
    "Number.parseFloat": _parse_float,
    "Math.floor": _math(math.floor),
    "Math.ceil": _math(math.ceil),
    "Math.trunc": _math(math.trunc),
    "Math.round": _math(_rounded),
    "Math.abs": _math(abs),
    "Math.sqrt": _math(lambda n: math.nan if n < 0 else math.sqrt(n)),
    "RegExp": _regexp,
    "Error": _error,
    "TypeError": _error,
    "Symbol": _symbol,
    "Symbol.for": _symbol,
    "Promise.resolve": _promise,
    "require": _builtin_module,
    "import": _builtin_module,
    "process.getBuiltinModule": _builtin_module,
}
