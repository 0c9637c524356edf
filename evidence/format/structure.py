"""What a document is by its top-level members, read from a stream in flat memory.

Guarantees: names of members, and the types of their values, as they stand at the top
of the first JSON value; nested values are passed over by counting brackets outside of
strings, at any depth and any length of string. Members that occur twice count once
and hide nothing. No word inside a value decides anything.

Does not: check that what it passes over is JSON. The strict reader does (reading.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from .documents import DocumentKind
from .names import BUNDLE_SCHEMA, COUNTED_SECTIONS, LEDGER_SCHEMA

# A document with more top-level members is none that is known here.
MAX_MEMBERS = 10_000
# Longer names and texts are cut: none that decides anything is as long.
MAX_TEXT_BYTES = 200
FIRST_BLOCK, LAST_BLOCK = 256, 64 * 1024
# Records nest less deep; what nests deeper in one block is walked byte by byte.
MAX_COLLAPSES = 70

_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING_END = re.compile(rb'["\\]')
_SCALAR_END = re.compile(rb"[,}\]]")
_TOKENS = re.compile(rb'["{}\[\]]|\\.?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_ONE_KIND = bytes.maketrans(b"[]", b"{}")


class Form(StrEnum):
    """What the bytes are at the outermost."""

    OBJECT = "object"
    ARRAY = "array"
    SEQUENCE = "sequence"  # one JSON value after another, as in NDJSON
    OTHER = "other"  # no JSON object or array at all


@dataclass(slots=True)
class Structure:
    """The top of a document. `members`: name to type, `texts`: name to short string.

    `is_whole`: the first value ended, and nothing but white space or more JSON follows.
    """

    form: Form = Form.OTHER
    members: dict[str, str] = field(default_factory=dict)
    texts: dict[str, set[str]] = field(default_factory=dict)
    is_whole: bool = False

    def has_text(self, name: str, start: str) -> bool:
        """Return whether a member's text begins in a certain way."""
        return any(text.startswith(start) for text in self.texts.get(name, ()))


def read_structure(
    chunks: Iterable[bytes], *, into: Structure | None = None
) -> Structure:
    """Return what stands at the top of a stream of UTF-8.

    `into` is filled while reading, for the case that the stream breaks. No more is read
    than is needed: the end of the first value, and how what follows it begins.
    """
    scanner = _Scanner(into or Structure())
    for chunk in chunks:
        if not scanner.feed(chunk):
            break
    return scanner.found


_BUNDLE_NAME = BUNDLE_SCHEMA.removesuffix(".v1")
_LEDGER_NAME = LEDGER_SCHEMA.removesuffix(".v1")
_BUNDLE_MEMBERS = frozenset({*COUNTED_SECTIONS, "bundle_hash"}) - {"risk_ledger"}
_LEDGER_MEMBERS = frozenset({"head_ledger_hash", "tail_ledger_hash"})


def kind_by_structure(structure: Structure) -> DocumentKind | None:
    """Tell a bundle or ledger by its own members; None for everything else.

    It is one that says so by its schema, or has the members that only it has: a schema
    may be wrong or missing.
    """
    if structure.form is not Form.OBJECT:
        return None
    names = structure.members.keys()
    if structure.has_text("schema", _BUNDLE_NAME):
        return DocumentKind.BUNDLE
    if "risk_ledger" in names and len(names & _BUNDLE_MEMBERS) >= 2:
        return DocumentKind.BUNDLE
    if structure.has_text("schema", _LEDGER_NAME):
        return DocumentKind.LEDGER
    if "entries" in names and names & _LEDGER_MEMBERS:
        return DocumentKind.LEDGER
    return None


