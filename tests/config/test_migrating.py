"""`migrate` beside a version that works: waits briefly, lets others pass, goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from config.launcher.folders import ROOT
from tests.backend.template import name_template
from tests.databases import made_database

pytestmark = pytest.mark.live
BACK = ("migrate", "incidents", "0044", "--verbosity", "0")
FORTH = ("manage.py", "migrate", "--verbosity", "1")
APPLIED = "SELECT count(*) FROM django_migrations WHERE app = 'incidents'"
LOCKS = (
    "SELECT relation::regclass::text, mode FROM pg_locks JOIN pg_database AS base"
    " ON base.oid = database WHERE datname = current_database() AND granted = %s"
    " AND locktype = 'relation' AND mode LIKE '%%Exclusive%%' AND mode NOT LIKE 'Row%%'"
)
TRIED_AGAIN = "tried again"


@pytest.fixture(scope="module")
def behind(django_db_setup: None) -> Iterator[str]:
    """The name of a database that lacks the newest migrations."""
    with made_database("behind", template=name_template()) as found:
        done = run(found, "manage.py", *BACK)
        assert done.returncode == 0, done.stderr
        yield urlsplit(found).path[1:]


@pytest.fixture
def url(behind: str) -> Iterator[str]:
    """The address of a copy of it."""
    with made_database("migrating", template=behind) as found:
        yield found


def environment_of(url: str) -> dict[str, str]:
    waits = {"DATABASE_LOCK_SECONDS": "1", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, "DATABASE_URL": url, **waits}


def run(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment_of(url),
        capture_output=True,
        text=True,
    )


def hold_tables(holder: psycopg.Connection) -> None:
    """Read and keep the transaction open, as a long page of the old version does."""
    tables = holder.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        " AND tablename LIKE 'incidents_alert%'"
    ).fetchall()
    for (table,) in tables:
        lock = sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE")
        holder.execute(lock.format(sql.Identifier(table)))


def count_applied(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(APPLIED).fetchone()
    return int(row[0]) if row else 0


def test_a_migration_that_meets_others_is_undone_and_tried_again(url: str) -> None:
    before = count_applied(url)
    with psycopg.connect(url) as holder:
        hold_tables(holder)
        migrating = subprocess.Popen(
            [sys.executable, *FORTH],
            cwd=ROOT,
            env=environment_of(url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert migrating.stdout is not None
        said = ""
        for line in migrating.stdout:
            said += line
            if TRIED_AGAIN in line:
                break
        assert TRIED_AGAIN in said, said
        assert count_applied(url) == before
        # Who works is not held up by a migration that waits.
        with psycopg.connect(url) as other:
            other.execute("SET lock_timeout = '30s'")
            other.execute("LOCK TABLE incidents_incident IN ROW EXCLUSIVE MODE")
        holder.rollback()
        said += migrating.stdout.read()
    assert migrating.wait() == 0, said
    assert count_applied(url) > before


def test_a_migration_that_never_gets_its_locks_says_what_to_do(url: str) -> None:
    before = count_applied(url)
    with psycopg.connect(url) as holder:
        hold_tables(holder)
        done = run(url, *FORTH, "--tries", "1")
        assert done.returncode == 1, done.stdout
        assert "run migrate again" in done.stderr
        assert "Traceback" not in done.stderr
    assert count_applied(url) == before


def test_a_migration_locks_the_cases_before_what_belongs_to_them(url: str) -> None:
    """As every change of a case does: otherwise each would wait for the other."""
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as seer:
        holder.execute("LOCK TABLE incidents_incident IN ROW SHARE MODE")
        migrating = subprocess.Popen(
            [sys.executable, *FORTH],
            cwd=ROOT,
            env=environment_of(url) | {"DATABASE_LOCK_SECONDS": "0"},
            stdout=subprocess.DEVNULL,
        )
        while not (waits := seer.execute(LOCKS, [False]).fetchall()):
            assert migrating.poll() is None, "nothing waited for the cases"
            time.sleep(0.1)
        assert waits == [("incidents_incident", "ExclusiveLock")]
        assert seer.execute(LOCKS, [True]).fetchall() == []
        holder.rollback()
    assert migrating.wait() == 0
