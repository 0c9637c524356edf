"""Archives copied to a bucket elsewhere: read back, locked, retried, and shown."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings as current
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from evidence import storage
from evidence.accounts.access import Role
from evidence.errors import HealthUnknown, HealthWarning
from evidence.models import AuditEntry
from incidents.errors import PruningRefused
from incidents.models import ArchiveCopy, CaseArchive
from incidents.services.archives.bucket_copies import (
    LATE,
    TASK,
    TRY_TIME,
    check_copies,
    copy_archive,
    read_bucket,
    sweep_copies,
)
from incidents.services.archives.requests import request_archive, run_archive
from tests.config.test_settings import PRODUCTION, ROOT
from tests.factories import make_incident, make_user
from tests.incidents.pruning.cases import AT_ONCE, ask, make_archived
from tests.object_store import running_object_store
from tests.shared import share

pytestmark = pytest.mark.long

NOW = timezone.now().replace(microsecond=0)
DAYS = dt.timedelta(days=400)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """The environment that a worker has where archives are copied."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    settings.ARCHIVE_BUCKET = "s3://kept/of/casefile?lock_days=400"


@pytest.fixture
def store(db: None, keys: None) -> Iterator[Any]:
    """A client of a stand-in for S3."""
    boto3, moto = pytest.importorskip("boto3"), pytest.importorskip("moto")
    with moto.mock_aws():
        yield boto3.client("s3")


def make_archive() -> CaseArchive:
    reviewer = make_user(Role.REVIEWER)
    asked = request_archive(incident_id=make_incident().pk, actor=reviewer)
    made = run_archive(archive_id=asked.pk)
    assert made is not None
    return made


_kept, archive, _django_db_helper, evidence_folder = share(make_archive)


def make_bucket(store: Any) -> None:
    store.create_bucket(Bucket="kept", ObjectLockEnabledForBucket=True)


def copy_due(now: dt.datetime) -> int:
    """Do what the sweep and its workers do; return how many are copied by it."""
    return sum(copy_archive(copy_id=pk, now=now) for pk in sweep_copies(now=now))


def page_of(archive: CaseArchive) -> str:
    client = Client()
    client.force_login(make_user(Role.AUDITOR))
    url = reverse("admin:incidents_casearchive_change", args=[archive.pk])
    return " ".join(client.get(url).content.decode().split())


def versions(store: Any) -> list[str]:
    listed = store.list_object_versions(Bucket="kept")
    return [version["VersionId"] for version in listed.get("Versions", ())]


def test_an_archive_is_copied_locked_read_back_recorded_and_shown(
    store: Any, archive: CaseArchive
) -> None:
    make_bucket(store)
    assert copy_due(NOW) == 1
    copy = ArchiveCopy.objects.get()
    held = store.get_object(Bucket="kept", Key=copy.object_key)
    assert held["Body"].read() == storage.read_verified(archive.sha256_hex)
    assert held["ObjectLockMode"] == "COMPLIANCE"
    assert held["ObjectLockRetainUntilDate"] == copy.retain_until == NOW + DAYS
    assert copy.object_key.startswith("of/casefile/")
    with pytest.raises(store.exceptions.ClientError, match="AccessDenied"):
        store.delete_object(
            Bucket="kept", Key=copy.object_key, VersionId=copy.version_id
        )
    told = AuditEntry.objects.get(action="archive.copied").after
    assert told["sha256_hex"] == archive.sha256_hex
    assert told["size_bytes"] == archive.size_bytes
    page = page_of(archive)
    for part in ("Copied", "s3://kept/of/casefile", "read back", "locked there until"):
        assert part in page
    assert sweep_copies(now=NOW + DAYS) == []


def test_the_page_says_once_the_lock_has_run_out(
    store: Any, archive: CaseArchive
) -> None:
    make_bucket(store)
    past = NOW - DAYS - dt.timedelta(days=1)
    # A bucket takes no lock that ended before; the row is as one copied then left it.
    ArchiveCopy.objects.create(
        archive=archive,
        bucket="s3://kept/of/casefile",
        noted_at=past,
        next_try_at=past,
        copied_at=past,
        object_key="of/casefile/then",
        retain_until=past + DAYS,
    )
    page = page_of(archive)
    assert "Lock ended" in page
    assert "it was locked there until" in page
    assert "ev-badge-done" not in page.split("Copy elsewhere")[1][:400]


