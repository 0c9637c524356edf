"""Run programs in node under the hook, and scan them: none that hits may be safe."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from policy.scanner import Classification, scan_source

HOOK = Path(__file__).with_name("hook.js")
NODE = shutil.which("node")
SECONDS = 600


@dataclass(frozen=True)
class Outcome:
    """What a program did under the hook; `bad` is what it must not do unseen."""

    program: str
    bad: tuple[str, ...]
    failed: str


def run_programs(programs: list[str]) -> list[Outcome]:
    """Run programs in one node process, each in a context of its own."""
    assert NODE is not None
    given = "".join(json.dumps(program) + "\n" for program in programs)
    command = [NODE, "--experimental-vm-modules", "--no-warnings", str(HOOK)]
    done = subprocess.run(
        command,
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(programs), done.stderr[-2000:]
    return [
        Outcome(program, tuple(result["bad"]), result["failed"])
        for program, result in zip(programs, results, strict=True)
    ]


def is_safe(program: str) -> bool:
    report = scan_source(program.encode(), "program.js")
    return report.classification is Classification.SAFE


def breakers(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield the programs that do what is forbidden and are called safe."""
    for outcome in outcomes:
        if outcome.bad and is_safe(outcome.program):
            yield outcome
