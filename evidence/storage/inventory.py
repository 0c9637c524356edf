"""What the store holds, name by name: for checks against the rows, and for backups."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence.storage.places import (
    CONTENT,
    key_of,
    local_root,
    object_bucket,
    object_status,
    storage_errors,
)

SHA256_NAME = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class StoredObject:
    """One name of the store. `sha256_hex` is what the name says, not what was read."""

    sha256_hex: str
    size_bytes: int
    modified_at: dt.datetime


def list_stored() -> Iterator[StoredObject]:
    """Yield everything that stands under a digest, in the order of the digests."""
    with storage_errors():
        root = local_root()
        yield from _list_files(root) if root else _list_objects()


def is_stored(sha256_hex: str) -> bool:
    """Return whether there are bytes under a digest; they are not read."""
    with storage_errors():
        root = local_root()
        if root is not None:
            return (root / key_of(sha256_hex)).is_file()
        return _has_object(key_of(sha256_hex))


def remove_stored(sha256_hex: str) -> None:
    """Remove the bytes under a digest. The caller has made sure that no row has it."""
    with storage_errors():
        root = local_root()
        if root is not None:
            (root / key_of(sha256_hex)).unlink(missing_ok=True)
        else:
            object_bucket().Object(key_of(sha256_hex)).delete()


def _list_files(root: Path) -> Iterator[StoredObject]:
    for folder, names, files in os.walk(root / CONTENT):
        names.sort()
        for name in sorted(files):
            path = Path(folder) / name
            if SHA256_NAME.match(name) and path == root / key_of(name):
                status = path.stat()
                moment = dt.datetime.fromtimestamp(status.st_mtime, dt.UTC)
                yield StoredObject(name, status.st_size, moment)


def _list_objects() -> Iterator[StoredObject]:
    for stored in object_bucket().objects.filter(Prefix=f"{CONTENT}/"):
        name = stored.key.rpartition("/")[2]
        if SHA256_NAME.match(name) and stored.key == key_of(name):
            yield StoredObject(name, stored.size, stored.last_modified)


def _has_object(key: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        found: Any = object_bucket().Object(key)
        found.load()
    except ClientError as error:
        if object_status(error) == 404:
            return False
        raise
    return True
