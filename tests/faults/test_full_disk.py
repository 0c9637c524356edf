"""A disk that is full: in an upload, an export and an archive, and room again after."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import Counted
from tests.faults.counting import (
    ask_for_files,
    count_verified,
    is_well,
    read_messages,
    require_history_holds,
    stored_names,
    wait_until_told,
)
from tests.faults.installation import Answer, Installation, running_installation, vector

pytestmark = pytest.mark.faults
MIB = 1024 * 1024
DISK_MIB = 48
LARGEST_MIB = 4
BREACHES = 5
BOUNDARY = "----casefile-fault"
JSON = {"Accept": "application/json"}
ADD = "/admin/evidence/evidenceitem/upload/"
PAGES = ("/admin/", "/admin/incidents/incident/", "/admin/evidence/evidenceitem/")


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a file system of its own, of a few MiB, or skip and say why not."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    words = ("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder))
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with small_disk(tmp_path_factory.mktemp("faults") / "disk") as mounted:
        yield mounted


@pytest.fixture(scope="module")
def casefile(disk: Path) -> Iterator[Installation]:
    (disk / "spool").mkdir()
    variables = {
        "EVIDENCE_ROOT": str(disk / "evidence"),
        "EVIDENCE_MAX_BYTES": str(LARGEST_MIB * MIB),
        "UPLOAD_TEMP_DIR": str(disk / "spool"),
        "TMPDIR": str(disk / "spool"),
    }
    with running_installation(**variables) as made:
        made.start_workers()
        made.wait(lambda: is_well(made), seconds=120)
        yield made


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Leave no room on the disk while the block runs."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (MIB, 4096, 1):
                _write_until_full(file.fileno(), bytes(size))
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _write_until_full(descriptor: int, piece: bytes) -> None:
    try:
        while os.write(descriptor, piece) == len(piece):
            pass
    except OSError:
        return


def as_form(fields: dict[str, str], data: bytes) -> bytes:
    """Return a multipart body with fields and a file, as a browser sends it."""
    start = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    parts = [f'{start}"{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    parts.append(f'{start}"file"; filename="form.bin"\r\nContent-Type: text/plain')
    head = "".join(parts).encode() + b"\r\n\r\n"
    return head + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def upload_forms(
    casefile: Installation, reference: str, session: dict[str, str]
) -> dict[str, Answer]:
    """Upload a file that is spooled on its way: through the API, and on the page."""
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    token = {"Authorization": f"Bearer {casefile.secret}"}
    form = casefile.get(ADD, session)
    assert form.status == 200, (form, casefile.logs())
    hidden = re.findall(rb'csrfmiddlewaretoken" value="([^"]+)"', form.body)[0]
    case = casefile.count(
        "SELECT id FROM incidents_incident WHERE reference = %s", reference
    )
    fields = {"csrfmiddlewaretoken": hidden.decode(), "incident": str(case)}
    data = os.urandom(2 * MIB)
    sent = {
        "form": ("/api/v1/evidence/", token, as_form({"incident": reference}, data)),
        "page": (ADD, session, as_form(fields, data)),
        "script": (ADD, session | JSON, as_form(fields, data)),
    }
    return {
        name: casefile.request("POST", path, body, headers | kind)
        for name, (path, headers, body) in sent.items()
    }


def leftovers(disk: Path) -> list[str]:
    """Return what uploads and workers left lying about, half made."""
    return [
        str(path.relative_to(disk))
        for path in (*disk.glob("evidence/incoming/*"), *disk.glob("spool/*"))
        # A worker's own folder, for as long as it runs.
        if not path.name.startswith("pymp-")
    ]


@pytest.mark.promise(
    "the store's disk is full, in uploads, an export and an archive",
    "refused in words, nothing half made; reading, cases and reminders go on; "
    "what was asked for is made once there is room",
)
def test_a_full_disk_refuses_clearly_and_all_else_goes_on(
    casefile: Installation, disk: Path, counted: Counted
) -> None:
    reference = casefile.open_case("full disk")
    before = casefile.upload(reference, vector(), "plain.json")
    casefile.wait(lambda: count_verified(casefile, reference) == 1, seconds=120)
    session = casefile.open_session("responder")
    item = f"/admin/evidence/evidenceitem/{before.json()['id']}"
    with filled(disk):
        refused = {
            "raw": casefile.upload(reference, os.urandom(MIB), "raw.bin"),
            "small": casefile.upload(reference, b"few bytes", "small.log"),
            **upload_forms(casefile, reference, session),
        }
        files = ask_for_files(casefile, reference)
        breaching = casefile.open_cases(BREACHES, title="full", opened_seconds_ago=295)
        shown = [casefile.get(path, session) for path in (*PAGES, f"{item}/change/")]
        download = casefile.get(f"{item}/download/", session)
        told = wait_until_told(casefile, breaching, seconds=90)
        waiting = files.states()
        ready = casefile.wait_for_parts("disk", "evidence_storage", status="failing")
        half = leftovers(disk)
    names = stored_names(casefile, reference)
    again = upload_forms(casefile, reference, session)
    made = casefile.wait(files.are_done, seconds=420)
    read_messages(casefile).require_each_once()
    require_history_holds(casefile)
    counted(
        f"{len(refused)} ways to upload refused with "
        f"{sorted({answer.status for answer in refused.values()})}, {len(half)} files "
        f"left over; {len(shown)} pages and a download answered, {BREACHES} breaches "
        f"told within {told:.0f} s; export and archive waited, and were made "
        f"{made:.0f} s after there was room"
    )
    assert {name: answer.status for name, answer in refused.items()} == dict.fromkeys(
        refused, 503
    )
    assert all(b"disk" in answer.body for answer in refused.values())
    assert {answer.status for answer in shown} == {200}
    assert (download.status, download.body) == (200, vector())
    assert set(waiting) <= {"queued", "running"}
    assert ready.status == 200
    assert half == []
    assert list(names) == ["plain.json"]
    assert {name: answer.status for name, answer in again.items()} == {
        "form": 201,
        "page": 302,
        "script": 200,
    }
