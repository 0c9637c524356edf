"""Make an archive, and be killed at a point of it, as `kill -9` does.

`python -m tests.incidents.archives.killed ARCHIVE POINT SHA256`, where SHA256 is that
of a piece of the case's evidence. The process sends itself the signal from an audit
hook of Python, in the moment before the point's own step is done.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from typing import Any

POINTS = ("gathering", "writing", "receiving", "checking", "keeping", "kept")


def name_step(event: str, arguments: tuple[Any, ...], sha256_hex: str) -> str:
    """Name what the process is about to do with a file; empty for anything else."""
    path = str(arguments[0]) if arguments else ""
    if event == "os.link":
        return "link"
    if event == "open" and path.endswith(".part"):
        return "incoming"
    return "evidence" if event == "open" and path.endswith(sha256_hex) else ""


def main(archive_id: int, point: str, sha256_hex: str) -> None:
    """Make the archive; never return from the point."""
    import django

    django.setup()
    from incidents.services.archives.requests import run_archive

    seen: Counter[str] = Counter()
    fatal = {
        "gathering": ("evidence", 1),
        "writing": ("evidence", 2),
        "receiving": ("incoming", 1),
        "checking": ("incoming", 2),
        "keeping": ("link", 1),
    }.get(point)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if point == "kept" and seen["link"] and event != "os.kill":
            os.kill(os.getpid(), signal.SIGKILL)
        step = name_step(event, arguments, sha256_hex)
        if step:
            seen[step] += 1
            if fatal == (step, seen[step]):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    run_archive(archive_id=archive_id)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
