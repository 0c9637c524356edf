"""Secrets of the local run that stand in files, its own and those of the caller."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config.environment import FROM_FILES, file_variable, read_value
from config.launcher.errors import LaunchError


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


def take_secret_files() -> None:
    """Put what the caller's NAME_FILE variables name into the environment itself.

    The run fills in what is not set, and could not tell otherwise. Raise LaunchError.
    """
    for name in FROM_FILES:
        if not os.environ.get(file_variable(name)):
            continue
        try:
            os.environ[name] = read_value(name)
        except ImproperlyConfigured as error:
            raise LaunchError(f"{error}.") from error
        del os.environ[file_variable(name)]
