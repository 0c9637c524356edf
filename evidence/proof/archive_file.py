"""Writing a case archive: docs/proof-format.md, sections 3 and 4.

Pure: members come as readers of bytes, and go into a file that the caller opened. The
same members give the same bytes on any machine. What is written is stored, not packed:
a ZIP library's packing may change, and an archive is made to be held against another.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from evidence.format import DocumentRefused, canonical_bytes
from evidence.proof.verify_archive import PREDICATE_TYPE, STATEMENT_TYPE, UNLISTED
from evidence.storable_values import readable

ReadPieces = Callable[[], Iterable[bytes]]
EPOCH = (1980, 1, 1, 0, 0, 0)
UNIX = 3
MODE = 0o100644 << 16
# As many digits as the largest number has whose canonical form is always read again.
_LONG = re.compile(rb"\d{16}")


@dataclass(frozen=True)
class Member:
    """A member by its name below the archive's folder, and a way to read its bytes."""

    name: str
    read: ReadPieces
    size_bytes: int = field(init=False)
    sha256_hex: str = field(init=False)

    def __post_init__(self) -> None:
        digest, size = hashlib.sha256(), 0
        for piece in self.read():
            digest.update(piece)
            size += len(piece)
        object.__setattr__(self, "size_bytes", size)
        object.__setattr__(self, "sha256_hex", digest.hexdigest())


def member_of(name: str, data: bytes) -> Member:
    """Return a small member whose bytes are at hand."""
    return Member(name, lambda: [data])


def make_manifest(members: Iterable[Member], predicate: dict[str, Any]) -> bytes:
    """Return manifest.json over these members, in canonical form."""
    return canonical_bytes(_statement(_in_order(members), predicate))


def write_archive(
    file: IO[bytes],
    *,
    folder: str,
    members: Iterable[Member],
    manifest: bytes,
    envelope: dict[str, Any],
    time_stamps: Iterable[Member] = (),
) -> None:
    """Write an archive of these members into a file that can seek.

    `manifest` is `make_manifest` of the same members, which the time stamps are not
    among: they are given over it.
    """
    listed = _in_order(members)
    sums = "".join(
        f"{member.sha256_hex}  {member.name}\n" for member in listed
    ).encode()
    own = zip(UNLISTED, (sums, manifest, canonical_bytes(envelope)), strict=True)
    whole = [*listed, *time_stamps, *(member_of(name, data) for name, data in own)]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for member in _in_order(whole):
            _write_member(archive, f"{folder}/{member.name}", member)


def _in_order(members: Iterable[Member]) -> list[Member]:
    """Return members in order of their names' bytes."""
    return sorted(members, key=lambda member: member.name.encode())


def _write_member(archive: zipfile.ZipFile, name: str, member: Member) -> None:
    """Write a member with a fixed date and mode, so that bytes repeat."""
    info = zipfile.ZipInfo(name, EPOCH)
    info.create_system = UNIX
    info.external_attr = MODE
    # Known beforehand, so that a large member alone gets what only it needs.
    info.file_size = member.size_bytes
    with archive.open(info, "w") as file:
        for piece in member.read():
            file.write(piece)


def _statement(members: Sequence[Member], predicate: dict[str, Any]) -> dict[str, Any]:
    """Return the in-toto statement about the members."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": member.name, "digest": {"sha256": member.sha256_hex}}
            for member in members
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }


def document_lines(documents: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Yield rows as the lines of a list, each in canonical form."""
    for document in documents:
        yield _line_of(document) + b"\n"


def _line_of(document: dict[str, Any]) -> bytes:
    """Return a row as it can be read again, whatever numbers came with it."""
    try:
        line = canonical_bytes(document)
    except DocumentRefused:
        return canonical_bytes(readable(document))
    # Rarely: looking into every value would take longer than writing them.
    return canonical_bytes(readable(document)) if _LONG.search(line) else line
