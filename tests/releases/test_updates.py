"""Data of every released version comes through to the newest one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.databases import made_database
from tests.releases.dump import ROOT, load_dump, read_head

pytestmark = pytest.mark.live

RELEASES = sorted((ROOT / "tests" / "data" / "releases").glob("*.txt.gz"))
MIGRATE_TO = """
import json, sys, django
django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from evidence.database.first_migration import FirstState
targets = list(json.loads(sys.argv[1]).items())
executor = MigrationExecutor(connection)
state = FirstState(real_apps=executor.loader.unmigrated_apps)
executor.migrate(targets, state=state)
for app, name in targets:
    call_command("migrate", app, name, verbosity=0)
"""


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
    with made_database("release") as url:
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
