"""One migrated database, kept under the hash of what made it, cloned for each worker.

Migrating takes most of a test run's start. The first process that needs the template
makes it, the others wait for that and copy it, which takes a fraction of a second.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "casefile_template_"


def name_template() -> str:
    """Return the template's name: another one after any change of what makes it."""
    content = hashlib.sha256()
    for path in (
        *sorted(ROOT.glob("*/migrations/*.py")),
        *sorted(ROOT.glob("*/models/*.py")),  # permissions are made from the models
        ROOT / "requirements.txt",
    ):
        content.update(str(path.relative_to(ROOT)).encode() + b"\0")
        content.update(path.read_bytes() + b"\0")
    return PREFIX + content.hexdigest()[:16]


def lock_key(template: str) -> int:
    """Return the advisory lock held while this template is looked for or made."""
    return int(template.removeprefix(PREFIX)[:15], 16)
