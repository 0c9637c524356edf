"""A worker that is killed in mid-archive leaves nothing that passes for an archive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evidence import storage
from evidence.accounts.access import Role
from evidence.audit.log.keys import verifier_keys
from evidence.models import AuditEntry, WorkState
from evidence.proof.verify_archive import check_archive
from evidence.storage.places import incoming_folder
from incidents.models import CaseArchive
from incidents.services.archives.requests import (
    list_stored_archives,
    request_archive,
    run_archive,
)
from tests.evidence.helpers import receive
from tests.factories import make_user
from tests.incidents.archives.killed import POINTS
from tests.incidents.postmortem.cases import make_case
from tests.live import ROOT, LiveWorker
from tests.suites import leave_slow

pytestmark = pytest.mark.long

LET_GO_SECONDS = 30.0
# Before and after the file is in its place: the other points are tried at length.
QUICK_POINTS = ("writing", "kept")


def run_until_killed(
    archive: CaseArchive, point: str, sha256_hex: str, evidence_folder: Path
) -> None:
    """Make the archive in a process of its own, and see it killed."""
    worker = LiveWorker(evidence_folder, Path(os.devnull))
    key = {"LOG_KEY_FILE": f"{evidence_folder}.log-key"}
    command = [sys.executable, "-m", "tests.incidents.archives.killed"]
    done = subprocess.run(
        [*command, str(archive.pk), point, sha256_hex],
        cwd=ROOT,
        env={**os.environ, **worker.variables(), **key},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def make_it_anew(archive: CaseArchive) -> CaseArchive:
    """Run it again, once the database has noticed that the process is gone."""
    deadline = time.monotonic() + LET_GO_SECONDS
    while (made := run_archive(archive_id=archive.pk)) is None:
        assert time.monotonic() < deadline, "the dead process's lock is still held"
        time.sleep(0.1)
    return made


@pytest.mark.parametrize(
    "point",
    leave_slow(POINTS, *(point for point in POINTS if point not in QUICK_POINTS)),
)
def test_a_killed_process_leaves_no_archive_and_the_next_run_makes_it(
    point: str, transactional_db: None, evidence_folder: Path, tmp_path: Path
) -> None:
    incident = make_case()
    item = receive(incident.pk, b"notes of the call", "notes.txt")
    archive = request_archive(incident_id=incident.pk, actor=make_user(Role.REVIEWER))

    run_until_killed(archive, point, item.sha256_hex, evidence_folder)

    archive.refresh_from_db()
    assert archive.state != WorkState.DONE
    assert (archive.sha256_hex, archive.finished_at) == ("", None)
    assert not list_stored_archives().exists()
    assert not AuditEntry.objects.filter(action="archive.made").exists()

    made = make_it_anew(archive)
    assert made.state == WorkState.DONE
    path = tmp_path / "archive.zip"
    path.write_bytes(storage.read_verified(made.sha256_hex))
    assert check_archive(str(path), verifier_keys(), []) == []
    assert AuditEntry.objects.filter(action="archive.made").count() == 1
    storage.sweep_incoming(older_than_seconds=-1)
    assert not list(incoming_folder().glob("*.part"))
