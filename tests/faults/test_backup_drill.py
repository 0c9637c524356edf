"""A drill: backed up under load, restored into an empty installation, all verified."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from config.launcher.folders import ROOT
from tests.faults.conftest import Counted
from tests.faults.counting import (
    STORED,
    is_well,
    sending,
    upload_patiently,
)
from tests.faults.installation import Installation, vector

pytestmark = pytest.mark.faults
EMPTY = "restored"
BEFORE_SECONDS = 5.0


@pytest.fixture(autouse=True, scope="module")
def workers(casefile: Installation) -> None:
    casefile.start_workers()
    casefile.wait(lambda: is_well(casefile), seconds=120)


@pytest.fixture
def empty(casefile: Installation, tmp_path: Path) -> dict[str, str]:
    """Make an empty database beside the other; give the settings of who restores."""
    url = casefile.environment["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(EMPTY)))
    return {
        **casefile.environment,
        "DATABASE_URL": url.replace("/casefile?", f"/{EMPTY}?"),
        "EVIDENCE_ROOT": str(tmp_path / "restored"),
        "LOG_KEY_FILE": casefile.environment["EVIDENCE_ROOT"] + ".log-key",
    }


def manage(
    environment: dict[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.promise(
    "backup while four senders upload, restore into an empty installation",
    "everything verifies; nothing acknowledged before the backup is missing",
)
def test_a_backup_under_load_comes_back_whole(
    casefile: Installation, empty: dict[str, str], tmp_path: Path, counted: Counted
) -> None:
    reference = casefile.open_case("backed up")
    assert upload_patiently(casefile, reference, vector(), "plain.json").status == 201
    folder = tmp_path / "backup"
    with sending(casefile, reference) as answers:
        time.sleep(BEFORE_SECONDS)
        acknowledged = {
            name for name, one in dict(answers).items() if one.status == 201
        }
        made = manage(casefile.environment, "backup", str(folder))
    during = sum(one.status == 201 for one in answers.values()) - len(acknowledged)
    assert made.returncode == 0, made.stdout + made.stderr
    restored = manage(empty, "restore", str(folder))
    assert restored.returncode == 0, restored.stdout + restored.stderr
    with psycopg.connect(empty["DATABASE_URL"]) as database:
        names = {name for (name,) in database.execute(STORED, [reference]).fetchall()}
    missing = ({"plain.json"} | acknowledged) - names
    counted(
        f"{len(acknowledged) + 1} uploads acknowledged before and {during} during the "
        f"backup; {len(names)} restored, {len(missing)} missing of those before; "
        "history, records and store verify"
    )
    assert during > 0, "nothing was sent while the backup was made"
    assert missing == set()
    assert "restored and verified" in restored.stdout
