"""Secrets of the local run, each in a file that only its user can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def read_or_make_secret(path: Path) -> str:
    """Return the secret in the file, making one the first time."""
    if not path.exists():
        # Written beside and moved, so that a crash leaves none or a whole one.
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        with open(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
        ) as f:
            f.write(secrets.token_urlsafe(64))
        draft.rename(path)
    return path.read_text().strip()
