"""Reading paths: folders and files that have to be there before anything starts."""

from __future__ import annotations

import os
import ssl
from functools import partial
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config.environment.faults import gathered, read_each
from config.environment.values import read_required, read_text, read_words


@gathered()
def read_required_folder(name: str, *, example: str) -> str:
    """Return the path of a folder, which may be made later."""
    return _require_folder(name, read_required(name, example=example))


@gathered()
def read_new_folder(name: str, *, default: str) -> str:
    """Return the path of a folder that may be made later, or the default."""
    return _require_folder(name, read_text(name, default=default))


@gathered()
def read_folder(name: str) -> str:
    """Return the path of a folder that is there, or ""."""
    path = read_text(name)
    return _require_existing(name, path) if path else ""


@gathered()
def read_folders(name: str) -> list[str]:
    """Return comma-separated paths of folders that are there."""
    return read_each(name, read_words(name), partial(_require_existing, name))


@gathered()
def read_file_path(name: str, *, default: str) -> str:
    """Return the path of a file that may be made later, in whatever folder."""
    path = read_text(name, default=default)
    _require_absolute(name, path, "/var/lib/casefile/name")
    if Path(path).is_dir():
        raise ImproperlyConfigured(f"{name} names {path}, which is a folder, no file")
    return path


@gathered()
def read_certificates(name: str) -> str:
    """Return the path of a file of authorities (PEM), or "" where none is named.

    Raise ImproperlyConfigured where it holds no certificate.
    """
    path = os.environ.get(name, "").strip()
    if path:
        try:
            found = ssl.create_default_context(cafile=path).cert_store_stats()["x509"]
        except OSError as error:
            reason = error.strerror or "it holds no certificates (PEM)"
            raise ImproperlyConfigured(f"{name} names {path}: {reason}") from error
        if not found:
            raise ImproperlyConfigured(f"{name} names {path}: it holds no certificate")
    return path


def _require_existing(name: str, path: str) -> str:
    _require_folder(name, path)
    if not Path(path).is_dir():
        raise ImproperlyConfigured(f"{name} names {path}, which is not there. Make it")
    return path


def _require_folder(name: str, path: str) -> str:
    _require_absolute(name, path, "/var/lib/casefile")
    if Path(path).exists() and not Path(path).is_dir():
        raise ImproperlyConfigured(f"{name} names {path}, which is no folder")
    return path


def _require_absolute(name: str, path: str, example: str) -> None:
    """Refuse a path that means another place in another working directory."""
    if not Path(path).is_absolute() or "\x00" in path:
        raise ImproperlyConfigured(
            f"{name} must be a whole path, such as {example}, got {path!r}"
        )
