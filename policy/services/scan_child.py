"""The process that reads hostile source: one file after another, within hard limits.

Started by `scan_process`. It is given a line of JSON and a file's bytes on its standard
input, and answers with a line of JSON. The kernel holds its memory and, for each file,
its time of the processor: past them it ends, and who started it goes on.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import IO, Any

from policy.scanner.archive import SourceFile
from policy.scanner.scanning import scan_file

MIB = 1024 * 1024
MEMORY_BYTES = 512 * MIB
# The scanner's own clock ends a file after seven; this is for what it cannot look into.
FILE_CPU_SECONDS = 9
# What was freed is in pieces: the next file begins in a new process.
_WORN_OUT_BYTES = MEMORY_BYTES // 2


def main() -> None:
    """Answer each file until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, answers = sys.stdin.buffer, sys.stdout.buffer
    for line in source:
        answer = _answer(json.loads(line), source)
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
        if answer["ends"]:
            return


def _answer(asked: dict[str, Any], source: IO[bytes]) -> dict[str, Any]:
    """Scan the file that follows; say so where there is too little memory for it."""
    before = _seconds()
    _allow(asked["seconds"])
    try:
        file = SourceFile(asked["path"], source.read(asked["size"]), asked["archive"])
        found = scan_file(file, is_run=asked["is_run"])
        report = {
            "language": found.language,
            "is_complete": found.is_complete,
            "entries": [entry.as_dict() for entry in found.entries],
            "loads": found.loads,
            "lines": [line.as_dict() for line in found.line_findings],
        }
    except MemoryError:
        return _failure("", before)
    except Exception as error:
        # The boundary that can act: one file costs no other its report.
        return _failure(f"the scanner failed over it ({type(error).__name__})", before)
    return {
        "report": report,
        "seconds": _seconds() - before,
        "ends": _peak_bytes() > _WORN_OUT_BYTES,
    }


def _failure(why: str, before: float) -> dict[str, Any]:
    """Return the answer for a file without a report; no reason means memory."""
    seconds = _seconds() - before
    return {"report": None, "failure": why, "seconds": seconds, "ends": True}


def _peak_bytes() -> int:
    """Return the most memory that this process has held.

    Linux gives it in its own status; `ru_maxrss` begins there with what the process
    held that started this one.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _seconds() -> float:
    """Return the time of the processor that this process has taken."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _allow(seconds: int) -> None:
    """Let the kernel end this process after so much more time of the processor."""
    most = int(_seconds()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
