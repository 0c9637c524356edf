"""Copying archives to a bucket elsewhere that locks them (ARCHIVE_BUCKET).

An archive counts as copied once it was read back from there, has its size and digest,
and is locked for as long as was asked. Until then it is tried again, and says why.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from evidence import set_clocks, storage
from evidence.errors import (
    BucketRefused,
    CasefileError,
    HealthUnknown,
    HealthWarning,
)
from evidence.models import WorkState
from evidence.queue.holding import lock_name, session_lock
from evidence.queue.limits import why_too_long
from evidence.queue.sending import queue_on_commit
from evidence.storable_values import storable
from evidence.storage.locked_bucket import LockedObject, find_locked, put_locked
from incidents.models import ArchiveCopy, CaseArchive, TimelineKind
from incidents.services.changes import lock_incident, record_change

log = logging.getLogger(__name__)

TASK = "incidents.copy_archive"
LOCK_DAYS = 3650
FIRST_PAUSE = dt.timedelta(minutes=1)
LONGEST_PAUSE = dt.timedelta(hours=1)
TRY_TIME = dt.timedelta(minutes=40)
"""For how long a try has a copy to itself: longer than its task may take."""
SHORT_PAUSES = 7
"""After fewer tries than this no pause is longer than TRY_TIME."""
AT_ONCE = 20
"""In one sweep; the next comes in a minute."""
LATE = dt.timedelta(hours=1)
"""From when on a copy that is missing is somebody's business."""
TOLERANCE = dt.timedelta(seconds=1)
"""Buckets keep whole seconds."""


@dataclass(frozen=True)
class Bucket:
    """Where archives are copied to, and for how long they are locked there."""

    name: str
    prefix: str
    lock_time: dt.timedelta

    @property
    def place(self) -> str:
        return f"s3://{'/'.join(filter(None, (self.name, self.prefix)))}"

    def key_of(self, archive: CaseArchive) -> str:
        """Return the object's name: of an archive and its bytes, always the same."""
        name = f"{archive.sha256_hex}_{archive.file_name}"
        parts = (self.prefix, archive.incident.reference, name)
        return "/".join(filter(None, parts))

    def locked_until(self, copy: ArchiveCopy) -> dt.datetime:
        """Return until when a copy is locked: each try asks for the same moment."""
        return copy.noted_at + self.lock_time


def read_bucket() -> Bucket | None:
    """Return the bucket of ARCHIVE_BUCKET; None where none is set."""
    if not settings.ARCHIVE_BUCKET:
        return None
    parts = urlsplit(settings.ARCHIVE_BUCKET)
    days = int(parse_qs(parts.query).get("lock_days", [str(LOCK_DAYS)])[-1])
    return Bucket(parts.netloc, parts.path.strip("/"), dt.timedelta(days=days))


def sweep_copies(*, now: dt.datetime | None = None) -> list[int]:
    """Have workers copy the archives that are not in the bucket; return which copies.

    Any number may run at once: each copy is claimed, and its lock is held by who makes
    it. A worker that dies leaves its copy to the sweep after TRY_TIME. While the bucket
    refuses, one copy is tried a sweep.
    """
    bucket = read_bucket()
    if bucket is None:
        return []
    moment = now or timezone.now()
    _note_missing(bucket, moment)
    waiting = _waiting_for(bucket)
    is_refused = waiting.filter(attempts__gt=0).exists()
    due = waiting.filter(_is_due(moment)).order_by("next_try_at", "pk")
    keys = list(due.values_list("pk", flat=True)[: 1 if is_refused else AT_ONCE])
    return [pk for pk in keys if _claim(pk, moment)]


def copy_archive(*, copy_id: int, now: dt.datetime | None = None) -> bool:
    """Copy one archive to the bucket; return whether it is there, read back and locked.

    Must run outside a transaction. A repeat finds it copied, and of two at once one
    does nothing. What the bucket refuses is noted, and tried again later.
    """
    with session_lock(lock_name(ArchiveCopy, copy_id)) as mine:
        return mine and _copy(copy_id, now)


