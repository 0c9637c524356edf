"""Where the store's bytes stand, on a disk or in a bucket, and what its faults mean."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages

from evidence.errors import StorageUnavailable

ALIAS = "evidence"
CONTENT = "sha256"
INCOMING = "incoming"
DAMAGED = "damaged"
"""What was found damaged is kept here, to be looked into."""
CHUNK_BYTES = 1024 * 1024


def key_of(sha256_hex: str) -> str:
    """Return the name that bytes are kept under, fanned out over folders."""
    return f"{CONTENT}/{sha256_hex[:2]}/{sha256_hex[2:4]}/{sha256_hex}"


def local_root() -> Path | None:
    """Return the folder of a store on this machine's disk; None for a bucket."""
    storage = storages[ALIAS]
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None


def object_bucket() -> Any:
    """Return the bucket of a store in object storage, as boto3 has it."""
    return storages[ALIAS].bucket  # type: ignore[attr-defined]


def incoming_folder() -> Path:
    """Return the folder that uploads are spooled in; one in the store is made."""
    root = local_root()
    if root is not None:
        # On the same file system as the final name: a link cannot cross.
        folder = root / INCOMING
    else:
        spool = settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir()
        folder = Path(spool) / f"casefile-{INCOMING}-{os.geteuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def make_folders(folder: Path, root: Path) -> None:
    """Make the folders down to this one, each synced into its parent."""
    if folder.is_dir():
        return
    if folder != root:
        make_folders(folder.parent, root)
    folder.mkdir(mode=0o750, exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_open(file: IO[bytes]) -> str:
    """Return the SHA-256 of an open file from where it stands (hex)."""
    digest = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def storage_errors() -> Iterator[None]:
    """Translate what the disk or the object store raises into StorageUnavailable."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(
            f"The evidence store does not answer: {error.strerror or error}. Check "
            "its disk or its address, and try again."
        ) from error
    except object_store_errors() as error:
        raise StorageUnavailable(
            f"The evidence store does not answer: {type(error).__name__}. Check its "
            "address and its keys, and try again."
        ) from error


def object_store_errors() -> tuple[type[Exception], ...]:
    """Return what an object store raises; nothing for a store on the disk."""
    if local_root() is not None:
        return ()
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def object_status(error: Any) -> int:
    """Return the HTTP status that an object store refused with."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
