"""Unpack an extension's source in memory.

Guarantees: nothing is written, run or followed; a member is read in pieces and
counted as it is read, so that a declared size is never believed; links, devices,
duplicates, absolute paths and paths that climb out are refused by name. Archives
inside the archive are listed, not opened. Every refusal is a `SourceRefusedError`.

Does not: judge what the files mean, or open formats other than zip and tar (plain,
gzip, bzip2, xz).
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, cast

from evidence.format.zips import ZipRefused, count_members
from evidence.text import is_storable
from policy.scanner.errors import SourceRefusedError

MIB = 1024 * 1024
# A large extension with its dependencies has a few thousand files.
MAX_MEMBERS = 20_000
MAX_TOTAL_BYTES = 256 * MIB
MAX_MEMBER_BYTES = 64 * MIB
# Text compresses up to some 20 times; a run of equal bytes a thousand times.
MAX_RATIO = 200
# Below this a high ratio costs nothing, and small repetitive files do reach it.
RATIO_FLOOR_BYTES = 4 * MIB
MAX_PATH_DEPTH = 64
MAX_PATH_CHARACTERS = 1024
_PIECE_BYTES = 64 * 1024
_TAR_BLOCK_BYTES = 512

_ARCHIVE_SUFFIXES = [
    ".zip",
    ".jar",
    ".tar",
    ".tgz",
    ".tbz",
    ".tbz2",
    ".txz",
    ".gz",
    ".bz2",
    ".xz",
    ".7z",
    ".rar",
    ".zst",
    ".asar",
]
_DRIVE = re.compile(r"^[A-Za-z]:")
_UNPACK_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True)
class ArchiveLimits:
    """How much an archive may unpack to."""

    members: int = MAX_MEMBERS
    total_bytes: int = MAX_TOTAL_BYTES
    member_bytes: int = MAX_MEMBER_BYTES
    ratio: int = MAX_RATIO


@dataclass(frozen=True)
class SourceFile:
    """One file of a source: its path inside the archive and its bytes."""

    path: str
    data: bytes = field(repr=False)
    is_archive: bool = False


def unpack_source(
    data: bytes, name: str, limits: ArchiveLimits | None = None
) -> list[SourceFile]:
    """Return the files of a zip or tar, or the one file that `data` is.

    The content decides, not the name. Raise SourceRefusedError.
    """
    limits = limits or ArchiveLimits()
    try:
        return list(_unpack(data, name, limits))
    except _UNPACK_ERRORS as error:
        raise SourceRefusedError(
            "archive_unreadable",
            f"The archive cannot be read ({type(error).__name__}): "
            "expected an intact zip or tar. Collect it again from its origin.",
        ) from error


def _unpack(data: bytes, name: str, limits: ArchiveLimits) -> Iterator[SourceFile]:
    """Return the files of an archive, or the one file that is none."""
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _unpack_zip(data, limits)
    opener = _decompressor(data)
    if opener is not None:
        return _unpack_compressed(data, name, opener, limits)
    if _is_tar(data):
        return _unpack_tar(io.BytesIO(data), len(data), limits)
    _require_size(len(data), name, limits)
    return iter([SourceFile(posixpath.basename(name) or "source", data)])


def _decompressor(data: bytes) -> Callable[[IO[bytes]], IO[bytes]] | None:
    """Return what opens gzip, bzip2 or xz data, by the first bytes; None for others."""
    if data.startswith(b"\x1f\x8b"):
        return lambda raw: cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if data.startswith(b"BZh"):
        return lambda raw: bz2.BZ2File(raw)
    if data.startswith(b"\xfd7zXZ\x00"):
        return lambda raw: lzma.LZMAFile(raw)
    return None


def _is_tar(data: bytes) -> bool:
    """Return whether the data begin with a POSIX tar header."""
    return len(data) >= _TAR_BLOCK_BYTES and data[257:262] == b"ustar"


def _unpack_compressed(
    data: bytes,
    name: str,
    opener: Callable[[IO[bytes]], IO[bytes]],
    limits: ArchiveLimits,
) -> Iterator[SourceFile]:
    """Unpack a compressed tar, or one compressed file."""
    with opener(io.BytesIO(data)) as probe:
        is_tar = _is_tar(probe.read(_TAR_BLOCK_BYTES))
    stream = _Bounded(opener(io.BytesIO(data)), len(data), limits)
    if is_tar:
        return _unpack_tar(stream, len(data), limits)
    inner = posixpath.splitext(posixpath.basename(name))[0] or "source"
    return iter([SourceFile(inner, _read(stream, inner, limits))])


class _Bounded(io.RawIOBase):
    """A decompressed stream that refuses once it has given too much."""

    def __init__(self, raw: IO[bytes], packed: int, limits: ArchiveLimits) -> None:
        self._raw, self._packed, self._limits, self._given = raw, packed, limits, 0

    def readable(self) -> bool:
        """Return True: `io` asks before it reads."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; refuse what unpacks to more than the limits allow."""
        wanted = _PIECE_BYTES if size is None or size < 0 else min(size, 16 * MIB)
        piece = self._raw.read(wanted)
        self._given += len(piece)
        # Headers and padding are part of the stream, so it may exceed the files' sum.
        overhead = self._limits.members * 2 * _TAR_BLOCK_BYTES
        _require_total(self._given - overhead, self._limits)
        _require_ratio(self._given, self._packed, self._limits)
        return piece