def test_a_bucket_that_is_away_is_said_with_what_to_do_and_asked_again(
    store: Any, archive: CaseArchive
) -> None:
    assert "Waits to be copied" in page_of(archive)
    assert copy_due(NOW) == 0
    copy = ArchiveCopy.objects.get()
    assert (copy.attempts, copy.copied_at) == (1, None)
    page = page_of(archive)
    for part in (
        "Not copied",
        "NoSuchBucket",
        "Make the bucket",
        "tried again at",
        "after one try",
    ):
        assert part in page
    make_bucket(store)
    assert copy_due(NOW) == 0
    assert copy_due(NOW + dt.timedelta(minutes=10)) == 1
    copy.refresh_from_db()
    assert (copy.attempts, copy.last_problem) == (2, "")
    # The lock runs from when it was noted, however often it was tried.
    assert copy.retain_until == NOW + DAYS


def test_a_service_that_does_not_answer_is_said_without_its_address(
    db: None, keys: None, archive: CaseArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert copy_due(NOW) == 0
    problem = ArchiveCopy.objects.get().last_problem
    assert "Check AWS_ENDPOINT_URL" in problem
    assert "127.0.0.1" not in problem


@pytest.mark.parametrize("address", ["no address", "http://", "http://[h"])
def test_a_wrong_address_of_the_service_is_said(
    address: str, keys: None, archive: CaseArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("boto3")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    assert copy_due(NOW) == 0
    assert "AWS_ENDPOINT_URL" in ArchiveCopy.objects.get().last_problem


def test_a_service_without_object_lock_holds_no_copy(
    keys: None, archive: CaseArchive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One on a real socket that takes everything and knows nothing of locks."""
    pytest.importorskip("boto3")
    with running_object_store(tmp_path) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        assert copy_due(NOW) == 0
    copy = ArchiveCopy.objects.get()
    assert copy.copied_at is None
    assert "does not lock the copy" in copy.last_problem


def test_a_bucket_that_locks_nothing_holds_no_copy(
    store: Any, archive: CaseArchive
) -> None:
    store.create_bucket(Bucket="kept")
    assert copy_due(NOW) == 0
    copy = ArchiveCopy.objects.get()
    assert copy.copied_at is None
    assert "lock" in copy.last_problem
    assert not AuditEntry.objects.filter(action="archive.copied").exists()


def _changed(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


@pytest.mark.parametrize(
    ("spoil", "told"), [(_changed, "hashes to"), (lambda value: value[:-9], "bytes")]
)
def test_a_copy_that_reads_back_as_something_else_is_none(
    spoil: Any,
    told: str,
    store: Any,
    archive: CaseArchive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The stand-in's own code is replaced, to lose what it took; none of ours is."""
    from moto.s3.models import S3Backend

    make_bucket(store)
    take = S3Backend.put_object

    def lose(self: Any, bucket: str, key: str, value: bytes, *rest: Any, **how: Any):  # type: ignore[no-untyped-def]
        return take(self, bucket, key, spoil(value), *rest, **how)

    with monkeypatch.context() as patch:
        patch.setattr(S3Backend, "put_object", lose)
        assert copy_due(NOW) == 0
    copy = ArchiveCopy.objects.get()
    assert copy.copied_at is None
    assert told in copy.last_problem
    assert copy_due(NOW + dt.timedelta(minutes=10)) == 1
    assert len(versions(store)) == 2


def test_what_an_earlier_try_put_is_not_put_again(
    store: Any, archive: CaseArchive
) -> None:
    """As of a worker that died after the bucket had it: locked twice is paid twice."""
    make_bucket(store)
    [first] = sweep_copies(now=NOW)
    bucket, copy = read_bucket(), ArchiveCopy.objects.get(pk=first)
    assert bucket is not None
    store.put_object(
        Bucket="kept",
        Key=bucket.key_of(archive),
        Body=storage.read_verified(archive.sha256_hex),
        ObjectLockMode="COMPLIANCE",
        ObjectLockRetainUntilDate=bucket.locked_until(copy),
    )
    assert sweep_copies(now=NOW + dt.timedelta(minutes=1)) == []
    assert copy_due(NOW + TRY_TIME) == 1
    assert len(versions(store)) == 1


def test_each_copy_is_claimed_once_and_a_repeat_finds_it_done(
    store: Any, archive: CaseArchive
) -> None:
    make_bucket(store)
    [copy_id] = sweep_copies(now=NOW)
    assert sweep_copies(now=NOW) == []
    # As a worker is told: by the task's name.
    current_app.loader.import_default_modules()
    assert current_app.tasks[TASK].apply(args=[copy_id]).get() is True
    assert copy_archive(copy_id=copy_id) is True
    assert AuditEntry.objects.filter(action="archive.copied").count() == 1
    assert len(versions(store)) == 1


def test_while_the_bucket_refuses_one_copy_is_tried_at_a_time(
    store: Any, archive: CaseArchive
) -> None:
    others = [make_archive(), make_archive()]
    assert len(sweep_copies(now=NOW)) == 3
    assert copy_due(NOW + TRY_TIME) == 0
    later = NOW + 2 * TRY_TIME
    assert len(sweep_copies(now=later)) == 1
    make_bucket(store)
    for step in range(1, 5):
        copy_due(later + step * TRY_TIME)
    copied = ArchiveCopy.objects.filter(copied_at__isnull=False)
    assert set(copied.values_list("archive", flat=True)) == {
        archive.pk,
        *(other.pk for other in others),
    }


def test_damaged_bytes_are_sent_nowhere_and_do_not_stop_the_others(
    store: Any, archive: CaseArchive
) -> None:
    make_bucket(store)
    other = make_archive()
    path = Path(current.EVIDENCE_ROOT) / storage.key_of(archive.sha256_hex)
    path.chmod(0o600)
    path.write_bytes(_changed(path.read_bytes()))
    assert copy_due(NOW) == 1
    assert ArchiveCopy.objects.get(copied_at__isnull=False).archive == other
    refused = ArchiveCopy.objects.get(archive=archive)
    assert archive.sha256_hex in refused.last_problem
    assert len(versions(store)) == 1


def test_without_a_bucket_nothing_is_copied_and_the_page_says_so(
    archive: CaseArchive, settings: Settings
) -> None:
    settings.ARCHIVE_BUCKET = ""
    assert read_bucket() is None
    assert sweep_copies(now=NOW) == []
    assert not ArchiveCopy.objects.exists()
    assert "ARCHIVE_BUCKET is not set" in page_of(archive)
    with pytest.raises(HealthUnknown, match="not set"):
        check_copies()


def test_another_bucket_gets_all_anew_and_the_page_tells_them_apart(
    store: Any, archive: CaseArchive, settings: Settings
) -> None:
    assert copy_due(NOW) == 0
    settings.ARCHIVE_BUCKET = "s3://other"
    store.create_bucket(Bucket="other", ObjectLockEnabledForBucket=True)
    assert copy_due(NOW) == 1
    page = page_of(archive)
    assert "It is not tried again: ARCHIVE_BUCKET names another place" in page
    assert "s3://other" in page


def test_readiness_warns_of_archives_that_are_not_there_and_says_why(
    store: Any, archive: CaseArchive
) -> None:
    assert "archives there: 0" in check_copies()
    long_ago = NOW - 2 * LATE
    assert copy_due(long_ago) == 0
    with pytest.raises(
        HealthWarning, match=r"not in the bucket: 1\. .* Make the bucket"
    ):
        check_copies()
    make_bucket(store)
    assert copy_due(NOW) == 1
    assert "archives there: 1, each read back" in check_copies()


def test_readiness_asks_for_copies_only_where_a_bucket_is_set() -> None:
    script = (
        "import config.settings as own; "
        "print([part.name for part in own.READINESS_PARTS][-1])"
    )
    for bucket, last in (("", "log_copies"), ("s3://kept", "archive_copies")):
        told = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**PRODUCTION, "PATH": os.environ["PATH"], "ARCHIVE_BUCKET": bucket},
            capture_output=True,
            text=True,
        )
        assert told.stdout.split() == [last], told.stderr


def test_readiness_warns_where_no_sweep_ever_ran(
    store: Any, archive: CaseArchive
) -> None:
    with pytest.raises(HealthWarning, match="See the workers"):
        check_copies(now=NOW + 2 * LATE)


def test_pruning_waits_for_the_copy_and_asks_whether_it_is_still_locked(
    store: Any, settings: Settings
) -> None:
    settings.CASE_RETENTION_DAYS = AT_ONCE
    incident = make_archived()
    with pytest.raises(PruningRefused, match="is not in s3://kept/of/casefile yet"):
        ask(incident)
    assert copy_due(NOW) == 0
    with pytest.raises(PruningRefused, match="Make the bucket"):
        ask(incident)
    make_bucket(store)
    assert copy_due(NOW + TRY_TIME) >= 1
    assert ask(incident).incident == incident


def test_what_was_copied_stays_as_it_was_recorded(
    store: Any, archive: CaseArchive
) -> None:
    make_bucket(store)
    assert copy_due(NOW) == 1
    for statement in (
        "UPDATE incidents_archivecopy SET retain_until = now()",
        "UPDATE incidents_archivecopy SET copied_at = NULL",
        "DELETE FROM incidents_archivecopy",
    ):
        with (
            pytest.raises(DatabaseError, match="Cannot"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
