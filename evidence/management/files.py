"""Evidence files for commands: read from disk, unpacked, and written in one move."""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path

from evidence.format import MAX_DOCUMENT_BYTES, DocumentRefused, unwrap


def read_file(path: Path) -> bytes:
    """Return a document's bytes, read through gzip, a zip of one file or UTF-16.

    Raise `DocumentRefused` where the file cannot be read or is too large: a command
    that was given several files goes on with the next.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise DocumentRefused(
            "unreadable_file", f"cannot be read: {error.strerror}"
        ) from None
    return unwrap(data, max_bytes=MAX_DOCUMENT_BYTES)


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; packed where its name ends in `.gz`."""
    if path.suffix == ".gz":
        # Without a time stamp, the same document gives the same file.
        data = gzip.compress(data, mtime=0)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def printable(text: str) -> str:
    """Return text that cannot steer a terminal, whatever a document put into it."""
    return "".join(
        character if character.isprintable() else f"\\u{ord(character):04x}"
        for character in text
    )
