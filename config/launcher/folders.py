"""The folders a launch works in: private, locked, and with room left."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from config.launcher.errors import LaunchError

ROOT = Path(__file__).resolve().parents[2]
STATE_VARIABLE = "CASEFILE_STATE"

# The kernel takes 107 bytes for a socket's path; PostgreSQL adds `/.s.PGSQL.5432`
# and, while it starts, `.lock`.
SOCKET_FOLDER_BYTES = 85
LEAST_FREE_BYTES = 300 * 1024 * 1024
TEST_PREFIX = "casefile-test-"
# A folder this young may belong to a launcher that is just about to lock it.
ABANDONED_AFTER_SECONDS = 60
# Longer than somebody who only asks whether the folder is held keeps its lock.
PROBE_SECONDS = 0.5


class FolderHeld(LaunchError):
    """Another launcher holds the folder; `holder` names its process."""

    def __init__(self, folder: Path, holder: str) -> None:
        self.holder = holder
        super().__init__(
            f"Casefile already runs from {folder} ({holder}). Use that one, or stop "
            f"it first; for a second one, set {STATE_VARIABLE} and PORT."
        )


@dataclass(frozen=True)
class ServerFolders:
    """Where servers keep their data and logs and, on a short path, their sockets.

    `token` names the one who holds the folder, for as long as it is held.
    """

    data: Path
    sockets: Path
    token: str = ""


def find_state_folder() -> Path:
    """Return the folder that keeps the local run's data."""
    return Path(os.environ.get(STATE_VARIABLE) or ROOT / ".casefile").absolute()


@contextlib.contextmanager
def state_folder() -> Iterator[ServerFolders]:
    """Hold the local run's folder. Raise LaunchError if another run holds it."""
    folder = find_state_folder()
    _make_private(folder)
    _require_space(folder)
    with _held_lock(folder) as token, _socket_folder(folder) as sockets:
        yield ServerFolders(folder, sockets, token)


@contextlib.contextmanager
def fresh_folder() -> Iterator[ServerFolders]:
    """Hold a new folder and remove it at the end, with those that crashes left."""
    parent = Path(tempfile.gettempdir())
    if len(os.fsencode(parent)) > SOCKET_FOLDER_BYTES - 40:
        parent = Path("/tmp")  # noqa: S108  (mkdtemp makes a private folder in it)
    _require_space(parent)
    _remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=TEST_PREFIX, dir=parent))
    try:
        with _held_lock(folder):
            sockets = folder / "sockets"
            sockets.mkdir(mode=0o700)
            yield ServerFolders(folder, sockets)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / ".write-test").write_bytes(b"")
        (folder / ".write-test").unlink()
    except OSError as error:
        raise LaunchError(
            f"{folder} cannot be written ({error.strerror}). Free some space, or set "
            f"{STATE_VARIABLE} to a folder of your own."
        ) from error


def _require_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise LaunchError(
            f"The disk under {folder} has {free // 2**20} MiB left, and at least "
            f"{LEAST_FREE_BYTES // 2**20} MiB are needed. Free some space first."
        )


@contextlib.contextmanager
def _held_lock(folder: Path) -> Iterator[str]:
    """Hold a lock that the kernel drops when this process dies, however it dies."""
    token = secrets.token_hex(16)
    with (folder / "lock").open("a+") as lock:
        _take(lock, folder)
        lock.truncate(0)
        lock.write(f"process {os.getpid()}\n{token}\n")
        lock.flush()
        yield token


def _take(lock: IO[str], folder: Path) -> None:
    """Take the lock. Raise FolderHeld if somebody holds it and goes on holding it."""
    deadline = time.monotonic() + PROBE_SECONDS
    while not _try_lock(lock, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            lock.seek(0)
            raise FolderHeld(folder, lock.readline().strip() or "another process")
        time.sleep(0.05)


def read_holder(folder: Path) -> str | None:
    """Return the token of who holds the folder now, or None if nobody does."""
    try:
        lock = (folder / "lock").open("r")
    except OSError:
        return None
    with lock:
        # For an instant this keeps others from holding it: they try more than once.
        if _try_lock(lock, fcntl.LOCK_SH):
            return None
        return lock.read().partition("\n")[2].strip()


def _try_lock(lock: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _socket_folder(folder: Path) -> Iterator[Path]:
    """Give a private folder for sockets: inside the given one if its path is short."""
    inside = folder / "sockets"
    if len(os.fsencode(inside)) <= SOCKET_FOLDER_BYTES:
        inside.mkdir(mode=0o700, exist_ok=True)
        yield inside
        return
    short = Path(tempfile.mkdtemp(prefix="casefile-sockets-", dir="/tmp"))
    try:
        yield short
    finally:
        shutil.rmtree(short, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    """Remove test folders of ours whose launcher was killed before it could."""
    for folder in parent.glob(f"{TEST_PREFIX}*"):
        with contextlib.suppress(OSError, LaunchError):
            told = folder.stat()
            settled = time.time() - told.st_mtime > ABANDONED_AFTER_SECONDS
            if settled and told.st_uid == os.geteuid() and (folder / "lock").exists():
                with _held_lock(folder):
                    shutil.rmtree(folder, ignore_errors=True)
