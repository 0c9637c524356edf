"""The archives in tests/data/proof, and ways to run the checker over one."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

from evidence.proof import verify_archive

FOLDER = Path(__file__).parents[2] / "data" / "proof"
CHECKER = Path(verify_archive.__file__)
NAMES = sorted(
    path.name.removesuffix(".expected.json") for path in FOLDER.glob("*.expected.json")
)


def expected(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.expected.json").read_bytes())


def check(archive: Path, *arguments: str, python: str = sys.executable) -> Any:
    """Run the checker as a stranger would: isolated, in a process of its own."""
    return subprocess.run(
        [python, "-I", "-S", CHECKER, archive, *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def members_of(archive: Path) -> dict[str, bytes]:
    """Return every member's bytes by its whole name."""
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist()}


def write_archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data)
    return path


def found_in(archive: Path) -> set[tuple[str, str]]:
    """Return the (code, path) of every fault, with no key and no checkpoint."""
    faults = verify_archive.check_archive(str(archive), [], [])
    return {(fault["code"], fault["path"]) for fault in faults}
