"""What the parts of a run say: all of it in a file, warnings and errors on screen."""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import sys
from collections import deque
from pathlib import Path

from config.launcher.errors import LaunchError

FILE = "casefile.log"
MAX_BYTES = 10 * 2**20
KEPT_FILES = 3
LAST_LINES = 15
PREFIX_WIDTH = 7

# `2026-03-10T12:00:00.000000Z [warning  ] event …`, as config.logs writes for people.
STRUCTURED = re.compile(r"^\d{4}-\d\d-\d\dT\S+ \[(\w+)\s*\]")
SHOWN_LEVELS = frozenset({"warning", "error", "critical"})
# A line without a level begins a fault, or goes on with what the line before began.
FAULT = re.compile(r"^(Traceback \(most|\S*(Error|Exception|Warning)\b|Fatal|usage:)")
YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"", "0", "false", "no", "off"})


def read_verbosity() -> bool:
    """Return what VERBOSE asks for. Raise LaunchError for neither yes nor no."""
    value = os.environ.get("VERBOSE", "").strip().lower()
    if value not in YES | NO:
        raise LaunchError(f"VERBOSE must be 1 or 0, got {value!r}.")
    return value in YES


class PartLog:
    """The log of all parts: one file, turned over at 10 MiB, three old ones kept."""

    def __init__(
        self, folder: Path, *, verbose: bool, max_bytes: int = MAX_BYTES
    ) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.path = folder / FILE
        self._verbose = verbose
        self._handler = logging.handlers.RotatingFileHandler(
            self.path, maxBytes=max_bytes, backupCount=KEPT_FILES, encoding="utf-8"
        )
        self._shows: dict[str, bool] = {}
        self._last: dict[str, deque[str]] = {}

    def take_line(self, name: str, line: str) -> None:
        """Write a part's line to the file, and to the screen where it matters."""
        self._last.setdefault(name, deque(maxlen=LAST_LINES)).append(line)
        text = f"{name:<{PREFIX_WIDTH}}| {line}"
        record = logging.makeLogRecord({"msg": text, "levelno": logging.INFO})
        self._handler.handle(record)
        self._shows[name] = is_shown(line, before=self._shows.get(name, False))
        if self._verbose or self._shows[name]:
            print(text, flush=True)

    def last_lines(self, name: str) -> str:
        """Return what a part said last, however little it mattered then."""
        return "\n".join(self._last.get(name, ())) or "(nothing)"

    def close(self) -> None:
        sys.stdout.flush()
        self._handler.close()


def is_shown(line: str, *, before: bool) -> bool:
    """Return whether a line is a warning or an error, or belongs to one.

    `before` is the answer for the part's line before it.
    """
    match = STRUCTURED.match(line)
    if match:
        return match[1] in SHOWN_LEVELS
    return before or bool(FAULT.match(line))
