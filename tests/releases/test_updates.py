"""Data of every released version comes through to the newest one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests.releases.dump import ROOT, load_dump, read_head

pytestmark = pytest.mark.live

RELEASES = sorted((ROOT / "tests" / "data" / "releases").glob("*.txt.gz"))
MIGRATE_TO = """
import json, sys, django
django.setup()
from django.core.management import call_command
for app, name in json.loads(sys.argv[1]).items():
    call_command("migrate", app, name, verbosity=0)
"""


@contextmanager
def empty_database() -> Iterator[str]:
    """Make a database beside the tests' own, and give its URL."""
    server = urlsplit(os.environ["DATABASE_URL"])
    name = f"release_{os.getpid()}"
    url = urlunsplit(server._replace(path=f"/{name}"))
    admin = urlunsplit(server._replace(path="/postgres"))
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield url
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def run(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def test_there_is_a_release_to_update_from() -> None:
    assert RELEASES


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.name)
def test_a_release_updates_with_its_data(path: Path) -> None:
    with empty_database() as url:
        newest = json.dumps(read_head(path)["migrations"])
        made = run(url, "-c", MIGRATE_TO, newest)
        assert made.returncode == 0, made.stderr
        with psycopg.connect(url) as connection:
            counts = load_dump(connection, path)
        assert counts["incidents_incident"]
        assert counts["evidence_auditentry"]
        updated = run(url, "manage.py", "migrate", "--verbosity", "0")
        assert updated.returncode == 0, updated.stderr
        verified = run(url, "manage.py", "verify_audit")
        assert verified.returncode == 0, verified.stdout + verified.stderr
        with psycopg.connect(url) as connection:
            for table in ("incidents_incident", "evidence_auditentry", "auth_user"):
                row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                assert row == (counts[table],)
