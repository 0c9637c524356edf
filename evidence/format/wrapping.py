"""Documents as people send them: packed, or in another encoding than UTF-8.

Guarantees: gzip, a zip that holds one file, byte order marks and UTF-16 or UTF-32 are
read through in a stream, in flat memory, never beyond the limit given, whatever a
header promises. What was taken off is named, outermost first. The bytes themselves are
not to be changed: they are kept as they came.
"""

from __future__ import annotations

import codecs
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import IO

from .compression import GZIP_MAGIC, MAX_DOCUMENT_BYTES
from .errors import DocumentRefused
from .zips import ZipRefused, count_members

PIECE = 256 * 1024
ZIP_MAGIC = b"PK\x03\x04"
# gzip in gzip happens; more layers are a trick.
MAX_LAYERS = 2
# With more members a zip is an archive of something else.
MAX_ZIP_MEMBERS = 20_000
_GZIP_WINDOW = 31
# What follows a member is copied: many tiny ones must not copy much.
_GZIP_PIECE = 16 * 1024
# Block-wise writers make a few thousand of the largest upload.
MAX_GZIP_MEMBERS = 100_000
_HEAD_BYTES = 4
# What macOS puts beside a file.
_SIDECARS = re.compile(r"__MACOSX/|(.*/)?\.DS_Store\Z|(.*/)?\._")

# (beginning, size of its mark, codec, name), the longer marks first.
_MARKS = (
    (codecs.BOM_UTF32_LE, 4, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, 4, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF8, 3, "utf-8", "byte order mark"),
    (codecs.BOM_UTF16_LE, 2, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, 2, "utf-16-be", "UTF-16"),
)
_UNMARKED_LE = re.compile(rb"[{\[ \t\r\n]\x00[^\x00]\x00")
_UNMARKED_BE = re.compile(rb"\x00[{\[ \t\r\n]\x00[^\x00]")


@dataclass(frozen=True, slots=True)
class Unwrapped:
    """A document's bytes in UTF-8, piece by piece, and what was taken off them."""

    chunks: Iterator[bytes]
    wrappings: tuple[str, ...]


def unwrap_stream(file: IO[bytes], *, max_bytes: int) -> Unwrapped:
    """Read through what a document is wrapped in; raise DocumentRefused on the way.

    A zip of several files is no wrapping and comes as it is. `file` must be seekable
    and stay open while the chunks are read.
    """
    names: list[str] = []
    chunks = _read_file(file)
    if _head_of(file).startswith(ZIP_MAGIC):
        member = _only_member(file)
        if member is None:
            return Unwrapped(_limited(chunks, max_bytes), ())
        names.append("zip")
        chunks = member
    head, chunks = _peek(chunks)
    for _ in range(MAX_LAYERS):
        if not head.startswith(GZIP_MAGIC):
            break
        names.append("gzip")
        head, chunks = _peek(_gunzip(chunks))
    mark, codec, name = _encoding_of(head)
    if name:
        names.append(name)
        chunks = _recode(chunks, mark, codec)
    return Unwrapped(_limited(chunks, max_bytes), tuple(names))


def unwrap(data: bytes, *, max_bytes: int = MAX_DOCUMENT_BYTES) -> bytes:
    """Return a document's bytes without their wrapping; refuse too many."""
    found = unwrap_stream(io.BytesIO(data), max_bytes=max_bytes)
    if not found.wrappings and len(data) <= max_bytes:
        return data
    return b"".join(found.chunks)


