"""Giving received bytes their name, which never overwrites sound bytes.

Where bytes under the name are damaged, they are moved aside to `damaged/`, to be looked
into, and the sound ones that just arrived take their place.
"""

from __future__ import annotations

import fcntl
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import IO, Any, Protocol

from evidence.storage.places import (
    DAMAGED,
    hash_open,
    key_of,
    local_root,
    make_folders,
    object_bucket,
    object_status,
    storage_errors,
    sync_folder,
)
from evidence.storage.reading import open_key

log = logging.getLogger(__name__)

# Of a put that was refused: it is there, or somebody else is putting the same bytes.
NAME_TAKEN = (409, 412)


class Spooled(Protocol):
    """Bytes under a temporary name, hashed."""

    path: Path
    sha256_hex: str
    size_bytes: int

    def open(self) -> IO[bytes]: ...


class Kept(Enum):
    """What keeping found under the name: nothing, the same bytes, or damaged ones."""

    NEW = auto()
    PRESENT = auto()
    REPAIRED = auto()


@dataclass(frozen=True)
class Keeping:
    """How bytes were kept. `damaged_key` is where the damaged ones stand now."""

    how: Kept
    damaged_key: str = ""


def keep_bytes(spooled: Spooled) -> Keeping:
    """Give the bytes their name. Keeping what is there already changes nothing."""
    with storage_errors():
        root = local_root()
        if root is None:
            return _keep_object(spooled)
        return _keep_file(spooled, root)


def _keep_file(spooled: Spooled, root: Path) -> Keeping:
    final = root / key_of(spooled.sha256_hex)
    make_folders(final.parent, root)
    # A link fails where the name is taken; a rename would replace what is there.
    try:
        os.link(spooled.path, final)
    except FileExistsError:
        if _hash_file(final) == spooled.sha256_hex:
            return Keeping(Kept.PRESENT)
        return _repair_file(spooled, final, root)
    # Else a power cut could leave the row and take the name.
    sync_folder(final.parent)
    return Keeping(Kept.NEW)


def _repair_file(spooled: Spooled, final: Path, root: Path) -> Keeping:
    with _locked_folder(final.parent):
        # Another upload of the same bytes may have repaired it meanwhile.
        if _hash_file(final) == spooled.sha256_hex:
            return Keeping(Kept.PRESENT)
        aside = root / _name_aside(spooled)
        make_folders(aside.parent, root)
        os.link(final, aside)
        sync_folder(aside.parent)
        _replace_file(spooled, final)
    return _repaired(spooled, aside.relative_to(root).as_posix())


def _replace_file(spooled: Spooled, final: Path) -> None:
    """Put the sound bytes under the name in one step: a reader finds one or other."""
    fresh = final.parent / f".{uuid.uuid4()}"
    os.link(spooled.path, fresh)
    try:
        os.replace(fresh, final)
    finally:
        with suppress(FileNotFoundError):
            fresh.unlink()
    sync_folder(final.parent)


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _keep_object(spooled: Spooled) -> Keeping:
    """Put an object on condition that none has its name: one step, nothing overwritten.

    A put that breaks leaves nothing, so object storage needs no temporary key.
    """
    from botocore.exceptions import ClientError

    key = key_of(spooled.sha256_hex)
    bucket = object_bucket()
    try:
        _put(bucket, key, spooled, IfNoneMatch="*")
    except ClientError as error:
        if object_status(error) not in NAME_TAKEN:
            raise
        with open_key(key) as stored:
            if hash_open(stored) == spooled.sha256_hex:
                return Keeping(Kept.PRESENT)
        return _repair_object(spooled, bucket, key)
    return Keeping(Kept.NEW)


def _repair_object(spooled: Spooled, bucket: Any, key: str) -> Keeping:
    aside = _name_aside(spooled)
    bucket.Object(aside).copy_from(CopySource={"Bucket": bucket.name, "Key": key})
    # Not on condition: another upload that repairs it puts the very same bytes.
    _put(bucket, key, spooled)
    return _repaired(spooled, aside)


def _put(bucket: Any, key: str, spooled: Spooled, **conditions: str) -> None:
    with spooled.open() as file:
        bucket.Object(key).put(
            Body=file, ContentLength=spooled.size_bytes, **conditions
        )


def _name_aside(spooled: Spooled) -> str:
    return f"{DAMAGED}/{spooled.sha256_hex}.{uuid.uuid4()}"


def _repaired(spooled: Spooled, damaged_key: str) -> Keeping:
    log.error(
        "stored bytes of %s were damaged; they are kept as %s, sound ones took their "
        "place",
        spooled.sha256_hex,
        damaged_key,
    )
    return Keeping(Kept.REPAIRED, damaged_key)


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hash_open(file)
