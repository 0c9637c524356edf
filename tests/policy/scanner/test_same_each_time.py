"""The same file has the same report in every process, also where a limit ends it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from config.launcher.folders import ROOT
from policy.scanner.proof.source import MAX_USES

# Of the names of the global object one is used too often to be followed, and the
# others are handed on: which are named depends on which are looked at before it.
SOURCE = f"""
f(window); f(self); f(top); f(frames); f(globalThis);
{"global.x;" * (MAX_USES + 1)}
"""
SCAN = """
import sys
from policy.scanner.archive import SourceFile
from policy.scanner.scanning import scan_file
print(repr(scan_file(SourceFile("a.js", sys.stdin.buffer.read()))))
"""


def scan(seed: int, source: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SCAN],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": str(seed)},
        input=source.encode(),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


@pytest.mark.parametrize("source", ["f(window);", SOURCE])
def test_a_report_does_not_depend_on_the_order_of_sets(source: str) -> None:
    reports = {scan(seed, source) for seed in range(5)}
    assert len(reports) == 1
