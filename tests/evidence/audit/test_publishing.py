"""Checkpoints given to others: folders, mail, webhooks, witnesses; each retried."""

from __future__ import annotations

import base64
import datetime as dt
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.audit.log.growing import grow_log
from evidence.audit.log.keys import verifier_keys
from evidence.audit.log.places import read_places, require_time_stamp
from evidence.audit.log.publishing import (
    check_publishing,
    cosignatures,
    publish_checkpoints,
)
from evidence.errors import HealthWarning, LogPlaceRefused
from evidence.models import LogCheckpoint, LogCopy
from evidence.proof.notes import (
    SigningKey,
    cosigned_message,
    signature_line,
)
from evidence.proof.verify_archive import (
    consistency_holds,
    decode_base64,
    key_id_of,
    open_checkpoint,
    parse_checkpoint,
    split_note,
)
from tests.authority import listening, time_stamping
from tests.evidence.audit.test_log import make_consistent, rechain, write
from tests.evidence.helpers import without_triggers
from tests.factories import NOON, make_user

MINUTE = dt.timedelta(minutes=1)


class Witness:
    """A C2SP witness: it cosigns what extends what it saw, and nothing else."""

    url = ""

    def __init__(self) -> None:
        self.key = SigningKey("witness.example/w", b"\x09" * 32)
        self.size, self.root = 0, b""
        self.asked: list[bytes] = []
        self.status: int | None = None

    @property
    def verifier(self) -> str:
        key_id = key_id_of(self.key.name, self.key.public, 4).hex()
        data = base64.b64encode(b"\x04" + self.key.public).decode()
        return f"{self.key.name}+{key_id}+{data}"

    def answer(self, body: bytes) -> tuple[int, str]:
        self.asked.append(body)
        if self.status is not None:
            return self.status, "not now"
        head, _, note = body.partition(b"\n\n")
        lines = head.decode().split("\n")
        old = int(lines[0].removeprefix("old "))
        stated = open_checkpoint(note, verifier_keys())
        if old != self.size:
            return 409, f"{self.size}\n"
        proof = [decode_base64(line) or b"" for line in lines[1:]]
        if old and not consistency_holds(
            old, self.root, stated.size, stated.root, proof
        ):
            return 422, "no extension"
        self.size, self.root = stated.size, stated.root
        text, _ = split_note(note)
        moment = 1_773_144_000
        signature = self.key.sign(cosigned_message(text, moment))
        data = struct.pack(">Q", moment) + signature
        key_id = key_id_of(self.key.name, self.key.public, 4)
        return 200, signature_line(self.key.name, key_id, data)


@pytest.fixture
def witness(transactional_db: None) -> Iterator[Witness]:
    """A witness that listens on this machine."""
    made = Witness()
    with listening(lambda body: made.answer(body)) as made.url:
        yield made


