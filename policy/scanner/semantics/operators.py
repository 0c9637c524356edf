"""Binary operators on constants."""

from __future__ import annotations

import math
from collections.abc import Callable

from policy.scanner.limits import MAX_TEXT
from policy.scanner.semantics.coercion import to_number, to_text, units
from policy.scanner.semantics.values import (
    Constant,
    Number,
    Text,
    Value,
    merge_via,
    unknown,
)


def binary(sign: str, left: Value, right: Value) -> Value:
    """Return `left sign right`."""
    if sign == "+":
        return _add(left, right)
    if sign in ("===", "==", "!==", "!="):
        return _compare(sign, left, right)
    if sign in _ORDER:
        if type(left) not in _SCALARS or type(right) not in _SCALARS:
            return unknown(left, right)
        if type(left) is Text and type(right) is Text:
            return _ordered(sign, left, right)
    operator = _NUMERIC.get(sign)
    first = left.number if type(left) is Number else to_number(left)
    second = right.number if type(right) is Number else to_number(right)
    if operator is None or first is None or second is None:
        return unknown(left, right)
    try:
        result = operator(first, second)
    except OverflowError:
        return unknown(left, right)
    except (ZeroDivisionError, ValueError):
        result = math.nan
    via = merge_via(left, right)
    if isinstance(result, bool):
        return Constant(result, via=via)
    return Number(float(result), via=via)


def _add(left: Value, right: Value) -> Value:
    """Return a sum of numbers, or texts joined."""
    via = merge_via(left, right)
    if type(left) in _NUMBER_LIKE and type(right) in _NUMBER_LIKE:
        first, second = to_number(left), to_number(right)
        if first is not None and second is not None:
            return Number(first + second, via=via)
    left_text, right_text = to_text(left), to_text(right)
    if left_text is None or right_text is None:
        is_text = type(left) is Text or type(right) is Text
        if is_text or left.textual or right.textual:
            return Value(via=via | {"string-concatenation"}, textual=True)
        return unknown(via=via)
    via = via | {"string-concatenation"}
    if type(left) is not Text or type(right) is not Text:
        via = via | {"coercion"}
    if len(left_text) + len(right_text) > MAX_TEXT:
        return Value(via=via, textual=True)
    return Text(left_text + right_text, via=via)


def _compare(sign: str, left: Value, right: Value) -> Value:
    """Return whether two plain values are equal; unknown where types are coerced."""
    if type(left) not in _SCALARS or type(right) not in _SCALARS:
        return unknown(left, right)
    if type(left) is not type(right) and len(sign) == 2:
        return unknown(left, right)
    if type(left) is Constant and type(right) is Constant and len(sign) == 2:
        # Nothing and nothing known are equal where kinds do not count.
        left, right = _loosely(left), _loosely(right)
    same = type(left) is type(right) and to_text(left) == to_text(right)
    if type(left) is Number and math.isnan(left.number):
        same = False
    return Constant(same is (sign[0] == "="))


_NUMBER_LIKE = frozenset((Number, Constant))
_SCALARS = frozenset((Text, Number, Constant))


def _int32(number: float) -> int:
    """Return a number as JavaScript's signed 32-bit integer."""
    if -0x80000000 <= number <= 0x7FFFFFFF:
        return int(number)
    if not math.isfinite(number):
        return 0
    whole = int(number) & 0xFFFFFFFF
    return whole - (1 << 32) if whole >= 1 << 31 else whole


def _bits(operator: Callable[[int, int], int]) -> Callable[[float, float], float]:
    """Return an operator on integers as one on JavaScript's numbers."""
    return lambda a, b: float(_int32(operator(_int32(a), _int32(b))))


def _power(base: float, exponent: float) -> float:
    """Return a power. Raise OverflowError where Python does not say what it is."""
    if math.isnan(exponent):
        return math.nan
    if abs(exponent) > 64 or (base == 0 and exponent < 0):
        raise OverflowError
    result = base**exponent
    if isinstance(result, complex):
        return math.nan
    return result


def _divided(left: float, right: float) -> float:
    """Return a quotient: endless where it is divided by nothing."""
    if right == 0 and left != 0 and not math.isnan(left):
        return math.copysign(math.inf, left) * math.copysign(1.0, right)
    return left / right


_ORDER = frozenset(("<", ">", "<=", ">="))


def _ordered(sign: str, left: Text, right: Text) -> Value:
    """Return which of two texts comes first, by the units that JavaScript counts."""
    first, second = units(left.text), units(right.text)
    orders = {
        "<": first < second,
        ">": first > second,
        "<=": first <= second,
        ">=": first >= second,
    }
    return Constant(orders[sign], via=merge_via(left, right))


def _loosely(value: Constant) -> Constant:
    """Return undefined as null: they are equal."""
    return Constant(None) if value.constant is ... else value


_NUMERIC: dict[str, Callable[[float, float], float]] = {
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "%": math.fmod,
    "**": _power,
    "^": _bits(lambda a, b: a ^ b),
    "&": _bits(lambda a, b: a & b),
    "|": _bits(lambda a, b: a | b),
    "<<": _bits(lambda a, b: a << (b & 31)),
    ">>": _bits(lambda a, b: a >> (b & 31)),
    ">>>": lambda a, b: float((_int32(a) & 0xFFFFFFFF) >> (_int32(b) & 31)),
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}
