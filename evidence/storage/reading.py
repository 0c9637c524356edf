"""Reading stored bytes: opened, streamed, and held against their digest.

What a bucket has is spooled to a file first, a chunk at a time: memory stays flat, and
what is read after a check is what was checked.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any

from evidence.errors import EvidenceDamaged, EvidenceMissing
from evidence.storage.places import (
    CHUNK_BYTES,
    hash_open,
    incoming_folder,
    key_of,
    local_root,
    object_bucket,
    object_status,
    storage_errors,
)
from evidence.storage.turns import turns


def open_stored(sha256_hex: str) -> IO[bytes]:
    """Open stored bytes for reading. Raise EvidenceMissing where there are none."""
    with turns.turn():
        return _open(sha256_hex)


def open_key(key: str) -> IO[bytes]:
    """Open what stands under a name of the store; raise FileNotFoundError for none."""
    root = local_root()
    if root is not None:
        return (root / key).open("rb")
    return _spool_object(key)


def iter_stored(sha256_hex: str) -> Iterator[bytes]:
    """Yield stored bytes in chunks."""
    return iter_open(open_stored(sha256_hex))


def iter_open(file: IO[bytes]) -> Iterator[bytes]:
    """Yield an open file in chunks, and close it."""
    with storage_errors(), file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


class Chunks:
    """An open file as chunks to stream; closing it does so though none was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter_open(self._file)

    def close(self) -> None:
        self._file.close()


def read_verified(sha256_hex: str) -> bytes:
    """Return stored bytes whose digest was recomputed and matched.

    Raise EvidenceDamaged where it does not match, EvidenceMissing where they are gone.
    """
    data = b"".join(iter_stored(sha256_hex))
    _require_digest(hashlib.sha256(data).hexdigest(), sha256_hex)
    return data


def require_intact(sha256_hex: str) -> None:
    """Recompute the digest of stored bytes in a stream; raise as read_verified does.

    It takes no turn: probes and workers ask, nobody waits.
    """
    _open_intact(sha256_hex).close()


def open_intact(sha256_hex: str) -> IO[bytes]:
    """Open stored bytes whose digest was recomputed and matched, at their start.

    Flat in memory; what is read then is the file that was checked. Raise as
    read_verified does.
    """
    with turns.turn():
        return _open_intact(sha256_hex)


def _open(sha256_hex: str) -> IO[bytes]:
    with storage_errors():
        try:
            return open_key(key_of(sha256_hex))
        except FileNotFoundError as error:
            raise EvidenceMissing(
                f"The store has no bytes for SHA-256 {sha256_hex}: they were removed "
                "or the store is not the one they were received into."
            ) from error


def _open_intact(sha256_hex: str) -> IO[bytes]:
    file = _open(sha256_hex)
    with ExitStack() as stack:
        stack.enter_context(file)
        with storage_errors():
            found = hash_open(file)
            file.seek(0)
        _require_digest(found, sha256_hex)
        stack.pop_all()
    return file


def _spool_object(key: str) -> IO[bytes]:
    from botocore.exceptions import ClientError

    try:
        body: Any = object_bucket().Object(key).get()["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            raise
        if object_status(error) != 404:
            raise
        raise FileNotFoundError(key) from error
    with ExitStack() as stack:
        spool = stack.enter_context(
            tempfile.TemporaryFile(dir=incoming_folder(), buffering=0)
        )
        stack.callback(body.close)
        for chunk in body.iter_chunks(CHUNK_BYTES):
            spool.write(chunk)
        spool.seek(0)
        stack.pop_all()
    return spool


def _require_digest(found: str, expected: str) -> None:
    if found != expected:
        raise EvidenceDamaged(
            f"The stored bytes hash to {found}, and were received as {expected}: "
            "they were changed in the store. Restore them from a backup."
        )
