"""Strict reading of I-JSON (RFC 7493): refuse what is malformed, never repair it.

Guarantees: the value returned came from UTF-8 without duplicate member names, lone
surrogates, NaN or infinities, with at most 64 levels of nesting, and every integer in
it equals an IEEE 754 double. Numbers come normalised: an `int` lies within ±(2**53-1)
and every integral number there is one (`1.0` reads as 1, `-0` as 0); all others are
`float`. An integer is a number written without fraction or exponent; the others are
rounded to the nearest double, as RFC 8785 has it.

Two ways lead to the same value. The fast one decodes, serialises again and compares
with the input: equal bytes prove that nothing was dropped, repaired or rounded. What
is not proven that way goes to the standard library's parser with hooks, which is
several times slower and can say where the fault lies.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from .canonical import LEAST_PLAIN_FLOAT, MAX_SAFE_INTEGER, is_plain_float
from .errors import DocumentRefused

MAX_DEPTH = 64
# No double has more digits before the point; longer integers need no arithmetic.
_MAX_INTEGER_DIGITS = 309
# Integers of up to 15 digits are exact in a double.
_SAFE_DIGITS = 15
# Indented documents have a line feed within so many bytes.
_SNIFFED = 64
# Beyond this, a reference to a name in a message is cut.
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """A document that was read. `plain`: orjson writes all its numbers canonically."""

    value: dict[str, Any]
    plain: bool


def read_document(data: bytes) -> dict[str, Any]:
    """Return the object that a document holds; raise `DocumentRefused` otherwise."""
    return read(data).value


def read(data: bytes) -> Reading:
    """Read a document strictly, and tell whether all its numbers are plain."""
    with collector_paused():
        reading = _read_proven(data) or _read_with_hooks(data)
    if type(reading.value) is not dict:
        raise DocumentRefused(
            "not_an_object",
            f"expected a JSON object, got {json_type(reading.value)}",
            "$",
        )
    return reading


@contextmanager
def collector_paused() -> Iterator[None]:
    """Hold the cyclic garbage collector while many containers are made at once.

    JSON values have no cycles; passes over a growing heap took a third of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def json_type(value: Any) -> str:
    """Name a value's JSON type, with its article, for messages."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "a number")


# --- The fast way: decode, serialise, compare ------------------------------------


def _wrapping_for_depth_limit() -> int:
    """Find how many arrays around a value make orjson refuse 65 levels within them."""
    nested: list[Any] = []
    for levels in range(1, 2000):
        try:
            orjson.dumps(nested)
        except TypeError:
            return levels - 1 - MAX_DEPTH
        nested = [nested]
    raise ImportError("orjson writes any depth: the check of depth needs another way")


_WRAPPING = _wrapping_for_depth_limit()


def _dump_within_depth(value: Any) -> bytes:
    """Serialise inside `_WRAPPING` arrays; TypeError beyond 64 levels of the value."""
    for _ in range(_WRAPPING):
        value = [value]
    return orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)


def _read_proven(data: bytes) -> Reading | None:
    """Return the reading if serialising it again proves it right, else None."""
    odd: list[Any] = []

    def read_float(text: str) -> float:
        """Return a double; note one that serialising would write otherwise."""
        number = float(text)
        # Most are scores; the first comparison spares them a call.
        if not LEAST_PLAIN_FLOAT <= number < 1 and not is_plain_float(number):
            odd.append(None)
        return number

    try:
        value = msgspec.json.Decoder(float_hook=read_float).decode(data)
        written = _dump_within_depth(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError, OverflowError):
        return None
    if not any(_is_wrapped(written, text) for text in _unspaced(data)):
        return None
    if not odd:
        return Reading(value, True)
    # Both values at once would take twice the memory.
    del value, written
    return _read_normalised(data)


def _read_normalised(data: bytes) -> Reading:
    """Read again what is proven sound, with integral floats as the ints they equal.

    Decoding twice is faster than looking for them in the value.
    """
    hooks = _Hooks()
    decoder = msgspec.json.Decoder(float_hook=hooks.read_float)
    return Reading(decoder.decode(data), hooks.plain)


def _is_wrapped(written: bytes, text: bytes) -> bool:
    """Return whether what was written is the text inside the wrapping arrays."""
    size = len(text) + 2 * _WRAPPING
    return len(written) == size and written.startswith(text, _WRAPPING)


def _unspaced(data: bytes) -> Iterator[bytes]:
    """Yield the text as it is, then without the white space that serialisers put in.

    Taking away white space never makes two members out of one, so equality still
    proves that there were no duplicates. White space that these rules miss, or take
    from within a string, only makes the comparison fail.
    """
    data = data.strip(b" \t\r\n")
    yield data
    if b"\n" in data[:_SNIFFED]:
        lines = data.split(b"\n")
        yield b"".join(map(bytes.lstrip, lines)).replace(b'": ', b'":')
    else:
        text = data.replace(b'": ', b'":')
        for opening in (b'"', b"{", b"["):
            text = text.replace(b", " + opening, b"," + opening)
        yield text


def normal_number(number: float) -> int | float:
    """Return the int that a double equals, where it is one within ±(2**53-1)."""
    if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER and number.is_integer():
        return int(number)
    return number


# --- The exact way: the standard library's parser, with hooks --------------------


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands in the parsed value where something is to be refused."""

    code: str
    message: str
    name: str | None = None


