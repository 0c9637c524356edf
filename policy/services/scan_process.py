"""Scan files in a process of their own, which may end without the worker's ending.

A parser in C can be made to take all the memory or time there is, and neither can be
taken back from inside. So the kernel holds a child to its limits; where it ends over a
file, that file is flagged as not fully analysed, and the next one gets a new child.
"""

from __future__ import annotations

import contextlib
import json
import logging
import select
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import IO, Any, Self, cast

from django.conf import settings

from policy.scanner.archive import SourceFile
from policy.scanner.limits import ARCHIVE_SECONDS
from policy.scanner.line_scanner import LineFinding
from policy.scanner.report import FileReport, make_report
from policy.scanner.report_entries import Classification, Entry
from policy.scanner.scanning import give_up, leave_out
from policy.services.scan_child import FILE_CPU_SECONDS, MEMORY_BYTES, MIB

log = logging.getLogger(__name__)

# A machine that is busy gives little of its processor: by the clock on the wall a file
# takes longer, but no file holds a worker for ever.
FILE_WALL_SECONDS = 90
# Below the task's own limit, so that what was found is kept.
ARCHIVE_WALL_SECONDS = 450
_COMMAND = [sys.executable, "-m", "policy.services.scan_child"]


class ScanProcess:
    """A child that scans files; use it as a context, and `scan` as `scan_one`."""

    def __init__(
        self,
        *,
        file_seconds: int = FILE_CPU_SECONDS,
        archive_seconds: float = ARCHIVE_SECONDS,
    ) -> None:
        self._file_seconds, self._archive_seconds = file_seconds, archive_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._spent = 0.0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def scan(self, file: SourceFile, *, is_run: bool) -> FileReport:
        """Return a file's report, whatever the file does to the process."""
        if self._is_over():
            return leave_out(file)
        child = self._child or self._start()
        answer = _ask(child, file, is_run=is_run, seconds=self._file_seconds)
        if answer is None:
            # What it took is known no more: count the most that it may have taken.
            self._spent += self._file_seconds
            return give_up(file, _why(self._end(), self._file_seconds))
        self._spent += answer["seconds"]
        if answer["ends"]:
            self._end()
        report = answer["report"]
        if report is None:
            log.warning("%s could not be analysed: %s", file.path, answer["failure"])
            return give_up(file, answer["failure"] or _OUT_OF_MEMORY)
        return _read(file, report)

    def _is_over(self) -> bool:
        passed = time.monotonic() - self._started
        return self._spent > self._archive_seconds or passed > ARCHIVE_WALL_SECONDS

    def _start(self) -> subprocess.Popen[bytes]:
        # Nothing of the worker's surroundings: no secrets, no open files.
        self._child = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=settings.BASE_DIR,
            env={"PYTHONPATH": str(settings.BASE_DIR), "LANG": "C.UTF-8"},
        )
        return self._child

    def _end(self) -> int:
        """End the child and return its exit code, below 0 for a signal."""
        child, self._child = self._child, None
        if child is None:
            return 0
        # One that has ended keeps the code that it ended with.
        child.kill()
        for stream in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                cast(IO[bytes], stream).close()
        return child.wait()


def _ask(
    child: subprocess.Popen[bytes], file: SourceFile, *, is_run: bool, seconds: int
) -> dict[str, Any] | None:
    """Return the child's answer; None where it ended, or took too long."""
    asked = {
        "path": file.path,
        "size": len(file.data),
        "archive": file.is_archive,
        "is_run": is_run,
        "seconds": seconds,
    }
    send, answers = cast(IO[bytes], child.stdin), cast(IO[bytes], child.stdout)
    # It may end while it is being written to; what it says last is read all the same.
    with contextlib.suppress(BrokenPipeError):
        send.write(json.dumps(asked).encode() + b"\n")
        send.write(file.data)
        send.flush()
    ready, _, _ = select.select([answers], [], [], FILE_WALL_SECONDS)
    line = answers.readline() if ready else b""
    return json.loads(line) if line.endswith(b"\n") else None


def _why(code: int, seconds: int) -> str:
    """Return why a child ended over a file. Raise where it did not even begin."""
    if code > 0:
        raise RuntimeError(f"The scanner's process ended by itself, with code {code}.")
    if code == -signal.SIGABRT:
        return _OUT_OF_MEMORY
    if code == -signal.SIGKILL:
        return "its process was killed, for want of time or of the machine's memory"
    if code == -signal.SIGXCPU:
        return f"it takes more than {seconds} s of the processor"
    return f"the parser broke off over it ({signal.Signals(-code).name})"


def _read(file: SourceFile, report: dict[str, Any]) -> FileReport:
    """Return a file's report from the child's words."""
    entries = [Entry.from_dict(entry) for entry in report["entries"]]
    lines = [
        LineFinding(
            **{**line, "classification": Classification(line["classification"])}
        )
        for line in report["lines"]
    ]
    return make_report(
        file,
        report["language"],
        entries,
        lines,
        is_complete=report["is_complete"],
        loads=report["loads"],
    )


_OUT_OF_MEMORY = f"it needs more than {MEMORY_BYTES // MIB} MiB of memory"
