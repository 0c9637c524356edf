"""Tells by a hash of the code whether what was made from it is still right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from config.launcher.folders import ROOT

APPS = ("evidence", "policy", "incidents")


def hash_files(paths: Iterable[Path]) -> str:
    """Return 64 hexadecimal digits for the files' names and content."""
    content = hashlib.sha256()
    for path in sorted(paths):
        content.update(str(path.relative_to(ROOT)).encode() + b"\0")
        content.update(path.read_bytes() + b"\0")
    return content.hexdigest()


def hash_schema() -> str:
    """Hash what an empty migrated database depends on."""
    return hash_files(
        [
            *ROOT.glob("*/migrations/*.py"),
            # Permissions are made from the models, and triggers by their helpers.
            *(path for app in APPS for path in (ROOT / app).glob("models/**/*.py")),
            *(ROOT / app / "apps.py" for app in APPS),
            *ROOT.glob("evidence/audit/records/*.py"),  # installed after migrating
            *ROOT.glob("incidents/workflow/*.py"),  # what choices and defaults name
            *ROOT.glob("config/settings*.py"),
            ROOT / "config/installed.py",
            ROOT / "requirements.txt",
        ]
    )


def hash_code() -> str:
    """Hash all that preparing the local run's database depends on."""
    folders = (*APPS, "config")
    kinds = ("*.py", "*.yaml", "*.json")
    found = [
        p for folder in folders for kind in kinds for p in (ROOT / folder).rglob(kind)
    ]
    return hash_files([*found, ROOT / "requirements.txt"])
