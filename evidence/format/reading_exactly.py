"""Reading I-JSON exactly: the standard library's parser with hooks.

Several times slower than the fast way of reading.py, and the one that can say where
the fault lies. What counts as a fault is said there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .canonical import LEAST_PLAIN_FLOAT, MAX_SAFE_INTEGER, is_plain_float
from .errors import DocumentRefused

MAX_DEPTH = 64
# No double has more digits before the point; longer integers need no arithmetic.
_MAX_INTEGER_DIGITS = 309
# Integers of up to 15 digits are exact in a double.
_SAFE_DIGITS = 15
# Beyond this, a reference to a name in a message is cut.
_MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read. `plain`: orjson writes all its numbers canonically.

    `canonical` is its canonical form, where the bytes are proven to be that.
    """

    value: Any
    plain: bool
    canonical: bytes | None = None


def normal_number(number: float) -> int | float:
    """Return the int that a double equals, where it is one within ±(2**53-1)."""
    if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER and number.is_integer():
        return int(number)
    return number


@dataclass(frozen=True, slots=True)
class _Fault:
    """Stands in the parsed value where something is to be refused."""

    code: str
    message: str
    name: str | None = None


class Hooks:
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


def read_exactly(data: bytes, *, within: int = 0) -> Reading:
    """Read exactly, and refuse with the path of the first fault.

    `within` is how many levels of a document are around these bytes.
    """
    text = _decode(data)
    hooks = Hooks()
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
    _require_depth(value, MAX_DEPTH - within)
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


def _require_depth(value: Any, most: int) -> None:
    """Raise DocumentRefused beyond so many levels, without recursion."""
    level = [value]
    for _ in range(most):
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
