"""What hostile material costs each kind of work: `python -m tests.bench.bench_hostile`.

Each piece is made as the product takes it, and worked on by its real service in a fresh
process, under the memory limit of a worker. Prints a Markdown table: CPU time and peak
of resident memory of that process and its child, beside the time limit, and how it
ended. Ends with code 1 where a piece ended in another way than with its answer, or
given up with a reason. `--only=WORD` measures those whose kind or name holds the word,
and `--most=N` makes no document larger than so many MB.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import hostile_material as material
from tests.bench.database import run_with_database
from tests.bench.sizes import choose

DO = "--do"
MB = 10**6


@dataclass(frozen=True)
class Piece:
    """A piece of work: its kind, what is hostile in it, and what makes its row."""

    kind: str
    name: str
    make: Callable[[], int]

    def is_chosen(self, word: str) -> bool:
        return word in f"{self.kind} {self.name}"


def option(name: str, default: str) -> str:
    given = (word for word in sys.argv[1:] if word.startswith(f"--{name}="))
    return next((word.partition("=")[2] for word in given), default)


def pieces() -> list[Piece]:
    """Return all that is measured, kind by kind."""
    most = int(float(option("most", "256")) * MB)
    size = choose(min(most, 256 * MB), 40_000)
    asked = {
        "verify": material.ask_verification,
        "read": material.ask_reading,
        "findings": material.ask_findings,
    }
    found = [
        Piece(kind, name, partial(ask, make, size))
        for kind, ask in asked.items()
        for name, make in material.DOCUMENTS.items()
    ]
    found += [
        Piece("export", name, partial(material.ask_export, make, min(size, limit)))
        for name, (make, limit) in material.EXPORTED.items()
    ]
    share = choose(1.0, 0.001)
    found += [
        Piece("pdf", name, partial(material.ask_pdf, make, share))
        for name, make in material.TEXTS.items()
    ]
    ask = partial(material.ask_archive, share)
    found.append(Piece("archive", "300 items of 1 MB, long names", ask))
    # Each starts a process: the smallest is one of each kind.
    one_each = {piece.kind: piece for piece in reversed(found)}
    return choose(found, list(one_each.values()))


def measure(piece: Piece) -> dict[str, Any]:
    """Have a fresh process do a piece, and return what it says of itself."""
    from evidence.errors import EvidenceError

    try:
        row = piece.make()
    except EvidenceError as refusal:
        return {"seconds": 0, "peak": 0, "how": f"not taken: {refusal}"}
    done = subprocess.run(
        [sys.executable, "-m", __spec__.name, DO, piece.kind, str(row)],
        env={**os.environ, **material.variables()},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or [""]
        return {"how": f"its process ended with {done.returncode}: {said[0]}"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def do(kind: str, row: int) -> None:
    """Do a piece as a worker does, and print what it cost and how it ended."""
    import django

    django.setup()
    run, how = material.RUNS[kind]
    start = time.process_time()
    run(row)
    seconds = time.process_time() - start
    # What may reach the limit is read in a child, from this very process.
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds += child.ru_utime + child.ru_stime
    status = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    peak = max(own, child.ru_maxrss) / 1024
    said = {"seconds": seconds, "peak": peak, "how": how(row)}
    print(json.dumps(said))


def main() -> int:
    print("\n| Kind | Hostile input | CPU s | Peak, MB | Limit, s | How it ended |")
    print("| --- | --- | ---: | ---: | ---: | --- |")
    unsaid = 0
    for piece in pieces():
        if not piece.is_chosen(option("only", "")):
            continue
        said = measure(piece)
        limit = material.LIMITS[piece.kind]
        if "seconds" not in said:
            unsaid += 1
        cost = f"{said.get('seconds', 0):.1f} | {said.get('peak', 0):.0f}"
        print(
            f"| {piece.kind} | {piece.name} | {cost} | {limit} | {said['how']} |",
            flush=True,
        )
    return int(bool(unsaid))


if __name__ == "__main__":
    if DO in sys.argv:
        do(sys.argv[2], int(sys.argv[3]))
        sys.exit(0)
    sys.exit(run_with_database("tests.bench.bench_hostile", main))
