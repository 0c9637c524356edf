import hashlib
import io
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from evidence import storage
from evidence.errors import (
    EvidenceDamaged,
    EvidenceMissing,
    StorageUnavailable,
    UploadBroken,
    UploadTooLarge,
)
from tests.work import at_most

DATA = b"evidence" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()


def keep(data: bytes = DATA) -> str:
    with storage.receive_stream(io.BytesIO(data)) as incoming:
        incoming.keep()
        return incoming.sha256_hex


def files_in(folder: Path) -> list[Path]:
    """Return the files of the store but its mark."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if path.name != storage.MARK]


class StreamThatBreaks:
    """Gives one chunk and then fails, as a connection that goes away does."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.given = False

    def read(self, size: int) -> bytes:
        if self.given:
            raise self.error
        self.given = True
        return b"half"


def test_kept_bytes_are_found_by_their_digest(evidence_folder):
    assert keep() == DIGEST
    assert b"".join(storage.iter_stored(DIGEST)) == DATA
    assert [path.name for path in files_in(evidence_folder)] == [DIGEST]


def test_kept_files_are_read_only(evidence_folder):
    keep()
    (path,) = files_in(evidence_folder)
    assert path.stat().st_mode & 0o777 == 0o400


def test_bytes_that_are_not_kept_leave_nothing(evidence_folder):
    with storage.receive_stream(io.BytesIO(DATA)) as incoming:
        assert incoming.sha256_hex == DIGEST
        assert len(files_in(evidence_folder)) == 1
    assert files_in(evidence_folder) == []


@pytest.mark.parametrize(
    "error", [ConnectionResetError("gone"), TimeoutError(), OSError("unreadable")]
)
def test_broken_upload_leaves_nothing(evidence_folder, error):
    with (
        pytest.raises(UploadBroken, match="nothing was kept"),
        storage.receive_stream(StreamThatBreaks(error)),
    ):
        pass
    assert files_in(evidence_folder) == []


def test_too_large_upload_is_refused_while_it_streams(evidence_folder, settings):
    settings.EVIDENCE_MAX_BYTES = 10

    with (
        pytest.raises(UploadTooLarge, match="more than 10 bytes"),
        storage.receive_stream(io.BytesIO(DATA)),
    ):
        pass
    assert files_in(evidence_folder) == []


def test_keeping_the_same_bytes_again_changes_nothing(evidence_folder):
    keep()
    (path,) = files_in(evidence_folder)
    before = path.stat()
    keep()
    assert files_in(evidence_folder) == [path]
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("changed", [b"short", DATA[:-1] + b"!"])
def test_sound_bytes_take_the_place_of_damaged_ones(evidence_folder, changed):
    damage(evidence_folder / storage.key_of(DIGEST), changed)
    with storage.receive_stream(io.BytesIO(DATA)) as incoming:
        keeping = incoming.keep()
    assert keeping.how is storage.Kept.REPAIRED
    final = evidence_folder / storage.key_of(DIGEST)
    assert final.read_bytes() == DATA
    assert final.stat().st_mode & 0o777 == 0o400
    assert (evidence_folder / keeping.damaged_key).read_bytes() == changed
    assert len(files_in(evidence_folder)) == 2


def test_bytes_that_are_damaged_twice_leave_two_copies(evidence_folder):
    for changed in (b"short", b"shorter"):
        damage(evidence_folder / storage.key_of(DIGEST), changed)
        keep()
    copies = files_in(evidence_folder / storage.DAMAGED)
    assert {copy.read_bytes() for copy in copies} == {b"short", b"shorter"}