def test_a_folder_elsewhere_gets_each_new_checkpoint(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    settings.LOG_PLACES = [f"file://{tmp_path}"]
    write(3)
    checkpoint = grow_log(now=NOON)
    assert publish_checkpoints(now=NOON) == 1
    assert publish_checkpoints(now=NOON + MINUTE) == 0
    (path,) = tmp_path.iterdir()
    assert path.read_text() == checkpoint.note
    write()
    grow_log(now=NOON + 2 * MINUTE)
    assert publish_checkpoints(now=NOON + 2 * MINUTE) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_one_file_elsewhere_always_holds_the_newest(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "casefile.checkpoint"
    settings.LOG_PLACES = [f"file://{path}"]
    for number in range(2):
        write()
        moment = NOON + number * MINUTE
        checkpoint = grow_log(now=moment)
        assert publish_checkpoints(now=moment) == 1
        assert path.read_text() == checkpoint.note
    assert list(tmp_path.iterdir()) == [path]
    # A folder that is not mounted is no file to be made.
    settings.LOG_PLACES = [f"file://{tmp_path}/not-mounted"]
    assert publish_checkpoints(now=NOON + 5 * MINUTE) == 0
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_is_away_is_asked_again_later(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "away"
    settings.LOG_PLACES = [f"file://{folder}"]
    write()
    grow_log(now=NOON)
    assert publish_checkpoints(now=NOON) == 0
    copy = LogCopy.objects.get()
    assert "not there" in copy.last_problem
    folder.mkdir()
    assert publish_checkpoints(now=NOON + dt.timedelta(seconds=30)) == 0
    assert publish_checkpoints(now=NOON + 5 * MINUTE) == 1
    copy.refresh_from_db()
    assert (copy.attempts, copy.last_problem) == (2, "")


def test_mail_carries_the_checkpoint(db: None, settings: Settings) -> None:
    settings.LOG_PLACES = ["mailto:auditor@example.org"]
    write()
    checkpoint = grow_log(now=NOON)
    publish_checkpoints(now=NOON)
    (message,) = mail.outbox
    assert message.to == ["auditor@example.org"]
    assert checkpoint.note in message.body


def test_a_witness_cosigns_and_then_refuses_a_fork(
    witness: Any, settings: Settings
) -> None:
    settings.LOG_PLACES = [f"witness+{witness.url}#{witness.verifier}"]
    write(7)
    grow_log(now=NOON)
    assert publish_checkpoints(now=NOON) == 1
    write(5)
    grow_log(now=NOON + MINUTE)
    assert publish_checkpoints(now=NOON + 2 * MINUTE) == 1
    assert witness.size == 12
    newest = LogCheckpoint.objects.first()
    line = cosignatures(newest)
    assert line.startswith("— witness.example/w ")
    note = (newest.note + line).encode()
    assert open_checkpoint(note, verifier_keys()).size == 12

    without_triggers("UPDATE evidence_auditentry SET reason = 'x' WHERE sequence = 2")
    rechain("extension:ext.weather")
    without_triggers("DELETE FROM evidence_logcopy")
    make_consistent()
    write()
    grow_log(now=NOON + 4 * MINUTE)
    assert publish_checkpoints(now=NOON + 5 * MINUTE) == 0
    assert "refused the checkpoint with 422" in LogCopy.objects.get().last_problem
    assert witness.size == 12


def test_a_witness_that_is_ahead_convicts_a_cut_history(
    witness: Any, settings: Settings
) -> None:
    settings.LOG_PLACES = [f"witness+{witness.url}#{witness.verifier}"]
    write(7)
    grow_log(now=NOON)
    publish_checkpoints(now=NOON)
    without_triggers("DELETE FROM evidence_auditentry WHERE sequence > 5")
    without_triggers("DELETE FROM evidence_logcopy")
    make_consistent()
    assert publish_checkpoints(now=NOON + 5 * MINUTE) == 0
    assert "knows a newer history" in LogCopy.objects.get().last_problem


def test_an_answer_that_is_no_cosignature_is_not_kept(
    witness: Any, settings: Settings
) -> None:
    other = SigningKey("witness.example/w", b"\x0a" * 32)
    settings.LOG_PLACES = [f"witness+{witness.url}#{witness.verifier}"]
    witness.key, held = other, witness.key
    assert held != other
    write()
    grow_log(now=NOON)
    assert publish_checkpoints(now=NOON) == 0
    assert "no cosignature" in LogCopy.objects.get().last_problem


def test_a_cosignature_is_served_with_the_checkpoint(
    witness: Any, settings: Settings, client: Any
) -> None:
    settings.LOG_IS_PUBLIC = True
    settings.LOG_PLACES = [f"witness+{witness.url}#{witness.verifier}"]
    write(2)
    grow_log(now=NOON)
    publish_checkpoints(now=NOON)
    note = client.get("/log/checkpoint").content
    text, signatures = split_note(note)
    assert parse_checkpoint(text).size == 2
    assert [name for name, _, _ in signatures][-1] == "witness.example/w"


def test_a_webhook_gets_the_checkpoint_and_is_asked_again_where_it_failed(
    witness: Any, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LOG_PLACES = [f"{witness.url}/hook"]
    witness.status = 503
    write()
    checkpoint = grow_log(now=NOON)

    assert publish_checkpoints(now=NOON) == 0
    copy = LogCopy.objects.get()
    assert (copy.attempts, copy.held_at) == (1, None)
    assert "answered with 503" in copy.last_problem
    assert "checkpoint not published to http: 127.0.0.1" in caplog.text
    witness.status = 204
    assert publish_checkpoints(now=NOON + dt.timedelta(seconds=30)) == 0
    assert publish_checkpoints(now=NOON + 5 * MINUTE) == 1

    copy.refresh_from_db()
    assert (copy.attempts, copy.last_problem) == (2, "")
    assert copy.held_at == NOON + 5 * MINUTE
    assert witness.asked == [checkpoint.note.encode()] * 2


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_a_webhook_that_does_not_take_it_holds_nothing(
    status: int, witness: Any, settings: Settings
) -> None:
    settings.LOG_PLACES = [f"{witness.url}/hook"]
    witness.status = status
    write()
    grow_log(now=NOON)
    assert publish_checkpoints(now=NOON) == 0
    assert LogCopy.objects.get().held_at is None


@pytest.fixture
def object_store(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a stand-in for S3, with the environment that a worker has."""
    boto3, moto = pytest.importorskip("boto3"), pytest.importorskip("moto")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        yield boto3.client("s3")


def test_a_bucket_keeps_the_checkpoint_under_a_lock(
    object_store: Any, settings: Settings
) -> None:
    object_store.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)
    settings.LOG_PLACES = ["s3://kept/of/casefile?lock_days=36500"]
    write(3)
    checkpoint = grow_log(now=NOON)

    assert publish_checkpoints(now=NOON) == 1

    key = f"of/casefile/{checkpoint.tree_size:020d}.checkpoint"
    held = object_store.get_object(Bucket="kept", Key=key)
    assert held["Body"].read() == checkpoint.note.encode()
    assert held["ObjectLockMode"] == "COMPLIANCE"
    locked_for = held["ObjectLockRetainUntilDate"] - checkpoint.made_at
    assert locked_for == dt.timedelta(days=36500)
    with pytest.raises(object_store.exceptions.ClientError, match="AccessDenied"):
        object_store.delete_object(Bucket="kept", Key=key, VersionId=held["VersionId"])
    assert LogCopy.objects.get().answer == key


def test_a_bucket_that_is_away_stops_no_other_place_and_is_asked_again(
    object_store: Any, settings: Settings, tmp_path: Path
) -> None:
    settings.LOG_PLACES = ["s3://kept/", f"file://{tmp_path}"]
    write()
    grow_log(now=NOON)
    assert publish_checkpoints(now=NOON) == 1
    copy = LogCopy.objects.get(kind="s3")
    assert (copy.attempts, copy.held_at) == (1, None)
    assert "did not take it" in copy.last_problem
    object_store.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)
    assert publish_checkpoints(now=NOON + 5 * MINUTE) == 1
    copy.refresh_from_db()
    assert (copy.attempts, copy.last_problem) == (2, "")


def test_a_bucket_that_locks_nothing_holds_no_checkpoint(
    object_store: Any, settings: Settings
) -> None:
    """What may be overwritten tomorrow convicts nobody."""
    object_store.create_bucket(Bucket="open")
    settings.LOG_PLACES = ["s3://open/"]
    write()
    grow_log(now=NOON)
    assert publish_checkpoints(now=NOON) == 0
    assert LogCopy.objects.get().held_at is None


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.REVIEWER])
def test_the_sidebar_leads_to_who_holds_which_checkpoint_since_when(
    role: Role, db: None, settings: Settings, tmp_path: Path, client: Client
) -> None:
    settings.LOG_PLACES = [f"file://{tmp_path}"]
    write()
    grow_log(now=NOON)
    publish_checkpoints(now=NOON)
    client.force_login(make_user(role))
    address = reverse("admin:evidence_logcheckpoint_changelist")
    assert f'href="{address}"' in client.get(reverse("admin:index")).content.decode()
    assert f"file: {tmp_path} since " in client.get(address).content.decode()


def test_readiness_says_that_nothing_is_configured(
    db: None, settings: Settings
) -> None:
    settings.LOG_PLACES = []
    with pytest.raises(HealthWarning, match="LOG_PLACES is not set"):
        check_publishing()


def test_readiness_warns_where_nothing_outside_is_fresh(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    settings.LOG_PLACES = [f"file://{tmp_path}"]
    with pytest.raises(HealthWarning, match="younger than a day"):
        check_publishing()
    write()
    grow_log()
    publish_checkpoints()
    assert "held outside" in check_publishing()
    # However late a place took it: what is held is as old as the checkpoint is.
    without_triggers(
        "UPDATE evidence_logcheckpoint SET made_at = made_at - interval '25h'"
    )
    with pytest.raises(HealthWarning, match="younger than a day"):
        check_publishing()


def test_a_place_that_was_away_gets_the_newest_as_soon_as_it_took_the_old_one(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    settings.LOG_PLACES = [f"file://{folder}?every=86400"]
    write()
    old = grow_log(now=NOON)
    assert publish_checkpoints(now=NOON) == 0
    write()
    back = NOON + dt.timedelta(days=3)
    newest = grow_log(now=back)
    assert newest.tree_size > old.tree_size
    folder.mkdir()
    assert publish_checkpoints(now=back) == 1
    assert publish_checkpoints(now=back + MINUTE) == 1
    names = {path.name for path in folder.iterdir()}
    assert f"{newest.tree_size:020d}.checkpoint" in names
    assert publish_checkpoints(now=back + 2 * MINUTE) == 0


@pytest.mark.parametrize(
    "text", ["ftp://example.org/", "witness+ftp://x", "file:///x?every=often", "x"]
)
def test_a_place_of_no_known_kind_is_refused(text: str, settings: Settings) -> None:
    settings.LOG_PLACES = [text]
    with pytest.raises(LogPlaceRefused):
        read_places()


def test_a_time_stamp_by_openssl_is_kept_and_verifies_offline(
    transactional_db: None, tmp_path: Path, settings: Settings
) -> None:
    with time_stamping(tmp_path) as authority:
        settings.LOG_PLACES = [authority.place]
        write()
        checkpoint = grow_log(now=NOON)
        assert publish_checkpoints(now=NOON) == 1

    token = base64.b64decode(LogCopy.objects.get().answer)
    roots = authority.root.read_bytes()
    require_time_stamp(token, checkpoint.note.encode(), roots)
    with pytest.raises(LogPlaceRefused, match="does not verify"):
        require_time_stamp(token, b"another checkpoint", roots)
    assert authority.verifies(token, checkpoint.note.encode())
    assert not authority.verifies(token, b"another checkpoint")
    assert "Hash Algorithm: sha256" in authority.describe(token)