class _Scanner:
    """Reads the top level chunk by chunk; `_step` is what comes next in the stream."""

    def __init__(self, found: Structure) -> None:
        self.found = found
        self._step = self._begin
        self._text = bytearray()
        self._escaped = False
        self._name: str | None = None
        self._count = 0
        self._depth = 0
        self._in_string = False
        self._block = FIRST_BLOCK

    def feed(self, chunk: bytes) -> bool:
        """Read a chunk; return False where nothing more needs to be read."""
        place: int | None = 0
        while place is not None and place < len(chunk):
            place = self._step(chunk, place)
        return place is not None

    # Each step returns where the next begins, or None where reading ends.

    def _begin(self, chunk: bytes, place: int) -> int | None:
        """Read the document's first sign: an object or an array; None for others."""
        place = _skip_space(chunk, place)
        if place == len(chunk):
            return place
        opening = chunk[place : place + 1]
        if opening == b"{":
            self.found.form, self._step = Form.OBJECT, self._next_member
            return place + 1
        if opening == b"[":
            self.found.form = Form.ARRAY
            return self._enter(place + 1)
        return None

    def _next_member(self, chunk: bytes, place: int) -> int | None:
        """Read up to a member's name, or to the object's end."""
        place = _skip_space(chunk, place)
        if place == len(chunk):
            return place
        mark = chunk[place : place + 1]
        if mark == b"}":
            return self._end_value(place + 1, top=True)
        if mark == b",":
            return place + 1
        self._count += 1
        if mark != b'"' or self._count > MAX_MEMBERS:
            return None
        self._text.clear()
        self._name, self._step = None, self._string
        return place + 1

    def _string(self, chunk: bytes, place: int) -> int:
        """Read a name or a text, keeping no more than its beginning."""
        if self._escaped:
            self._escaped = False
            return self._keep(chunk, place, place + 1)
        end = _STRING_END.search(chunk, place)
        if end is None:
            return self._keep(chunk, place, len(chunk))
        self._keep(chunk, place, end.start())
        if end.group() == b"\\":
            self._keep(chunk, end.start(), end.end())
            self._escaped = True
            return end.end()
        text = _read_text(bytes(self._text))
        if self._name is None:
            self._name, self._step = text, self._colon
        else:
            self.found.texts.setdefault(self._name, set()).add(text)
            self._step = self._next_member
        return end.end()

    def _keep(self, chunk: bytes, start: int, end: int) -> int:
        """Keep a piece of a text, up to `MAX_TEXT_BYTES`; return its end."""
        room = MAX_TEXT_BYTES - len(self._text)
        self._text += chunk[start : min(end, start + room)]
        return end

    def _colon(self, chunk: bytes, place: int) -> int | None:
        """Read the colon after a member's name."""
        place = _skip_space(chunk, place)
        if place == len(chunk):
            return place
        self._step = self._value
        return place + 1 if chunk[place : place + 1] == b":" else None

    def _value(self, chunk: bytes, place: int) -> int:
        """Note the kind of a member's value, and go into it."""
        place = _skip_space(chunk, place)
        if place == len(chunk):
            return place
        mark = chunk[place : place + 1]
        kinds = {b'"': "string", b"{": "object", b"[": "array"}
        self.found.members[self._name or ""] = kinds.get(mark, "scalar")
        if mark == b'"':
            self._text.clear()
            self._step = self._string
            return place + 1
        if mark in kinds:
            return self._enter(place + 1)
        self._step = self._scalar
        return place

    def _scalar(self, chunk: bytes, place: int) -> int:
        """Pass over a number or a word."""
        end = _SCALAR_END.search(chunk, place)
        if end is None:
            return len(chunk)
        self._step = self._next_member
        return end.start()

    def _enter(self, place: int) -> int:
        """Go into an object or an array, which is passed over."""
        self._depth, self._in_string, self._escaped = 1, False, False
        self._block, self._step = FIRST_BLOCK, self._nested
        return place

    def _nested(self, chunk: bytes, place: int) -> int:
        """Pass over a block of a nested value: many at once where it does not end."""
        if self._escaped:
            self._escaped = False
            return place + 1
        block = chunk[place : place + self._block]
        self._block = min(self._block * 4, LAST_BLOCK)
        if not self._pass_over(block):
            return place + self._walk(block)
        return place + len(block)

    def _pass_over(self, block: bytes) -> bool:
        """Count a block's brackets; False, and nothing done, where it may end here."""
        escapes = len(block) - len(block.rstrip(b"\\"))
        plain = block.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = plain.split(b'"')
        outside = b"".join(parts[1::2] if self._in_string else parts[0::2])
        brackets = outside.translate(_ONE_KIND, _NO_BRACKETS)
        for _ in range(MAX_COLLAPSES):
            rest = brackets.replace(b"{}", b"")
            if len(rest) == len(brackets):
                break
            brackets = rest
        closing = brackets.count(b"}")
        if closing >= self._depth:
            return False
        self._depth += len(brackets) - 2 * closing
        self._in_string ^= len(parts) % 2 == 0
        self._escaped = escapes % 2 == 1
        return True

    def _walk(self, block: bytes) -> int:
        """Pass over a block token by token; return where it or the value ends."""
        for token in _TOKENS.finditer(block):
            mark = token.group()
            if mark[:1] == b"\\":
                self._escaped = len(mark) == 1
            elif mark == b'"':
                self._in_string = not self._in_string
            elif not self._in_string:
                self._depth += 1 if mark in b"{[" else -1
                if not self._depth:
                    self._end_value(0, top=self.found.form is Form.ARRAY)
                    return token.end()
        return len(block)

    def _end_value(self, place: int, *, top: bool) -> int:
        """Go on after a value; at the top, the document is whole."""
        self._step = self._after if top else self._next_member
        self.found.is_whole = top
        return place

    def _after(self, chunk: bytes, place: int) -> int | None:
        """Look at what follows the first value: nothing, more JSON, or rubbish."""
        place = _skip_space(chunk, place)
        if place == len(chunk):
            return place
        if chunk[place : place + 1] in (b"{", b"["):
            self.found.form = Form.SEQUENCE
        else:
            self.found.is_whole = False
        return None


def _read_text(raw: bytes) -> str:
    """Return a string's text; one that is cut or broken, as it is written."""
    text = raw.decode("utf-8", "replace")
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text


def _skip_space(chunk: bytes, place: int) -> int:
    """Return the place after white space."""
    found = _SPACE.match(chunk, place)
    return found.end() if found else place
