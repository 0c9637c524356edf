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
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import orjson

from .canonical import LEAST_PLAIN_FLOAT, MAX_SAFE_INTEGER, has_high_characters
from .errors import DocumentRefused
from .reading_exactly import MAX_DEPTH, Hooks, Reading, read_exactly

# Indented documents have a line feed within so many bytes.
_SNIFFED = 64


def read_document(data: bytes) -> dict[str, Any]:
    """Return the object that a document holds; raise `DocumentRefused` otherwise."""
    return read(data).value


def read(data: bytes) -> Reading:
    """Read a document strictly, and tell whether all its numbers are plain."""
    with collector_paused():
        reading = _read_proven(data) or read_exactly(data)
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


def _dump(value: Any, arrays: int, *, sort: bool = False) -> bytes:
    """Serialise inside so many arrays; TypeError tells of too many levels in all."""
    for _ in range(arrays):
        value = [value]
    option = orjson.OPT_STRICT_INTEGER | (orjson.OPT_SORT_KEYS if sort else 0)
    return orjson.dumps(value, option=option)


def _read_proven(
    data: bytes, *, within: int = 0, sorted_first: bool = False
) -> Reading | None:
    """Return the reading if serialising it again proves it right, else None.

    `within` is how many levels of a document are around these bytes. `sorted_first`:
    members may well be sorted, in which case the bytes are the canonical form.
    """
    arrays = _WRAPPING + within
    odd: list[Any] = []

    def read_float(text: str) -> float:
        """Return a double; note one that serialising would write otherwise."""
        number = float(text)
        # As is_plain_float has it; a call of its own would be most of the work.
        if not LEAST_PLAIN_FLOAT <= number < 1 and (
            not LEAST_PLAIN_FLOAT <= abs(number) <= MAX_SAFE_INTEGER
            or number.is_integer()
        ):
            odd.append(None)
        return number

    try:
        value = msgspec.json.Decoder(float_hook=read_float).decode(data)
        if sorted_first and _is_wrapped(_dump(value, arrays, sort=True), data, arrays):
            is_sorted, written = True, b""
        else:
            is_sorted, written = False, _dump(value, arrays)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError, OverflowError):
        return None
    if not is_sorted and not any(
        _is_wrapped(written, text, arrays) for text in _unspaced(data)
    ):
        return None
    if not odd:
        is_canonical = is_sorted and not has_high_characters(data)
        return Reading(value, True, data if is_canonical else None)
    # Both values at once would take twice the memory.
    del value
    return _read_normalised(data)


def read_part(data: bytes, *, within: int, sorted_first: bool) -> Reading:
    """Read a part of a document as strictly as the whole, `within` so many levels.

    Raise DocumentRefused with a path that begins at the part. `sorted_first` as above.
    """
    proven = _read_proven(data, within=within, sorted_first=sorted_first)
    return proven or read_exactly(data, within=within)


def _read_normalised(data: bytes) -> Reading:
    """Read again what is proven sound, with integral floats as the ints they equal.

    Decoding twice is faster than looking for them in the value.
    """
    hooks = Hooks()
    decoder = msgspec.json.Decoder(float_hook=hooks.read_float)
    return Reading(decoder.decode(data), hooks.plain)


def _is_wrapped(written: bytes, text: bytes, arrays: int) -> bool:
    """Return whether what was written is the text inside so many arrays."""
    size = len(text) + 2 * arrays
    return len(written) == size and written.startswith(text, arrays)


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
