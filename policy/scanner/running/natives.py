"""What a run may use of the runtime's: texts, arrays, numbers; nothing that acts."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from policy.scanner.running.values import (
    MAX_RUN_TEXT,
    UNDEFINED,
    Closure,
    Items,
    Native,
    Record,
    ThrownError,
    UnsupportedError,
    are_same,
    to_int32,
    to_number,
    to_text,
    to_truth,
    whole,
)

_INTEGER = re.compile(r"\s*([+-]?)(0[xX])?([0-9a-zA-Z]*)")
_FLOAT = re.compile(r"\s*([+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?))")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
MAX_RUN_ITEMS = 20_000


def argument(given: list[Any], index: int) -> Any:
    """Return an argument; undefined where it is missing."""
    return given[index] if index < len(given) else UNDEFINED


def _place(given: list[Any], index: int, default: int) -> int:
    """Return an argument as a place; `default` where it is missing."""
    value = argument(given, index)
    if value is UNDEFINED:
        return default
    number = to_number(value)
    if number != number:
        return 0
    return int(max(-1e9, min(1e9, number)))


def parse_int(this: Any, given: list[Any]) -> int | float:
    """Return the whole number that a text begins with."""
    match = _INTEGER.match(to_text(argument(given, 0)))
    radix = to_int32(argument(given, 1)) or (16 if match and match[2] else 10)
    digits = _DIGITS[:radix] if 2 <= radix <= 36 else ""
    taken = ""
    for letter in match[3].lower() if match else "":
        if letter not in digits:
            break
        taken += letter
    if not taken or match is None:
        return math.nan
    number = int(taken[:300], radix)
    return whole(-number if match[1] == "-" else number)


def parse_float(this: Any, given: list[Any]) -> int | float:
    """Return the number that a text begins with."""
    match = _FLOAT.match(to_text(argument(given, 0)))
    return whole(float(match[1])) if match else math.nan


def decode_component(this: Any, given: list[Any]) -> str:
    """Return decodeURIComponent of a text; throw where that is malformed."""
    text = to_text(argument(given, 0))
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        raise ThrownError
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogatepass")).decode("utf-8")
    except UnicodeError as error:
        raise ThrownError from error


def encode_component(this: Any, given: list[Any]) -> str:
    """Return encodeURIComponent of a text."""
    try:
        return quote(to_text(argument(given, 0)), safe="-_.!~*'()")
    except UnicodeError as error:
        raise ThrownError from error


def unescape(this: Any, given: list[Any]) -> str:
    """Return unescape of a text."""
    return re.sub(
        r"%u([0-9a-fA-F]{4})|%([0-9a-fA-F]{2})",
        lambda match: chr(int(match[1] or match[2], 16)),
        to_text(argument(given, 0)),
    )


def atob(this: Any, given: list[Any]) -> str:
    """Return what base64 stands for, a letter for each byte."""
    text = re.sub(r"\s", "", to_text(argument(given, 0))).rstrip("=")
    try:
        padded = text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True).decode("latin-1")
    except (binascii.Error, ValueError) as error:
        raise ThrownError from error


def from_codes(this: Any, given: list[Any]) -> str:
    """Return String.fromCharCode of numbers."""
    return "".join(chr(to_int32(code) & 0xFFFF) for code in given)


def _number_text(number: Any, given: list[Any]) -> str:
    """Return a whole number in a base."""
    radix = _place(given, 0, 10)
    if radix == 10:
        return to_text(number)
    if type(number) is not int or not 2 <= radix <= 36:
        raise UnsupportedError
    digits, rest = "", abs(number)
    while rest:
        rest, digit = divmod(rest, radix)
        digits = _DIGITS[digit] + digits
    return ("-" if number < 0 else "") + (digits or "0")


def _slice(size: int, given: list[Any]) -> slice:
    """Return what `slice(from, to)` takes."""
    return slice(_place(given, 0, 0), _place(given, 1, size))


def _substring(text: str, given: list[Any]) -> str:
    """Return the part between two places, in either order."""
    ends = [
        min(max(_place(given, i, d), 0), len(text)) for i, d in ((0, 0), (1, len(text)))
    ]
    return text[min(ends) : max(ends)]


def _substr(text: str, given: list[Any]) -> str:
    """Return the part of a length from a place on."""
    start = _place(given, 0, 0)
    start = max(len(text) + start, 0) if start < 0 else start
    return text[start : start + max(_place(given, 1, len(text)), 0)]


def _code_at(text: str, given: list[Any]) -> int | float:
    """Return the code of a letter."""
    place = _place(given, 0, 0)
    return ord(text[place]) if 0 <= place < len(text) else math.nan


def _char_at(text: str, given: list[Any]) -> str:
    """Return a letter; empty where there is none."""
    place = _place(given, 0, 0)
    return text[place] if 0 <= place < len(text) else ""


def _split(text: str, given: list[Any]) -> Items:
    """Return the parts of a text."""
    separator = argument(given, 0)
    if separator is UNDEFINED:
        return Items(items=[text])
    if not isinstance(separator, str):
        raise UnsupportedError
    parts = text.split(separator) if separator else list(text)
    return Items(items=list(parts[:MAX_RUN_ITEMS]))


def _replace(text: str, given: list[Any]) -> str:
    """Return a text with the first of another replaced; patterns are not run."""
    old, new = argument(given, 0), argument(given, 1)
    if not isinstance(old, str) or not isinstance(new, str) or "$" in new:
        raise UnsupportedError
    return text.replace(old, new, 1)


TEXT_METHODS: dict[str, Callable[[str, list[Any]], Any]] = {
    "charAt": _char_at,
    "charCodeAt": _code_at,
    "concat": lambda text, given: text + "".join(map(to_text, given)),
    "includes": lambda text, given: to_text(argument(given, 0)) in text,
    "indexOf": lambda text, given: text.find(
        to_text(argument(given, 0)), max(_place(given, 1, 0), 0)
    ),
    "lastIndexOf": lambda text, given: text.rfind(to_text(argument(given, 0))),
    "replace": _replace,
    "slice": lambda text, given: text[_slice(len(text), given)],
    "split": _split,
    "substr": _substr,
    "substring": _substring,
    "toLowerCase": lambda text, given: text.lower(),
    "toString": lambda text, given: text,
    "toUpperCase": lambda text, given: text.upper(),
    "trim": lambda text, given: text.strip(),
    "valueOf": lambda text, given: text,
}


def _push(array: Items, given: list[Any]) -> int:
    """Add items at the end."""
    if len(array.items) > MAX_RUN_ITEMS:
        raise UnsupportedError
    array.items.extend(given)
    return len(array.items)


def _unshift(array: Items, given: list[Any]) -> int:
    """Add items at the beginning."""
    if len(array.items) > MAX_RUN_ITEMS:
        raise UnsupportedError
    array.items[:0] = given
    return len(array.items)


def _reverse(array: Items, given: list[Any]) -> Items:
    """Turn an array round."""
    array.items.reverse()
    return array


def _splice(array: Items, given: list[Any]) -> Items:
    """Take items out of an array, and put others in."""
    start = _place(given, 0, 0)
    start = max(len(array.items) + start, 0) if start < 0 else start
    count = max(_place(given, 1, len(array.items)), 0)
    taken = array.items[start : start + count]
    array.items[start : start + count] = given[2:]
    return Items(items=taken)


def _join(array: Items, given: list[Any]) -> str:
    """Return the items as one text."""
    separator = argument(given, 0)
    sign = "," if separator is UNDEFINED else to_text(separator)
    text = sign.join(
        "" if i is None or i is UNDEFINED else to_text(i) for i in array.items
    )
    if len(text) > MAX_RUN_TEXT:
        raise UnsupportedError
    return text


def _index_of(array: Items, given: list[Any]) -> int:
    """Return the place of an item, or -1."""
    wanted = argument(given, 0)
    same = (i for i, item in enumerate(array.items) if are_same(item, wanted))
    return next(same, -1)


def _each(array: Items, given: list[Any]) -> list[Any]:
    """Return what a function gives for each item."""
    function = argument(given, 0)
    if not isinstance(function, (Closure, Native)):
        raise ThrownError
    items = enumerate(list(array.items))
    return [function.call(UNDEFINED, [item, place, array]) for place, item in items]


def _concat(array: Items, given: list[Any]) -> Items:
    """Return an array with others after it."""
    items = list(array.items)
    for other in given:
        items.extend(other.items if isinstance(other, Items) else [other])
    return Items(items=items[:MAX_RUN_ITEMS])


ARRAY_METHODS: dict[str, Callable[[Items, list[Any]], Any]] = {
    "concat": _concat,
    "forEach": lambda array, given: [_each(array, given), UNDEFINED][1],
    "includes": lambda array, given: _index_of(array, given) >= 0,
    "indexOf": _index_of,
    "join": _join,
    "map": lambda array, given: Items(items=_each(array, given)),
    "pop": lambda array, given: array.items.pop() if array.items else UNDEFINED,
    "push": _push,
    "reverse": _reverse,
    "shift": lambda array, given: array.items.pop(0) if array.items else UNDEFINED,
    "slice": lambda array, given: Items(
        items=array.items[_slice(len(array.items), given)]
    ),
    "splice": _splice,
    "toString": lambda array, given: to_text(array),
    "unshift": _unshift,
}
NUMBER_METHODS = {"toString": _number_text}


def _rounded(function: Callable[[float], float]) -> Native:
    """Return one of Math's functions of a number."""

    def call(this: Any, given: list[Any]) -> Any:
        number = to_number(argument(given, 0))
        if type(number) is float and not math.isfinite(number):
            return number
        return whole(function(number))

    return Native(call=call)