def _unpack_tar(
    stream: IO[bytes] | io.RawIOBase, packed: int, limits: ArchiveLimits
) -> Iterator[SourceFile]:
    """Yield the regular files of a tar stream; refuse links, devices and bad paths."""
    ledger = _Ledger(packed, limits)
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            path = ledger.admit(member.name, is_folder=member.isdir())
            if member.isdir():
                continue
            _require_regular_tar(member)
            _require_size(member.size, path, limits)
            handle = archive.extractfile(member)
            assert handle is not None  # a regular member always has one
            yield ledger.file(path, _read(handle, path, limits))


def _require_regular_tar(member: tarfile.TarInfo) -> None:
    """Refuse a member that is no file or folder: a link, a device, a pipe."""
    if member.issym() or member.islnk():
        kind = "symbolic" if member.issym() else "hard"
        raise _refused("archive_link", member.name, f"is a {kind} link")
    if not member.isreg():
        raise _refused("archive_device", member.name, "is a device, pipe or socket")


def _unpack_zip(data: bytes, limits: ArchiveLimits) -> Iterator[SourceFile]:
    """Yield the regular files of a zip archive; refuse links, devices and bad paths."""
    ledger = _Ledger(len(data), limits)
    _require_sound_directory(data, limits)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            # orig_filename keeps what zipfile cuts at a NUL byte.
            path = ledger.admit(info.orig_filename, is_folder=info.is_dir())
            _require_regular_zip(info)
            if info.is_dir():
                continue
            _require_size(info.file_size, path, limits)
            with archive.open(info) as handle:
                yield ledger.file(path, _read(handle, path, limits))


def _require_sound_directory(data: bytes, limits: ArchiveLimits) -> None:
    """Count the members before zipfile reads its directory, which it does whole."""
    try:
        count_members(io.BytesIO(data), most=limits.members)
    except ZipRefused as refusal:
        if refusal.code == "too_many":
            _require_members(limits.members + 1, limits)
        raise SourceRefusedError(
            "archive_unreadable",
            f"The archive cannot be read: {refusal.message}. "
            "Collect it again from its origin.",
        ) from refusal


def _require_regular_zip(info: zipfile.ZipInfo) -> None:
    """Refuse a member that is a link, a device, or encrypted."""
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if stat.S_ISLNK(mode):
        raise _refused("archive_link", info.filename, "is a symbolic link")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused("archive_device", info.filename, "is a device, pipe or socket")
    if info.flag_bits & 0x1:
        raise _refused("archive_encrypted", info.filename, "is encrypted")


