"""Every worker finds the same tests: at any time, with any seed of Python's hashes."""

import os
import subprocess
import sys

import pytest

from config.launcher.folders import ROOT


def collect(seed: str) -> list[str]:
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n", "0", "-m", ""],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC-{seed}"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout[-3000:] + found.stderr
    return [line for line in found.stdout.splitlines() if "::" in line]


@pytest.mark.slow
def test_two_collections_find_the_same_tests_in_the_same_order() -> None:
    first, second = collect("1"), collect("2")
    assert len(first) > 1000
    assert first == second
