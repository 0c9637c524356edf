"""The evidence store: the only code that opens evidence bytes.

Content-addressed: the SHA-256 that the server computes while the bytes stream in is
the name they are kept under, behind Django's storage alias `evidence`. Bytes are
written to a temporary file, synced, and only then given their name, in one step that
never overwrites. Stored files are read-only. An upload that breaks leaves nothing; a
process that is killed in mid-upload leaves a temporary file, which `sweep_incoming`
removes. Where the bytes under a name turn out damaged, sound ones that arrive later
are kept under `quarantine/` for the repair, and nothing is overwritten.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import logging
import os
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NoReturn, Protocol

from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage, storages

from evidence.errors import (
    EvidenceDamaged,
    EvidenceMissing,
    StorageUnavailable,
    UploadBroken,
    UploadTooLarge,
)

log = logging.getLogger(__name__)

ALIAS = "evidence"
INCOMING = "incoming"
QUARANTINE = "quarantine"
CHUNK_BYTES = 1024 * 1024
READ_ONLY = 0o400
PROBE = b"Casefile probe\n"
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

    def keep(self) -> None:
        """Give the bytes their name. Keeping what is there already changes nothing."""
        with _storage_errors():
            storage = storages[ALIAS]
            if isinstance(storage, FileSystemStorage):
                _keep_file(self, Path(storage.location))
            else:
                _keep_object(self, storage)


@contextmanager
def receive_stream(stream: Readable) -> Iterator[Incoming]:
    """Take in a stream and yield it for a decision; what is not kept then, is gone.

    Raise UploadTooLarge as soon as EVIDENCE_MAX_BYTES is passed, UploadBroken where
    the sender goes away.
    """
    with _storage_errors():
        path = _incoming_folder() / f"{uuid.uuid4()}.part"
        file = _open_locked(path)
    try:
        # The lock is held to the end: the sweep must not take a file in hand.
        with file:
            with _storage_errors():
                sha256_hex, size_bytes = _write_through(stream, file)
                _sync_file(file)
            yield Incoming(path, sha256_hex, size_bytes)
    finally:
        path.unlink(missing_ok=True)


def open_stored(sha256_hex: str) -> IO[bytes]:
    """Open stored bytes for reading. Raise EvidenceMissing where there are none."""
    with _storage_errors():
        try:
            return storages[ALIAS].open(key_of(sha256_hex), "rb")
        except FileNotFoundError as error:
            raise EvidenceMissing(
                f"The store has no bytes for SHA-256 {sha256_hex}: they were removed "
                "or the store is not the one they were received into."
            ) from error


def iter_stored(sha256_hex: str) -> Iterator[bytes]:
    """Yield stored bytes in chunks."""
    return iter_open(open_stored(sha256_hex))


def iter_open(file: IO[bytes]) -> Iterator[bytes]:
    """Yield an open file in chunks, and close it."""
    with _storage_errors(), file:
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
    """Recompute the digest of stored bytes in a stream; raise as read_verified does."""
    open_intact(sha256_hex).close()


def open_intact(sha256_hex: str) -> IO[bytes]:
    """Open stored bytes whose digest was recomputed and matched, at their start.

    Flat in memory; what is read then is the file that was checked. Raise as
    read_verified does.
    """
    file = open_stored(sha256_hex)
    with ExitStack() as stack:
        stack.enter_context(file)
        with _storage_errors():
            found = _hash_open(file)
            file.seek(0)
        _require_digest(found, sha256_hex)
        stack.pop_all()
    return file


def sweep_incoming(*, older_than_seconds: float = ABANDONED_AFTER_SECONDS) -> int:
    """Remove temporary files whose upload is no more; return how many.

    An upload holds a lock on its file while it lives, so a slow one is left alone.
    """
    removed = 0
    oldest = time.time() - older_than_seconds
    for path in _incoming_folder().glob("*.part"):
        if _is_abandoned(path, oldest):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def probe() -> None:
    """Spool a temporary file, and read the one file that is kept for probes.

    That file is written once, by the first probe: a bucket with an object lock would
    keep one for every probe ever made. Raise StorageUnavailable where the store does
    not answer, EvidenceDamaged where it gives back other bytes.
    """
    with _storage_errors():
        path = _incoming_folder() / f"probe-{uuid.uuid4()}.part"
        path.write_bytes(PROBE)
        path.unlink()
    sha256_hex = hashlib.sha256(PROBE).hexdigest()
    try:
        require_intact(sha256_hex)
    except EvidenceMissing:
        with receive_stream(io.BytesIO(PROBE)) as incoming:
            incoming.keep()
        require_intact(sha256_hex)


def key_of(sha256_hex: str) -> str:
    """Return the name that bytes are kept under, fanned out over folders."""
    return f"sha256/{sha256_hex[:2]}/{sha256_hex[2:4]}/{sha256_hex}"


def _incoming_folder() -> Path:
    storage = storages[ALIAS]
    if isinstance(storage, FileSystemStorage):
        # On the same file system as the final name: a link cannot cross.
        folder = Path(storage.location) / INCOMING
    else:
        spool = settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir()
        folder = Path(spool) / f"casefile-{INCOMING}-{os.geteuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _open_locked(path: Path) -> IO[bytes]:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return os.fdopen(descriptor, "wb")


def _sync_file(file: IO[bytes]) -> None:
    file.flush()
    os.fchmod(file.fileno(), READ_ONLY)
    os.fsync(file.fileno())


def _write_through(stream: Readable, file: IO[bytes]) -> tuple[str, int]:
    limit: int = settings.EVIDENCE_MAX_BYTES
    digest, size_bytes = hashlib.sha256(), 0
    while chunk := _read_chunk(stream):
        size_bytes += len(chunk)
        if size_bytes > limit:
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


def _keep_file(incoming: Incoming, root: Path) -> None:
    final = root / key_of(incoming.sha256_hex)
    _make_folders(final.parent, root)
    try:
        os.link(incoming.path, final)
    except FileExistsError:
        if _hash_file(final) != incoming.sha256_hex:
            _quarantine_file(incoming, root)
    _sync_folder(final.parent)


def _quarantine_file(incoming: Incoming, root: Path) -> NoReturn:
    folder = root / QUARANTINE
    _make_folders(folder, root)
    name = folder / incoming.sha256_hex
    if name.exists() and _hash_file(name) != incoming.sha256_hex:
        name = folder / f"{incoming.sha256_hex}.{uuid.uuid4()}"
    # Where a sound copy waits already, one is enough.
    with suppress(FileExistsError):
        os.link(incoming.path, name)
    _sync_folder(folder)
    _raise_damaged(incoming, f"{QUARANTINE}/{name.name}")


def _make_folders(folder: Path, root: Path) -> None:
    """Make the folders down to this one, each synced into its parent."""
    if folder.is_dir():
        return
    if folder != root:
        _make_folders(folder.parent, root)
    folder.mkdir(mode=0o750, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_object(incoming: Incoming, storage: Storage) -> None:
    """Put an object on condition that none has its name: one step, nothing overwritten.

    A put that breaks leaves nothing, so object storage needs no temporary key.
    """
    from botocore.exceptions import ClientError

    key = key_of(incoming.sha256_hex)
    bucket: Any = storage.bucket  # type: ignore[attr-defined]
    with incoming.open() as file:
        try:
            bucket.Object(key).put(
                Body=file, ContentLength=incoming.size_bytes, IfNoneMatch="*"
            )
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            # 412: it is there. 409: somebody else is putting the same bytes now.
            if status not in (409, 412):
                raise
            with storage.open(key, "rb") as stored:
                found = _hash_open(stored)
            if found != incoming.sha256_hex:
                _quarantine_object(incoming, bucket)


def _quarantine_object(incoming: Incoming, bucket: Any) -> NoReturn:
    # Not on condition: under this name are only copies of the same sound bytes, and
    # one that was damaged since is replaced.
    key = f"{QUARANTINE}/{incoming.sha256_hex}"
    with incoming.open() as file:
        bucket.Object(key).put(Body=file, ContentLength=incoming.size_bytes)
    _raise_damaged(incoming, key)


def _raise_damaged(incoming: Incoming, kept_as: str) -> NoReturn:
    log.error("stored bytes of %s are damaged", incoming.sha256_hex)
    raise EvidenceDamaged(
        f"The bytes that the store has under SHA-256 {incoming.sha256_hex} do not "
        f"hash to it: they were changed in the store. The {incoming.size_bytes} "
        f"bytes sent now do, and are kept as {kept_as}; nothing was overwritten. "
        "Have them put in place of the damaged ones, then send again."
    )


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return _hash_open(file)


def _hash_open(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _require_digest(found: str, expected: str) -> None:
    if found != expected:
        raise EvidenceDamaged(
            f"The stored bytes hash to {found}, and were received as {expected}: "
            "they were changed in the store. Restore them from a backup."
        )


def _is_abandoned(path: Path, oldest: float) -> bool:
    try:
        if path.stat().st_mtime > oldest:
            return False
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Translate what the disk or the object store raises into StorageUnavailable."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            f"The evidence store does not answer: {error.strerror or error}. Check "
            "its disk or its address, and try again."
        ) from error
    except _object_store_errors() as error:
        raise StorageUnavailable(
            f"The evidence store does not answer: {type(error).__name__}. Check its "
            "address and its keys, and try again."
        ) from error


def _object_store_errors() -> tuple[type[Exception], ...]:
    if isinstance(storages[ALIAS], FileSystemStorage):
        return ()
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)
