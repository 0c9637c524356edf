"""Receiving bytes: streamed to a temporary file, hashed and synced, then kept.

An upload that breaks leaves nothing; a process that is killed in mid-upload leaves a
temporary file, which `sweep_incoming` removes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from django.conf import settings

from evidence.errors import UploadBroken, UploadTooLarge
from evidence.storage.keeping import Keeping, keep_bytes
from evidence.storage.mark import require_marked
from evidence.storage.places import CHUNK_BYTES, incoming_folder, storage_errors
from evidence.storage.turns import turns

READ_ONLY = 0o400
# Long enough for any upload to have got its lock; the lock itself tells the rest.
ABANDONED_AFTER_SECONDS = 600


class Readable(Protocol):
    """What an upload must offer: Django's uploaded files and raw requests both do."""

    def read(self, size: int, /) -> bytes: ...


class Incoming:
    """Bytes that arrived: hashed and synced, and under a temporary name until kept."""

    def __init__(self, path: Path, sha256_hex: str, size_bytes: int) -> None:
        self.path = path
        self.sha256_hex = sha256_hex
        self.size_bytes = size_bytes

    def open(self) -> IO[bytes]:
        return self.path.open("rb")

    def keep(self) -> Keeping:
        """Give the bytes their name. Keeping what is there already changes nothing."""
        with turns.turn():
            return keep_bytes(self)


@contextmanager
def receive_stream(stream: Readable, *, is_limited: bool = True) -> Iterator[Incoming]:
    """Take in a stream and yield it for a decision; what is not kept then, is gone.

    `is_limited` is False for what the application itself made.

    Raise UploadTooLarge as soon as EVIDENCE_MAX_BYTES is passed, UploadBroken where
    the sender goes away, StoreNotReady before a byte is read where this is no store.
    """
    require_marked()
    with storage_errors():
        path = incoming_folder() / f"{uuid.uuid4()}.part"
        file = _open_locked(path)
    try:
        # The lock is held to the end: the sweep must not take a file in hand.
        with file:
            with storage_errors():
                sha256_hex, size_bytes = _write_through(stream, file, is_limited)
                with turns.turn():
                    _sync_file(file)
            yield Incoming(path, sha256_hex, size_bytes)
    finally:
        path.unlink(missing_ok=True)


def sweep_incoming(*, older_than_seconds: float = ABANDONED_AFTER_SECONDS) -> int:
    """Remove temporary files whose upload is no more; return how many.

    An upload holds a lock on its file while it lives, so a slow one is left alone.
    """
    require_marked()
    removed = 0
    oldest = time.time() - older_than_seconds
    for path in incoming_folder().glob("*.part"):
        if _is_abandoned(path, oldest):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _open_locked(path: Path) -> IO[bytes]:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return os.fdopen(descriptor, "wb")


def _sync_file(file: IO[bytes]) -> None:
    file.flush()
    os.fchmod(file.fileno(), READ_ONLY)
    os.fsync(file.fileno())


def _write_through(
    stream: Readable, file: IO[bytes], is_limited: bool
) -> tuple[str, int]:
    limit: int = settings.EVIDENCE_MAX_BYTES
    digest, size_bytes = hashlib.sha256(), 0
    while chunk := _read_chunk(stream):
        size_bytes += len(chunk)
        if is_limited and size_bytes > limit:
            raise UploadTooLarge(
                f"The file has more than {limit} bytes, the most that is accepted "
                "(EVIDENCE_MAX_BYTES). Compress it with gzip, or split it."
            )
        digest.update(chunk)
        file.write(chunk)
    return digest.hexdigest(), size_bytes


def _read_chunk(stream: Readable) -> bytes:
    try:
        return stream.read(CHUNK_BYTES)
    except (ConnectionError, TimeoutError, EOFError) as error:
        raise UploadBroken(
            "The upload stopped before its end; nothing was kept. Send it again."
        ) from error
    except OSError as error:
        # Django's UnreadablePostError is an OSError and nothing narrower.
        raise UploadBroken(
            f"The upload could not be read ({type(error).__name__}); nothing was "
            "kept. Send it again."
        ) from error


def _is_abandoned(path: Path, oldest: float) -> bool:
    try:
        if path.stat().st_mtime > oldest:
            return False
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True
