"""Standing verification: every stored item is read and hashed again, oldest first."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import time
from dataclasses import dataclass

from django.conf import settings
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone

from evidence import storage
from evidence.errors import (
    EvidenceMissing,
    HealthFailure,
    HealthWarning,
    StorageUnavailable,
)
from evidence.models import (
    UNFINISHED_STATES,
    VERIFIABLE_KINDS,
    EvidenceItem,
    FaultEnding,
    FaultKind,
    StoreCheck,
    StoreFault,
    UnclaimedBytes,
    VerificationReport,
    VerificationRequest,
)
from evidence.services.store.faults import end_fault, note_fault
from evidence.services.store.marking import check_store, settle_store
from evidence.services.verification import request_verifications
from evidence.services.verification_reports import ENGINE_VERSION

log = logging.getLogger(__name__)

RUN_SECONDS = 45
"""How long one run reads; the next one goes on where it stopped."""
EARLY = 6 / 7
"""Bytes are read again after this part of the interval, so that none passes it."""
LATE = dt.timedelta(days=1)
"""How far past the interval warns: a day's outage of all workers does not."""
OUTDATED_PENDING_MOST = 50
"""Content is verified again only while fewer verifications wait: people go first."""


@dataclass(frozen=True)
class CheckedStore:
    """What a run came to: how much was read, and how much of it is not sound."""

    checked: int = 0
    faulty: int = 0


def check_stored_bytes(
    *, now: dt.datetime | None = None, run_seconds: float = RUN_SECONDS
) -> CheckedStore:
    """Read what was not read for longest, for `run_seconds` at most.

    At EVIDENCE_CHECK_MEGABYTES_PER_SECOND, so that the disk is left for people. Raise
    StorageUnavailable where the store itself does not answer: that is no fault of
    what is in it.
    """
    settle_store()
    moment = now or timezone.now()
    pace = _Pace(settings.EVIDENCE_CHECK_MEGABYTES_PER_SECOND * 1024 * 1024)
    due = StoreCheck.everything.filter(checked_at__lt=moment - EARLY * _interval())
    checked = faulty = 0
    for check in due.order_by("checked_at").iterator(chunk_size=500):
        faulty += not check_bytes(check.sha256_hex, pace=pace, now=now)
        checked += 1
        if pace.seconds() >= run_seconds:
            break
    return CheckedStore(checked, faulty)


def check_bytes(
    sha256_hex: str, *, pace: _Pace | None = None, now: dt.datetime | None = None
) -> bool:
    """Read and hash stored bytes; note or end a fault; return whether they are sound.

    Raise StorageUnavailable where the store does not answer at all.
    """
    fault = _find_fault(sha256_hex, pace or _Pace(0))
    moment = now or timezone.now()
    if fault is None:
        end_fault(sha256_hex, FaultEnding.SOUND_AGAIN, now=moment)
    else:
        kind, detail = fault
        if note_fault(sha256_hex, kind, detail, now=moment) is not None:
            log.error("stored bytes of %s are %s", sha256_hex, kind)
    StoreCheck.everything.update_or_create(
        sha256_hex=sha256_hex, defaults={"checked_at": moment}
    )
    return fault is None


def verify_outdated_content(*, now: dt.datetime | None = None) -> int:
    """Have content verified again that an older engine verified; return how many.

    A few at a time, behind what people wait for.
    """
    waiting = VerificationRequest.objects.filter(state__in=UNFINISHED_STATES).count()
    room = OUTDATED_PENDING_MOST - waiting
    if room <= 0:
        return 0
    newest = VerificationReport.objects.filter(item=OuterRef("pk")).order_by("-id")
    outdated = (
        EvidenceItem.objects.filter(kind__in=VERIFIABLE_KINDS)
        .annotate(engine=Subquery(newest.values("engine_version")[:1]))
        .filter(~Q(engine=ENGINE_VERSION), engine__isnull=False)
        .order_by("pk")
    )
    pks = list(outdated.values_list("pk", flat=True)[:room])
    return request_verifications(item_ids=pks, actor=None, now=now) if pks else 0


def read_store_health() -> str:
    """Return how the stored bytes stand, for a probe.

    Raise HealthFailure while a fault stands. Raise HealthWarning where bytes were
    not read for too long, or wait for somebody to decide about them.
    """
    standing = StoreFault.everything.standing().count()
    if standing:
        raise HealthFailure(
            f"the stored bytes of {standing} digests are damaged or missing"
        )
    late = timezone.now() - _interval() - LATE
    overdue = StoreCheck.everything.filter(checked_at__lt=late).count()
    if overdue:
        raise HealthWarning(
            f"{overdue} stored files were not read for more than "
            f"{settings.EVIDENCE_CHECK_DAYS} days"
        )
    unclaimed = UnclaimedBytes.objects.filter(choice="").count()
    if unclaimed:
        raise HealthWarning(
            f"{unclaimed} stored files belong to no row: run verify_store"
        )
    oldest = StoreCheck.everything.order_by("checked_at").first()
    if oldest is None:
        return "nothing is stored yet"
    return f"sound, all read since {oldest.checked_at:%Y-%m-%d %H:%M} UTC"


class _Pace:
    """Holds reading to a rate in bytes a second; 0 is no limit."""

    def __init__(self, bytes_per_second: int) -> None:
        self._rate = bytes_per_second
        self._begun = time.monotonic()
        self._read = 0

    def note(self, size_bytes: int) -> None:
        self._read += size_bytes
        if self._rate:
            time.sleep(max(0.0, self._read / self._rate - self.seconds()))

    def seconds(self) -> float:
        return time.monotonic() - self._begun


def _find_fault(sha256_hex: str, pace: _Pace) -> tuple[FaultKind, str] | None:
    try:
        digest = hashlib.sha256()
        for chunk in storage.iter_stored(sha256_hex):
            digest.update(chunk)
            pace.note(len(chunk))
    except EvidenceMissing as error:
        # A store that is gone must not be taken for one that lost everything.
        check_store()
        return FaultKind.MISSING, error.message
    except StorageUnavailable as error:
        check_store()
        # The store answers, and only these bytes cannot be read.
        return FaultKind.DAMAGED, f"The bytes cannot be read. {error.message}"
    if digest.hexdigest() == sha256_hex:
        return None
    return FaultKind.DAMAGED, f"The stored bytes hash to {digest.hexdigest()}."


def _interval() -> dt.timedelta:
    return dt.timedelta(days=settings.EVIDENCE_CHECK_DAYS)