@dataclass
class _Ledger:
    """What has been unpacked so far."""

    packed: int
    limits: ArchiveLimits
    count: int = 0
    total: int = 0
    seen: dict[str, bool] = field(default_factory=dict)

    def admit(self, raw_name: str, *, is_folder: bool) -> str:
        """Return the member's checked path; raise if it may not be unpacked."""
        self.count += 1
        _require_members(self.count, self.limits)
        path = require_safe_path(raw_name)
        if path in self.seen and not (is_folder and self.seen[path]):
            raise _refused("archive_duplicate", raw_name, "appears more than once")
        self.seen[path] = is_folder
        return path

    def file(self, path: str, content: bytes) -> SourceFile:
        """Count a member that has been read, and return it."""
        self.total += len(content)
        _require_total(self.total, self.limits)
        _require_ratio(self.total, self.packed, self.limits)
        return SourceFile(path, content, is_archive=_looks_like_archive(path, content))


def require_safe_path(raw_name: str) -> str:
    """Return the normal form of a member's path; raise SourceRefusedError."""
    name = raw_name.replace("\\", "/")
    if not is_storable(name) or not name.strip("/."):
        if name.strip("/") == "." or name in ("./", "."):
            return "."
        raise _refused("archive_path", raw_name, "is not a usable path")
    if name.startswith("/") or _DRIVE.match(name):
        raise _refused("archive_absolute_path", raw_name, "is an absolute path")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _refused("archive_traversal", raw_name, "climbs out of the archive")
    if len(parts) > MAX_PATH_DEPTH or len(name) > MAX_PATH_CHARACTERS:
        raise _refused("archive_depth", raw_name, "is nested too deeply")
    return "/".join(parts)


def _read(stream: IO[bytes] | _Bounded, path: str, limits: ArchiveLimits) -> bytes:
    """Return a member's bytes; count them, since headers lie about sizes."""
    pieces, size = [], 0
    while piece := stream.read(_PIECE_BYTES):
        size += len(piece)
        _require_size(size, path, limits)
        pieces.append(piece)
    return b"".join(pieces)


def _looks_like_archive(path: str, content: bytes) -> bool:
    """Return whether a member is an archive itself, by its name or first bytes."""
    magic = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")
    return path.lower().endswith(tuple(_ARCHIVE_SUFFIXES)) or content.startswith(magic)


def _require_members(count: int, limits: ArchiveLimits) -> None:
    """Refuse an archive of more members than the limit."""
    if count > limits.members:
        raise SourceRefusedError(
            "archive_members",
            f"The archive has more than {limits.members} members. Split it.",
        )


def _require_size(size: int, path: str, limits: ArchiveLimits) -> None:
    """Refuse a member of more bytes than the limit."""
    if size > limits.member_bytes:
        reason = f"is larger than {limits.member_bytes} bytes"
        raise _refused("archive_member_size", path, reason)


def _require_total(total: int, limits: ArchiveLimits) -> None:
    """Refuse an archive that unpacks to more bytes than the limit."""
    if total > limits.total_bytes:
        raise SourceRefusedError(
            "archive_total_size",
            f"The archive unpacks to more than {limits.total_bytes} bytes. Split it.",
        )


def _require_ratio(unpacked: int, packed: int, limits: ArchiveLimits) -> None:
    """Refuse what unpacks to many times its packed size, once it is large at all."""
    if unpacked > RATIO_FLOOR_BYTES and unpacked > packed * limits.ratio:
        raise SourceRefusedError(
            "archive_ratio",
            f"The archive unpacks to more than {limits.ratio} times its size, "
            "as a decompression bomb does. Unpack it by hand in isolation.",
        )


def _refused(code: str, member: str, reason: str) -> SourceRefusedError:
    """Return the refusal of a member, its name escaped and cut to 200 characters."""
    shown = member[:200].encode("unicode_escape", "replace").decode("ascii")
    message = (
        f"Member {shown!r} {reason}: expected plain files with relative paths. "
        "The archive was not unpacked; inspect it by hand in isolation."
    )
    return SourceRefusedError(code, message, member=shown)