# Packed, and not read through: what a look at the first bytes can name.
_PACKED = (
    (b"PK\x03\x04", "Zip archive, not of one file"),
    (b"PK\x05\x06", "Empty zip archive"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip archive"),
    (b"Rar!", "RAR archive"),
)
_TAR, _TAR_MAGIC, _TAR_MAGIC_AT = "Tar archive", b"ustar", 257
PACKED_HEAD_BYTES = 512
"""How many first bytes `name_packed` looks at: one record of a tar."""
PACKED_NAMES = frozenset((*(name for _, name in _PACKED), _TAR))


def name_packed(head: bytes) -> str:
    """Return what kind of packed file begins with these bytes; empty for none."""
    if head.startswith(_TAR_MAGIC, _TAR_MAGIC_AT):
        return _TAR
    return next((name for magic, name in _PACKED if head.startswith(magic)), "")


def _head_of(file: IO[bytes]) -> bytes:
    """Return a file's first bytes."""
    file.seek(0)
    return file.read(_HEAD_BYTES)


def _read_file(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a file from its beginning, in pieces."""
    file.seek(0)
    yield from iter(partial(file.read, PIECE), b"")


def _peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of a stream, and the whole stream."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= _HEAD_BYTES:
            break
    return head[:_HEAD_BYTES], chain((head,), chunks)


def _limited(chunks: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    """Yield chunks; refuse more than `max_bytes` of them together."""
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > max_bytes:
            raise DocumentRefused("too_large", f"more than {max_bytes} bytes unpacked")
        yield chunk


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what gzip data unpack to, member by member."""
    unpacker, members = zlib.decompressobj(_GZIP_WINDOW), 1
    for rest in _cut(chunks, _GZIP_PIECE):
        while rest:
            if unpacker.eof:
                rest = rest.lstrip(b"\0")
                if rest:
                    unpacker = zlib.decompressobj(_GZIP_WINDOW)
                    members += 1
                continue
            if members > MAX_GZIP_MEMBERS:
                raise DocumentRefused("bad_gzip", "the gzip data has too many parts")
            yield _inflate(unpacker, rest)
            rest = unpacker.unused_data or unpacker.unconsumed_tail
    if not unpacker.eof:
        raise DocumentRefused("bad_gzip", "the gzip data ends early")


def _cut(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield chunks in pieces of at most `size` bytes."""
    for chunk in chunks:
        for place in range(0, len(chunk), size):
            yield chunk[place : place + size]


def _inflate(unpacker: zlib._Decompress, packed: bytes) -> bytes:
    """Return what a piece unpacks to; refuse damaged data."""
    try:
        return unpacker.decompress(packed, PIECE)
    except zlib.error:
        raise DocumentRefused("bad_gzip", "the gzip data is damaged") from None


def _only_member(file: IO[bytes]) -> Iterator[bytes] | None:
    """Return the pieces of the one file that a zip holds; None where it is not one."""
    try:
        count_members(file, most=MAX_ZIP_MEMBERS)
        archive = zipfile.ZipFile(file)
        files = [
            member
            for member in archive.infolist()
            if not member.is_dir() and not _SIDECARS.match(member.filename)
        ]
        encrypted = len(files) == 1 and files[0].flag_bits & 1
    except (ZipRefused, zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    if len(files) != 1 or encrypted:
        return None
    return _read_member(archive, files[0])


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a zip's member in pieces; refuse a damaged one."""
    try:
        with archive.open(info) as member:
            yield from iter(partial(member.read, PIECE), b"")
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        raise _bad_zip() from error
    except (NotImplementedError, RuntimeError) as error:
        raise _bad_zip() from error


def _bad_zip() -> DocumentRefused:
    """Return the refusal of a damaged zip."""
    return DocumentRefused("bad_zip", "the file in the zip is damaged")


def _encoding_of(head: bytes) -> tuple[int, str, str]:
    """Return the size of the mark, the codec, and its name, empty for plain UTF-8."""
    for beginning, size, codec, name in _MARKS:
        if head.startswith(beginning):
            return size, codec, name
    # A shell may leave the mark out; JSON begins with ASCII.
    if _UNMARKED_LE.match(head):
        return 0, "utf-16-le", "UTF-16"
    if _UNMARKED_BE.match(head):
        return 0, "utf-16-be", "UTF-16"
    return 0, "utf-8", ""


def _recode(chunks: Iterator[bytes], mark: int, codec: str) -> Iterator[bytes]:
    """Yield text as UTF-8, without its byte order mark; refuse a mixed encoding."""
    first = next(chunks)[mark:]
    if codec == "utf-8":
        yield from chain((first,), chunks)
        return
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for chunk in chain((first,), chunks):
            yield decoder.decode(chunk).encode()
        decoder.decode(b"", final=True)
    except UnicodeError:
        raise DocumentRefused(
            "bad_encoding",
            f"the text is not sound {codec.upper()}: it was cut or mixed",
        ) from None