# By which code asks whether somebody has set it in lines. No other pattern is run: an
# engine cannot be stopped.
_IS_ONE_LINE = r"""\w+ *\(\) *{\w+ *['|"].+['|"];? *}"""
_MAX_PATTERN_TEXT = 2_000


def _pattern(this: Any, given: list[Any]) -> Record:
    """Return the one pattern that is run."""
    if len(given) != 1 or given[0] != _IS_ONE_LINE:
        raise UnsupportedError
    pattern = re.compile(_IS_ONE_LINE)

    def test(this: Any, given: list[Any]) -> bool:
        text = to_text(argument(given, 0))[:_MAX_PATTERN_TEXT]
        return pattern.search(text) is not None

    return Record({"test": Native(call=test)})


def _global_object(this: Any, given: list[Any]) -> Any:
    """Return a function that gives the global object, for text that says just so."""
    text = to_text(given[-1]) if given else ""
    if "return this" not in text or len(text) > 200:
        raise UnsupportedError
    return Native(call=lambda this, given: Record(dict(make_globals())))


def _is_number(value: Any) -> bool:
    """Return whether a value is a number when it is taken for one."""
    number = to_number(value)
    return number == number


def make_globals() -> dict[str, Any]:
    """Return the names that a run begins with."""
    text = Native(call=lambda this, given: to_text(given[0]) if given else "")
    text.members["fromCharCode"] = Native(call=from_codes)
    number = Native(call=lambda this, given: to_number(given[0]) if given else 0)
    maths = {
        "abs": _rounded(abs),
        "ceil": _rounded(math.ceil),
        "floor": _rounded(math.floor),
        "round": _rounded(lambda n: math.floor(n + 0.5)),
    }
    return {
        "undefined": UNDEFINED,
        "NaN": math.nan,
        "Infinity": math.inf,
        "parseInt": Native(call=parse_int),
        "parseFloat": Native(call=parse_float),
        "decodeURIComponent": Native(call=decode_component),
        "encodeURIComponent": Native(call=encode_component),
        "unescape": Native(call=unescape),
        "atob": Native(call=atob),
        "String": text,
        "Number": number,
        "Math": Record(maths),
        "Boolean": Native(call=lambda this, given: to_truth(argument(given, 0))),
        "isNaN": Native(call=lambda this, given: not _is_number(argument(given, 0))),
        "RegExp": Native(call=_pattern, is_maker=True),
        "Function": Native(call=_global_object),
    }