def _copy(copy_id: int, now: dt.datetime | None) -> bool:
    bucket = read_bucket()
    copy = ArchiveCopy.everything.select_related("archive__incident").get(pk=copy_id)
    if bucket is None or copy.bucket != bucket.place or copy.copied_at is not None:
        return copy.copied_at is not None
    try:
        found = _send(bucket, copy)
    except CasefileError as error:
        _note_refusal(copy, error.message, now or timezone.now())
        return False
    except SoftTimeLimitExceeded:
        problem = f"It was not there in time: {why_too_long()}. Check the network."
        _note_refusal(copy, problem, now or timezone.now())
        return False
    _record(copy, bucket.key_of(copy.archive), found, now or timezone.now())
    return True


def find_copy_obstacle(archive: CaseArchive, *, now: dt.datetime) -> str:
    """Return why an archive's copy elsewhere cannot be relied on; "" where it can.

    Without ARCHIVE_BUCKET nothing is asked of it.
    """
    bucket = read_bucket()
    if bucket is None:
        return ""
    copy = ArchiveCopy.everything.filter(archive=archive, bucket=bucket.place).first()
    if copy is None or copy.retain_until is None:
        said = copy.last_problem if copy is not None else ""
        return (
            f"Archive {archive.pk} is not in {bucket.place} yet. "
            f"{said or 'It is copied within minutes of its making.'}"
        )
    if copy.retain_until <= now:
        return (
            f"The lock on the copy of archive {archive.pk} in {bucket.place} has run "
            "out, so that it may be gone. Have another archive made."
        )
    return ""


def check_copies(*, now: dt.datetime | None = None) -> str:
    """Return how many archives are in the bucket, for the readiness.

    Raise HealthWarning where copies are late. Asked where a bucket is set.
    """
    bucket = read_bucket()
    if bucket is None:
        raise HealthUnknown("ARCHIVE_BUCKET is not set")
    made_by = (now or timezone.now()) - LATE
    missing = _missing_from(bucket).filter(finished_at__lt=made_by).count()
    late = _waiting_for(bucket).filter(noted_at__lt=made_by)
    if count := late.count() + missing:
        said = late.exclude(last_problem="").values_list("last_problem", flat=True)
        problem = said.order_by("-next_try_at").first()
        raise HealthWarning(
            f"archives that are not in the bucket: {count}. "
            f"{problem or 'See the workers.'}"
        )
    copied = ArchiveCopy.everything.filter(
        bucket=bucket.place, copied_at__isnull=False
    ).count()
    return f"archives there: {copied}, each read back when it was copied"


def _waiting_for(bucket: Bucket) -> QuerySet[ArchiveCopy]:
    rows: QuerySet[ArchiveCopy] = ArchiveCopy.everything.filter(
        bucket=bucket.place, copied_at__isnull=True
    )
    return rows


def _missing_from(bucket: Bucket) -> QuerySet[CaseArchive]:
    """Return the archives of which no copy was ever begun."""
    known = ArchiveCopy.everything.filter(archive=OuterRef("pk"), bucket=bucket.place)
    rows: QuerySet[CaseArchive] = CaseArchive.everything.filter(
        ~Exists(known), state=WorkState.DONE
    )
    return rows


def _note_missing(bucket: Bucket, now: dt.datetime) -> None:
    ArchiveCopy.everything.bulk_create(
        [
            ArchiveCopy(
                archive=archive, bucket=bucket.place, noted_at=now, next_try_at=now
            )
            for archive in _missing_from(bucket)
        ],
        ignore_conflicts=True,
    )


