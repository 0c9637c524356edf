"""A backup is made, restored into an empty installation, and all of it verifies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from evidence import storage
from tests.backend.template import name_template
from tests.test_architecture import ROOT

pytestmark = pytest.mark.live

COUNTED = ("incidents_incident", "evidence_evidenceitem", "evidence_recordedrow")
PASSWORD = "only-for-tests"
MAKE_ROLE = sql.SQL(f"CREATE ROLE {{}} LOGIN PASSWORD '{PASSWORD}'")
FILL = """
import django
django.setup()
from tests.factories import make_evidence, make_incident, make_user
make_user()
incident = make_incident()
for vector in ("plain", "tampered-count", "redacted-full"):
    make_evidence(incident, vector=vector)
"""


@dataclass(frozen=True)
class Installation:
    """A database of its own and an evidence folder, as its commands are told."""

    url: str
    evidence: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=ROOT,
            env={
                **os.environ,
                "DATABASE_URL": self.url,
                "EVIDENCE_ROOT": str(self.evidence),
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("manage.py", *words)

    def counts(self) -> list[int]:
        with psycopg.connect(self.url) as connection:
            rows = [
                connection.execute(
                    sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
                ).fetchone()
                for table in COUNTED
            ]
        return [row[0] for row in rows if row]


def make_installation(
    name: str, folder: Path, *, template: str | None
) -> Iterator[Installation]:
    server = urlsplit(os.environ["DATABASE_URL"])
    database = f"{name}_{os.getpid()}"
    admin = urlunsplit(server._replace(path="/postgres"))
    with psycopg.connect(admin, autocommit=True) as connection:
        made = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database))
        if template:
            made += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        connection.execute(made)
        try:
            url = urlunsplit(server._replace(path=f"/{database}"))
            yield Installation(url, folder / name)
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(database)))


@pytest.fixture(scope="module")
def source(tmp_path_factory, django_db_setup) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installations")
    for one in make_installation("source", folder, template=name_template()):
        filled = one.run("-c", FILL)
        assert filled.returncode == 0, filled.stderr
        yield one


@pytest.fixture(scope="module")
def backup(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("backups") / "monday"
    made = source.manage("backup", str(folder))
    assert made.returncode == 0, made.stdout + made.stderr
    assert f"{folder} is a whole backup" in made.stdout
    return folder


@pytest.fixture
def empty(tmp_path) -> Iterator[Installation]:
    yield from make_installation("target", tmp_path, template=None)


@pytest.fixture
def copy(backup, tmp_path) -> Path:
    """A copy of the backup, to be spoilt."""
    return Path(shutil.copytree(backup, tmp_path / "copy"))


def test_everything_comes_back_and_verifies(source, backup, empty):
    done = empty.manage("restore", str(backup))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every chain holds" in done.stdout
    assert "everything is as it was written" in done.stdout
    assert "3 stored files: all sound" in done.stdout
    assert "restored and verified" in done.stdout
    cases, items, records = source.counts()
    assert empty.counts()[:2] == [cases, items]
    assert empty.counts()[2] >= records
    assert (empty.evidence / storage.MARK).read_bytes() == (
        source.evidence / storage.MARK
    ).read_bytes()
    again = empty.manage("restore", str(backup))
    assert again.returncode == 2
    assert "The database has data" in again.stderr


def as_role(installation: Installation, role: str) -> Installation:
    """The same installation, reached as somebody else."""
    server = urlsplit(installation.url)
    place = server.netloc.rpartition("@")[2]
    url = urlunsplit(server._replace(netloc=f"{role}:{PASSWORD}@{place}"))
    return replace(installation, url=url)


@pytest.fixture
def stranger(empty) -> Iterator[str]:
    """A role of the server that owns nothing."""
    role = f"stranger_{os.getpid()}"
    name = sql.Identifier(role)
    with psycopg.connect(empty.url, autocommit=True) as connection:
        connection.execute(MAKE_ROLE.format(name))
        try:
            yield role
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


def require_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    for said in (*words, "Roles are not in a backup", "Nothing was restored"):
        assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_without_the_role_is_told_what_to_make_and_left_alone(backup, empty):
    done = as_role(empty, "casefile_nobody").manage("restore", str(backup))
    require_refused(done, "casefile_nobody", "cannot be reached")
    assert not empty.evidence.exists()


def test_a_role_that_does_not_own_the_database_restores_nothing(
    backup, empty, stranger
):
    done = as_role(empty, stranger).manage("restore", str(backup))
    require_refused(done, f"The role {stranger} does not own")
    assert not empty.evidence.exists()


def test_the_applications_role_is_made_and_given_its_rights_after_a_restore(
    backup, empty
):
    """The backup names no role: the one that the source had need not be there."""
    done = empty.manage("restore", str(backup))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "grant_app_role" in done.stdout
    role = f"restored_app_{os.getpid()}"
    refused = empty.manage("grant_app_role", role)
    assert refused.returncode == 1
    assert "does not exist" in refused.stderr
    assert "createuser" in refused.stderr
    name = sql.Identifier(role)
    with psycopg.connect(empty.url, autocommit=True) as connection:
        connection.execute(MAKE_ROLE.format(name))
        try:
            granted = empty.manage("grant_app_role", role)
            assert granted.returncode == 0, granted.stderr
            verified = as_role(empty, role).manage("verify_audit")
            assert verified.returncode == 0, verified.stdout + verified.stderr
        finally:
            connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
            connection.execute(sql.SQL("DROP ROLE {}").format(name))


def test_a_finished_backup_stays_as_it_is(source, backup):
    before = (backup / "backup.json").read_bytes()
    again = source.manage("backup", str(backup))
    assert again.returncode == 2
    assert "has a finished backup" in again.stderr
    assert (backup / "backup.json").read_bytes() == before


def test_an_interrupted_backup_goes_on(source, copy, empty):
    """Killed in the middle: no manifest, one file cut off, one missing."""
    (copy / "backup.json").unlink()
    first, second, _ = sorted((copy / "evidence").glob("*/*"))
    first.write_bytes(b"cut")
    second.unlink()
    refused = empty.manage("restore", str(copy))
    assert refused.returncode == 2
    assert "was not finished" in refused.stderr
    resumed = source.manage("backup", str(copy))
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads((copy / "backup.json").read_text())["file_count"] == 3
    assert empty.manage("restore", str(copy)).returncode == 0


@pytest.mark.parametrize("spoilt", ["dump", "file", "missing file", "manifest"])
def test_a_damaged_backup_is_refused_and_changes_nothing(copy, empty, spoilt):
    files = sorted((copy / "evidence").glob("*/*"))
    if spoilt == "dump":
        with (copy / "database.dump").open("ab") as file:
            file.write(b"x")
    elif spoilt == "file":
        files[0].write_bytes(files[0].read_bytes() + b"x")
    elif spoilt == "missing file":
        files[0].unlink()
    else:
        (copy / "backup.json").write_text("{")
    refused = empty.manage("restore", str(copy))
    assert refused.returncode == 2, refused.stdout
    assert "Traceback" not in refused.stderr
    assert not empty.evidence.exists()
    with psycopg.connect(empty.url) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone()
    assert tables == (0,)


def test_damage_in_the_store_is_said_and_does_not_stop_the_rest(source, tmp_path):
    stored = sorted((source.evidence / "sha256").glob("*/*/*"))[0]
    data = stored.read_bytes()
    stored.unlink()
    try:
        made = source.manage("backup", str(tmp_path / "backup"))
    finally:
        stored.write_bytes(data)
    assert made.returncode == 1
    assert f"damaged in the store: {stored.name}" in made.stdout
    manifest = json.loads((tmp_path / "backup" / "backup.json").read_text())
    assert manifest["unsound"] == [stored.name]
    assert manifest["file_count"] == 2


def test_a_folder_with_other_files_is_refused(source, tmp_path):
    (tmp_path / "letter.txt").write_text("x")
    refused = source.manage("backup", str(tmp_path))
    assert refused.returncode == 2
    assert "letter.txt" in refused.stderr
