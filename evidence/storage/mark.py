"""The store's own mark: a small file that says which store this is.

A folder that is not mounted looks like an empty store. With the mark, an empty folder
is no store: nothing is received into it, and the installation is not ready. A mark is
made once, for a store that no evidence is missing from, and its ID is noted in the
database; a store with another ID is another installation's.
"""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from evidence.errors import StoreNotReady
from evidence.storage.places import (
    INCOMING,
    local_root,
    make_folders,
    object_bucket,
    object_status,
    storage_errors,
    sync_folder,
)
from evidence.storage.reading import open_key

MARK = "casefile-store.json"
SCHEMA = "casefile.evidence_store.v1"
MARK_BYTES = 4096
UNMARKED = (
    "The evidence store has no mark of Casefile, and the database has evidence: the "
    "disk is not mounted, or it is another folder or bucket. Mount it, or correct "
    "EVIDENCE_ROOT. If the evidence was copied there without its mark, run "
    "`manage.py verify_store --adopt`."
)

_settlers: list[Callable[[], object]] = []


def settle_store_with(settler: Callable[[], object]) -> None:
    """Have this asked where a store has no mark: it makes one, or raises."""
    _settlers[:] = [settler]


def require_marked() -> None:
    """Raise StoreNotReady where uploads would go into a folder that is no store.

    For a bucket nothing is asked: one that is gone refuses by itself.
    """
    root = local_root()
    with storage_errors():
        if root is None or (root / MARK).is_file():
            return
    for settle in _settlers:
        settle()


def read_mark() -> str | None:
    """Return the store's ID, or None where it has no mark.

    Raise StoreNotReady for a mark that cannot be read as one.
    """
    with storage_errors():
        try:
            with open_key(MARK) as file:
                data = file.read(MARK_BYTES)
        except FileNotFoundError:
            return None
    try:
        document: Any = json.loads(data)
        return str(uuid.UUID(document["store_id"]))
    except (ValueError, TypeError, KeyError) as error:
        raise StoreNotReady(
            f"The mark of the evidence store ({MARK}) is damaged. Restore it from a "
            "backup."
        ) from error


def write_mark(store_id: str) -> str:
    """Write the mark, or return the ID of the one that was written meanwhile."""
    document = {"schema": SCHEMA, "store_id": store_id}
    data = json.dumps(document).encode() + b"\n"
    with storage_errors():
        root = local_root()
        if root is None:
            _put_mark(data)
        else:
            _link_mark(data, root)
    return read_mark() or store_id


def has_content() -> bool:
    """Return whether a store on the disk holds anything at all."""
    root = local_root()
    with storage_errors():
        if root is None or not root.is_dir():
            return False
        return any(path.name != INCOMING for path in root.iterdir())


def _put_mark(data: bytes) -> None:
    from botocore.exceptions import ClientError

    try:
        object_bucket().Object(MARK).put(Body=io.BytesIO(data), IfNoneMatch="*")
    except ClientError as error:
        if object_status(error) not in (409, 412):
            raise


def _link_mark(data: bytes, root: Path) -> None:
    make_folders(root, root)
    fresh = root / f".{uuid.uuid4()}"
    descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o440)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Another server that started at this moment may have made it.
        with suppress(FileExistsError):
            os.link(fresh, root / MARK)
    finally:
        fresh.unlink()
    sync_folder(root)
