"""How many members a zip has, counted before anything reads its directory whole.

The standard library's reader makes an object of every record of the directory before
anybody can count them: millions of records are minutes and gigabytes. Here the end
record is found as that reader finds it (APPNOTE.TXT, sections 4.3.14 to 4.3.16), and
the records are stepped over until there are too many.
"""

from __future__ import annotations

import io
import struct
from typing import IO

_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_MAX_COMMENT = 65_535
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64_LOCATOR_MAGIC = b"PK\x06\x07"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_MAGIC = b"PK\x06\x06"
_RECORD = struct.Struct("<4s24x3H12x")
_RECORD_MAGIC = b"PK\x01\x02"
# A directory of the greatest count allowed with long names stays far below.
MAX_DIRECTORY_BYTES = 64 * 1024 * 1024


class ZipRefused(Exception):
    """A zip whose directory is not to be read. `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def count_members(file: IO[bytes], *, most: int) -> int:
    """Return how many members a zip's directory holds; raise ZipRefused beyond `most`.

    Refused too: a directory that is damaged, or that says another number than it has.
    """
    start, size, said = _find_directory(file)
    if said > most:
        raise _too_many(most)
    if size > MAX_DIRECTORY_BYTES:
        raise ZipRefused("too_many", "its directory is larger than any sound one")
    count, place = 0, start
    while place < start + size:
        place += _record_size(file, place)
        count += 1
        if count > most:
            raise _too_many(most)
    if count != said:
        raise ZipRefused(
            "lying_count", f"its end says {said} members, and its directory has {count}"
        )
    return count


def _find_directory(file: IO[bytes]) -> tuple[int, int, int]:
    """Return (start, size in bytes, members said) of the central directory."""
    end = file.seek(0, io.SEEK_END)
    tail_start = max(0, end - _END.size - _MAX_COMMENT)
    tail = _read(file, tail_start, end - tail_start)
    # As zipfile: an end record without a comment first, else the last one there is.
    place = len(tail) - _END.size
    if place < 0 or not (tail.startswith(_END_MAGIC, place) and tail[-2:] == b"\0\0"):
        place = tail.rfind(_END_MAGIC)
    if place < 0 or len(tail) - place < _END.size:
        raise _damaged("it has no end record")
    _, _, _, _, said, size, _, _ = _END.unpack_from(tail, place)
    place += tail_start
    end64 = _find_end64(file, place)
    if end64 is not None:
        place, said, size = end64
    if size > place:
        raise _damaged("its directory begins before the file does")
    return place - size, size, said


def _find_end64(file: IO[bytes], end_place: int) -> tuple[int, int, int] | None:
    """Return (place, members said, directory size) of a ZIP64 end record, if any."""
    locator_place = end_place - _END64_LOCATOR.size
    if locator_place < 0:
        return None
    locator = _END64_LOCATOR.unpack(_read(file, locator_place, _END64_LOCATOR.size))
    if locator[0] != _END64_LOCATOR_MAGIC:
        return None
    place = locator_place - _END64.size
    if place < 0:
        raise _damaged("its ZIP64 end record is missing")
    record = _END64.unpack(_read(file, place, _END64.size))
    if record[0] != _END64_MAGIC:
        raise _damaged("its ZIP64 end record is missing")
    return place, record[7], record[8]


def _record_size(file: IO[bytes], place: int) -> int:
    """Return the bytes that one record of the directory takes."""
    magic, name, extra, comment = _RECORD.unpack(_read(file, place, _RECORD.size))
    if magic != _RECORD_MAGIC:
        raise _damaged("its directory is damaged")
    return int(_RECORD.size + name + extra + comment)


def _read(file: IO[bytes], place: int, size: int) -> bytes:
    """Return bytes from a place; refuse a file that ends before."""
    file.seek(place)
    data = file.read(size)
    if len(data) < size:
        raise _damaged("it ends too early")
    return data


def _too_many(most: int) -> ZipRefused:
    """Return the refusal of a zip with more members than the limit."""
    return ZipRefused("too_many", f"it has more than {most} members")


def _damaged(why: str) -> ZipRefused:
    """Return the refusal of a zip that cannot be read."""
    return ZipRefused("damaged", f"the zip cannot be read: {why}")