def test_two_at_once_repair_once(evidence_folder):
    damage(evidence_folder / storage.key_of(DIGEST), b"short")
    gate = threading.Barrier(2)
    found = []

    def upload() -> None:
        with storage.receive_stream(io.BytesIO(DATA)) as incoming:
            gate.wait(10)
            found.append(incoming.keep().how)

    threads = [threading.Thread(target=upload) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert set(found) == {storage.Kept.REPAIRED, storage.Kept.PRESENT}
    assert len(files_in(evidence_folder / storage.DAMAGED)) == 1


def damage(path: Path, data: bytes) -> None:
    """Change stored bytes, as a failing disk or an intruder would."""
    if not path.exists():
        keep()
    path.chmod(0o600)
    path.unlink()
    path.write_bytes(data)


def test_changed_bytes_are_found_out(evidence_folder):
    keep()
    (path,) = files_in(evidence_folder)
    path.chmod(0o600)
    path.write_bytes(DATA[:-1] + b"!")
    with pytest.raises(EvidenceDamaged, match="were changed in the store"):
        storage.read_verified(DIGEST)
    with pytest.raises(EvidenceDamaged):
        storage.require_intact(DIGEST)


def test_missing_bytes_are_told_from_an_unavailable_store(evidence_folder):
    with pytest.raises(EvidenceMissing, match=DIGEST):
        storage.open_stored(DIGEST)
    evidence_folder.joinpath("sha256").write_text("a file where a folder should be")
    with pytest.raises(StorageUnavailable, match="does not answer"):
        storage.open_stored(DIGEST)


def test_two_at_once_keep_one_file(evidence_folder):
    gate = threading.Barrier(2)
    digests: list[str] = []

    def upload() -> None:
        with storage.receive_stream(io.BytesIO(DATA)) as incoming:
            gate.wait(10)
            incoming.keep()
            digests.append(incoming.sha256_hex)

    threads = [threading.Thread(target=upload) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert digests == [DIGEST, DIGEST]
    assert [path.name for path in files_in(evidence_folder)] == [DIGEST]


KILLED_UPLOAD = """
import os, sys, time
import django
django.setup()
from django.test.utils import override_settings
from django.conf import settings
from evidence import storage

class Slow:
    given = False
    def read(self, size):
        if self.given:
            print("half", flush=True)
            time.sleep(60)
        self.given = True
        return b"x" * 100_000

with storage.receive_stream(Slow()) as incoming:
    incoming.keep()
"""


@pytest.mark.live
def test_killed_upload_leaves_nothing_that_counts_and_is_swept(evidence_folder):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_UPLOAD],
        env={**os.environ, "EVIDENCE_ROOT": str(evidence_folder)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"half\n"
    (left,) = files_in(evidence_folder)

    # While the upload lives, however slow, its file is left alone.
    assert storage.sweep_incoming(older_than_seconds=-1) == 0
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert left.exists()
    assert not (evidence_folder / "sha256").exists()
    assert storage.sweep_incoming(older_than_seconds=3600) == 0
    assert storage.sweep_incoming(older_than_seconds=-1) == 1
    assert files_in(evidence_folder) == []


def test_probe_writes_its_file_once(evidence_folder):
    storage.probe()
    (first,) = files_in(evidence_folder)
    before = first.stat()
    storage.probe()
    assert files_in(evidence_folder) == [first]
    assert first.stat().st_mtime_ns == before.st_mtime_ns


def test_probe_notices_other_bytes(evidence_folder):
    storage.probe()
    (kept,) = files_in(evidence_folder)
    kept.chmod(0o600)
    kept.write_bytes(b"other bytes")
    with pytest.raises(EvidenceDamaged):
        storage.probe()


def test_probe_says_when_the_store_cannot_be_written(evidence_folder):
    storage.probe()
    folder = evidence_folder / "incoming"
    folder.rmdir()
    folder.write_text("a file where a folder should be")
    # It does not try again and again while somebody waits for the answer.
    with pytest.raises(StorageUnavailable), at_most(2_000):
        storage.probe()


def test_probe_that_cannot_write_leaves_nothing(evidence_folder):
    storage.probe()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As on a full disk, a file can be made and nothing be written to it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(StorageUnavailable):
            storage.probe()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((evidence_folder / "incoming").iterdir()) == []
