"""Long documents in pieces: what is not being looked at takes no memory.

Guarantees: what is read is what reading.py reads from the whole, as strictly, or
`DocumentRefused` is raised. It does not promise the same refusal: what is wrong, and
where, is found by reading the whole.

Why pieces prove the whole: an object is taken apart at its own members, where names,
colons and commas have to account for every byte between the values; an array at its
own elements, of which a run, joined by commas, is read as an array. Each value is read
by itself, at its own depth. So nothing stands in the document that was not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from .canonical import canonical_plain
from .errors import DocumentRefused
from .reading import read_document, read_part
from .reading_exactly import Reading


@dataclass(frozen=True, slots=True)
class Cut:
    """How documents are cut: how many records a piece has, how long a long value is."""

    records: int = 1000
    long_bytes: int = 256 * 1024


CUT = Cut()
# The format's objects have some twenty. One of very many is cheaper read at once than
# member by member, which takes some twenty times as long.
MOST_MEMBERS = 1000

# White space, what opens the object or parts members, a name, a colon.
_BEFORE_VALUE = re.compile(
    rb'[ \t\r\n]*([{,])[ \t\r\n]*("(?:[^"\\]|\\.)*+")[ \t\r\n]*:[ \t\r\n]*', re.DOTALL
)
_END = re.compile(rb"[ \t\r\n]*\}[ \t\r\n]*\Z")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_elements = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Piece:
    """Some records of an array, from index `start` on.

    `canonical` is their canonical form, with commas between and no brackets around.
    """

    start: int
    records: list[Any]
    canonical: bytes

    def serialized(self) -> list[bytes]:
        """Return the canonical form of each record, cut apart where that is sure."""
        found = self.canonical.replace(b"},{", b"}\n{").split(b"\n")
        # Between objects there is a boundary for sure, so one within a string or an
        # array makes a part too many. No line feed is in canonical form: it is escaped.
        if len(found) == len(self.records) and set(map(type, self.records)) == {dict}:
            return found
        return [canonical_plain(record, plain=False) for record in self.records]


class LongArray:
    """An array of a long document, read anew each time that it is walked."""

    def __init__(self, text: memoryview, *, within: int, cut: Cut) -> None:
        try:
            self._elements = _elements.decode(text)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise _not_apart() from None
        self._within = within
        self._cut = cut
        # Most documents are canonical, or none of their records is.
        self._is_sorted = True

    def __len__(self) -> int:
        return len(self._elements)

    def __iter__(self) -> Iterator[Any]:
        """Yield every record; raise DocumentRefused at a piece that is malformed."""
        for _, reading in self._readings():
            yield from reading.value

    def __getitem__(self, place: slice) -> list[Any]:
        """Return some of the records."""
        return list(self._read(place).value)

    def pieces(self) -> Iterator[Piece]:
        """Read piece by piece; raise DocumentRefused at one that is malformed."""
        for start, reading in self._readings():
            written = reading.canonical
            if written is None:
                self._is_sorted = False
                written = canonical_plain(reading.value, plain=reading.plain)
            yield Piece(start, reading.value, written[1:-1])

    def _readings(self) -> Iterator[tuple[int, Reading]]:
        """Read the elements, some at a time, each time with the index of the first."""
        for start in range(0, len(self._elements), self._cut.records):
            yield start, self._read(slice(start, start + self._cut.records))

    def _read(self, place: slice) -> Reading:
        """Read some of the elements."""
        text = b"[" + b",".join(self._elements[place]) + b"]"
        return read_part(text, within=self._within, sorted_first=self._is_sorted)


ARRAYS = (list, LongArray)
Array = list[Any] | LongArray


def pieces_of(records: Array, *, plain: bool = False) -> Iterator[Piece]:
    """Yield an array's pieces. `plain` is the reader's word on a list's numbers."""
    if isinstance(records, LongArray):
        yield from records.pieces()
        return
    for start in range(0, len(records), CUT.records):
        some = records[start : start + CUT.records]
        yield Piece(start, some, canonical_plain(some, plain=plain)[1:-1])


def open_document(data: bytes, *, cut: Cut = CUT) -> dict[str, Any]:
    """Return a long document's members, with a `LongArray` for each long array.

    Raise DocumentRefused where what is read at once is malformed; the rest is read,
    and may be refused, when it is walked.
    """
    return _open_object(data, (0, len(data)), within=0, cut=cut)


def open_or_read(data: bytes, *, cut: Cut = CUT) -> dict[str, Any]:
    """Return a document that was verified: opened where it is long, else as a whole."""
    if len(data) >= cut.long_bytes:
        with suppress(DocumentRefused):
            return open_document(data, cut=cut)
    return read_document(data)


Span = tuple[int, int]


def _open_object(data: bytes, span: Span, *, within: int, cut: Cut) -> dict[str, Any]:
    """Take an object apart at its members, and read those."""
    values = _values_of(data, span)
    if len(values) > MOST_MEMBERS:
        del values  # They take more memory than what is read.
        text = data[slice(*span)]
        whole: dict[str, Any] = read_part(text, within=within, sorted_first=False).value
        return whole
    return {
        name: _open(data, place, within=within + 1, cut=cut)
        for name, place in _places_of(data, span, values)
    }


def _open(data: bytes, span: Span, *, within: int, cut: Cut) -> Any:
    """Read a value: a long array later, a long object member by member."""
    start, end = span
    if end - start >= cut.long_bytes:
        if data.startswith(b"{", start):
            return _open_object(data, span, within=within, cut=cut)
        if data.startswith(b"[", start):
            return LongArray(memoryview(data)[start:end], within=within, cut=cut)
    return read_part(data[start:end], within=within, sorted_first=False).value


def _values_of(data: bytes, span: Span) -> dict[str, msgspec.Raw]:
    """Return the text of each member's value, not yet looked into."""
    start, end = span
    try:
        return _members.decode(memoryview(data)[start:end])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _not_apart() from None


def _places_of(
    data: bytes, span: Span, values: dict[str, msgspec.Raw]
) -> Iterator[tuple[str, Span]]:
    """Yield names and places of the values of an object, every byte accounted for."""
    place, end = span
    mark = b"{"
    for name, value in values.items():
        before = _BEFORE_VALUE.match(data, place, end)
        if before is None or before[1] != mark or not _is_name(before[2], name):
            raise _not_apart()
        start, place = before.end(), before.end() + len(memoryview(value))
        # Of a name that occurs twice, the decoder keeps the first place and the last
        # value: one of the two is then found not to stand where it should.
        if not data.startswith(value, start):
            raise _not_apart()
        yield name, (start, place)
        mark = b","
    if mark == b"{" or not _END.match(data, place, end):
        raise _not_apart()


def _is_name(text: bytes, name: str) -> bool:
    """Return whether a JSON string is a name."""
    try:
        return bool(json.loads(text) == name)
    except ValueError:
        return False


def _not_apart() -> DocumentRefused:
    """Return the refusal of what cannot be taken apart: the whole is to be read."""
    return DocumentRefused("not_json", "expected values that can be read one by one")
