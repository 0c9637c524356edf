"""Waits for a server, and explains why one did not come up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from config.launcher.errors import LaunchError
from config.launcher.processes import Process

START_SECONDS = 60.0
POLL_SECONDS = 0.02
LAST_LINES = 15

REMEDIES = {
    "No space left on device": "The disk is full: free some space, and run this again.",
    "Disk quota exceeded": "The disk quota is used up: free some space first.",
    "could not create shared memory": "Shared memory is short: free some in /dev/shm.",
    "Permission denied": "The state folder belongs to somebody else: run `make clean`, "
    "or run this as the user who made it.",
    "Read-only file system": "The disk is read-only: set CASEFILE_STATE to a folder "
    "that can be written.",
    "invalid value for parameter": "The server is too old for these options.",
}


def wait_until_ready(is_ready: Callable[[], bool], process: Process, log: Path) -> None:
    """Return when the server is ready. Raise LaunchError if it ends or stays silent."""
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        code = process.popen.poll()
        if code is not None or time.monotonic() > deadline:
            process.stop()
            state = f"ended with code {code}" if code is not None else "did not answer"
            raise LaunchError(f"{process.name} {state}.\n{explain_log(log)}")
        time.sleep(POLL_SECONDS)


def explain_log(log: Path) -> str:
    """Return the log's last lines, led by a remedy where one is known."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    tail = "\n".join(text.splitlines()[-LAST_LINES:])
    remedies = [remedy for sign, remedy in REMEDIES.items() if sign in tail]
    return "\n".join([*remedies, f"Its log, {log}, ends with:", tail])
