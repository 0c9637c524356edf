"""Asks a database of vulnerabilities about everything that is locked: `make audit`.

Exit codes: 0 where each package was asked about and none has a known vulnerability, 1
where one has, 3 where not all could be asked about. pip-audit by itself ends with 0
where it got no answer for a package; that is never taken for a good one here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LOCKED = "requirements-dev.txt"
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3
SHOWN = 5
MOST_SECONDS = 300.0
"""Where a network swallows what is sent, each package is waited for by itself."""
COMMAND = (
    *(sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"),
    *("--format", "json", "--progress-spinner", "off", "--requirement"),
)


def audit(command: tuple[str, ...] = COMMAND, *, seconds: float = MOST_SECONDS) -> int:
    """Print what is known of every locked package; return the exit code."""
    try:
        told = subprocess.run(
            [*command, str(ROOT / LOCKED)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        print(f"NOT AUDITED: nothing was answered within {seconds:g} seconds.")
        return UNKNOWN
    try:
        found: list[dict[str, Any]] = json.loads(told.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        why = told.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        print(f"NOT AUDITED: no database of vulnerabilities answered ({why[0]}).")
        return UNKNOWN
    return judge(found)


def judge(found: list[dict[str, Any]]) -> int:
    """Print what was found, the worst last, and return the exit code."""
    asked = [entry for entry in found if "vulns" in entry]
    unknown = sorted(entry["name"] for entry in found if "vulns" not in entry)
    vulnerable = [entry for entry in asked if entry["vulns"]]
    for entry in vulnerable:
        for fault in entry["vulns"]:
            fixed = ", ".join(fault.get("fix_versions", [])) or "no release"
            print(
                f"{entry['name']} {entry['version']}: {fault['id']}, mended in {fixed}"
            )
    if unknown or not found:
        names = ", ".join(unknown[:SHOWN]) + (" …" if unknown[SHOWN:] else "")
        print(
            f"NOT AUDITED: of {len(found)} packages {len(unknown)} could not be asked "
            f"about ({names}). No database of vulnerabilities was reached, or it does "
            "not know them. Run this again where PyPI's can be reached."
        )
    if vulnerable:
        return VULNERABLE
    if unknown or not found:
        return UNKNOWN
    print(f"{len(asked)} packages asked about, none with a known vulnerability.")
    return CLEAN


if __name__ == "__main__":
    sys.exit(audit())