class _Hooks:
    """What the parser calls; faults found are left in place, to be given their path."""

    def __init__(self) -> None:
        self.found_fault = False
        self.plain = True

    def fault(self, code: str, message: str, name: str | None = None) -> _Fault:
        """Note that something is to be refused, and return what stands in its place."""
        self.found_fault = True
        return _Fault(code, message, name)

    def read_object(self, pairs: list[tuple[str, Any]]) -> Any:
        """Return the members, or the fault of a name that occurs twice."""
        members = dict(pairs)
        if len(members) == len(pairs):
            return members
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                break
            seen.add(name)
        return self.fault("duplicate_member", "the member name occurs twice", name)

    def read_integer(self, text: str) -> Any:
        """Return the integer, or the double that equals it, or a fault for neither."""
        if len(text) <= _SAFE_DIGITS:
            return int(text)
        if len(text) <= _MAX_INTEGER_DIGITS + 1:
            number = int(text)
            if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
                return number
            nearest = float(text)
            if nearest == number:
                self.plain = False
                return nearest
        return self.fault(
            "inexact_integer", "an integer that no IEEE 754 double equals"
        )

    def read_float(self, text: str) -> Any:
        """Return a double; note one that serialising would write otherwise."""
        number = float(text)
        if LEAST_PLAIN_FLOAT <= number < 1 or is_plain_float(number):
            return number
        if number in (float("inf"), float("-inf")):
            return self.fault(
                "number_too_large", "a number beyond every IEEE 754 double"
            )
        normal = normal_number(number)
        self.plain = self.plain and type(normal) is int
        return normal


def _refuse_constant(text: str) -> Any:
    """Refuse NaN and the infinities, which the parser would take."""
    raise DocumentRefused("not_json", f"{text} is not a JSON value")


def _read_with_hooks(data: bytes) -> Reading:
    """Read exactly, and refuse with the path of the first fault."""
    text = _decode(data)
    hooks = _Hooks()
    try:
        value = json.loads(
            text,
            object_pairs_hook=hooks.read_object,
            parse_int=hooks.read_integer,
            parse_float=hooks.read_float,
            parse_constant=_refuse_constant,
        )
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        raise DocumentRefused("not_json", _explain(error)) from None
    _require_depth(value)
    _require_surrogate_pairs(text)
    if hooks.found_fault:
        raise _refusal_at_path(value)
    return Reading(value, hooks.plain)


def _explain(error: json.JSONDecodeError) -> str:
    """Return what is wrong with a text that is not JSON, and where."""
    where = f"line {error.lineno}, column {error.colno}"
    if error.msg.startswith("Unterminated string"):
        return (
            f"not JSON: the file ends inside the text that starts at {where}. "
            "It was cut off; collect or send it again"
        )
    if not error.doc[error.pos :].strip():
        return (
            f"not JSON: the file ends at {where}, before the document does. It was cut "
            "off; collect or send it again"
        )
    if error.msg == "Extra data":
        return f"not JSON: more follows where the document ends, at {where}"
    fault = error.msg.removesuffix(" at")
    return f"not JSON: {fault[:1].lower()}{fault[1:]} at {where}"


def _decode(data: bytes) -> str:
    """Return the text of UTF-8 bytes. Raise DocumentRefused for any other."""
    if not data.strip(b" \t\r\n"):
        raise DocumentRefused("empty", "expected a JSON object, got an empty file")
    if data.startswith(b"\xef\xbb\xbf"):
        raise DocumentRefused(
            "not_json", "starts with a byte order mark: save it as UTF-8 without one"
        )
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise DocumentRefused(
            "not_utf8", f"not UTF-8: the byte at offset {error.start} fits no character"
        ) from None


def _too_deep() -> DocumentRefused:
    """Return the refusal of too much nesting."""
    return DocumentRefused("too_deep", f"nested more than {MAX_DEPTH} levels deep")


def _require_depth(value: Any) -> None:
    """Raise DocumentRefused beyond MAX_DEPTH levels, without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for container in level
            if type(container) is dict or type(container) is list
            for item in (container.values() if type(container) is dict else container)
        ]
        if not level:
            return
    if any(type(item) in (dict, list) for item in level):
        raise _too_deep()


def _require_surrogate_pairs(text: str) -> None:
    """Refuse half a surrogate pair: an escape is the only way one can be written."""
    if any(len(match.group()) == 6 for match in _ESCAPE.finditer(text)):
        raise DocumentRefused(
            "lone_surrogate", "a string holds half of a surrogate pair"
        )


# Matches twelve characters for a pair, six for half of one, two for other escapes.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    r"|u[dD][c-fC-F][0-9a-fA-F]{2}|.)",
    re.DOTALL,
)


# --- Where the fault lies --------------------------------------------------------


def _faults(value: Any) -> Iterator[tuple[str, _Fault]]:
    """Yield (path, fault) in document order."""
    stack: list[tuple[str, Any]] = [("$", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, _Fault):
            yield path, item
        elif type(item) is dict:
            members = [(member_path(path, name), each) for name, each in item.items()]
            stack.extend(reversed(members))
        elif type(item) is list:
            elements = [(f"{path}[{place}]", each) for place, each in enumerate(item)]
            stack.extend(reversed(elements))


def _refusal_at_path(value: Any) -> DocumentRefused:
    """Return the refusal of the first fault in document order."""
    path, fault = next(_faults(value))
    if fault.name is not None:
        path = member_path(path, fault.name)
    return DocumentRefused(fault.code, fault.message, path)


_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def member_path(path: str, name: str) -> str:
    """Append a member to a JSON path (RFC 9535), cut where the name is very long."""
    if _PLAIN_NAME.match(name) and len(name) <= _MAX_NAME:
        return f"{path}.{name}"
    shown = name if len(name) <= _MAX_NAME else name[:_MAX_NAME] + "…"
    quoted = json.dumps(shown, ensure_ascii=False).replace("'", "\\'")[1:-1]
    return f"{path}['{quoted}']"


Progress = Callable[[float], None]