def _claim(copy_id: int, now: dt.datetime) -> bool:
    # One UPDATE filtered on the old state: who loses has nothing to do.
    waiting = ArchiveCopy.everything.filter(pk=copy_id, copied_at__isnull=True)
    if not waiting.filter(_is_due(now)).update(next_try_at=now + TRY_TIME):
        return False
    queue_on_commit(TASK, copy_id, on_unsent=lambda: waiting.update(next_try_at=now))
    return True


def _is_due(now: dt.datetime) -> Q:
    """Return the condition of what waits, or was put off by a clock that ran ahead."""
    longest = now + set_clocks.TOLERANCE
    return (
        Q(next_try_at__lte=now)
        | Q(next_try_at__gt=longest + LONGEST_PAUSE)
        | Q(next_try_at__gt=longest + TRY_TIME, attempts__lt=SHORT_PAUSES)
    )


def _send(bucket: Bucket, copy: ArchiveCopy) -> LockedObject:
    """Put the archive where it is not there yet, and return it as it was read back."""
    archive, key = copy.archive, bucket.key_of(copy.archive)
    until = bucket.locked_until(copy)
    # An earlier try may have put it and died: another one would be locked beside it.
    found = find_locked(bucket.name, key)
    if found is None or _find_fault(found, archive, until):
        with storage.open_intact(archive.sha256_hex) as file:
            put_locked(
                bucket.name,
                key,
                file,
                retain_until=until,
                content_type="application/zip",
            )
        found = find_locked(bucket.name, key)
    if found is None:
        raise BucketRefused("The bucket took the copy and does not have it.")
    if fault := _find_fault(found, archive, until):
        raise BucketRefused(fault)
    return found


def _find_fault(found: LockedObject, archive: CaseArchive, until: dt.datetime) -> str:
    """Return what an object in the bucket has that the archive's copy should not."""
    if found.size_bytes != archive.size_bytes:
        return (
            f"What the bucket gave back has {found.size_bytes} bytes, and the archive "
            f"{archive.size_bytes}. It is sent again."
        )
    if found.sha256_hex != archive.sha256_hex:
        return (
            f"What the bucket gave back hashes to {found.sha256_hex}, and the archive "
            f"to {archive.sha256_hex}. It is sent again."
        )
    if found.retain_until is None or found.retain_until < until - TOLERANCE:
        return (
            "The bucket does not lock the copy for as long as was asked. Make a bucket "
            "with object lock, in compliance mode."
        )
    return ""


def _note_refusal(copy: ArchiveCopy, problem: str, now: dt.datetime) -> None:
    log.warning("archive %s not copied: %s", copy.archive_id, problem)
    attempts = copy.attempts + 1
    pause = min(FIRST_PAUSE * 2 ** min(attempts - 1, 10), LONGEST_PAUSE)
    ArchiveCopy.everything.filter(pk=copy.pk, copied_at__isnull=True).update(
        attempts=attempts,
        last_problem=storable(problem)[:500],
        next_try_at=now + pause,
    )


@transaction.atomic
def _record(copy: ArchiveCopy, key: str, found: LockedObject, now: dt.datetime) -> None:
    incident = lock_incident(copy.archive.incident_id)
    locked = ArchiveCopy.everything.select_for_update().get(pk=copy.pk)
    if locked.copied_at is not None:
        return
    locked.attempts += 1
    locked.last_problem = ""
    locked.object_key, locked.version_id = key, found.version_id
    locked.copied_at, locked.retain_until = now, found.retain_until
    locked.save()
    record_change(
        incident,
        action="archive.copied",
        actor=None,
        now=now,
        kind=TimelineKind.EVIDENCE,
        body=f"**Archive {copy.archive_id} was copied to {copy.bucket}**, read back "
        f"and compared; locked there until {found.retain_until:%Y-%m-%d}",
        after={
            "archive": copy.archive_id,
            "sha256_hex": found.sha256_hex,
            "size_bytes": found.size_bytes,
            "bucket": copy.bucket,
            "object_key": key,
            "version_id": found.version_id,
            "retain_until": found.retain_until,
        },
    )
