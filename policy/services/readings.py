"""Reading verified bundles once: which extensions appear, what quotas they exceeded."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from evidence.columns import safe_bigint, safe_float, safe_text
from evidence.models import (
    VERIFIABLE_KINDS,
    EvidenceItem,
    EvidenceKind,
    Outcome,
    VerificationReport,
    WorkState,
)
from evidence.queue.claiming import (
    MAX_ATTEMPTS,
    TASKS,
    TRANSIENT_ERRORS,
    lock_name,
    put_back,
    session_lock,
    start_work,
    why_given_up,
)
from evidence.queue.sending import queue_on_commit
from evidence.services.downloads import load_document
from evidence.services.overview import plot_risk
from policy.models import BundleReading, ExtensionAppearance, QuotaBreach, ScanRequest
from policy.services.cases import lock_incident, record_change
from policy.services.extensions import clean_extension_id, note_extension
from policy.services.scans import add_scan_request

log = logging.getLogger(__name__)

READ_TASK = "policy.read_bundle"
TASKS[BundleReading] = READ_TASK
READABLE_OUTCOMES = (Outcome.VERIFIED, Outcome.FAILED)
SWEEP_SIZE = 200
# Beyond these a document is noise; what is left out is counted as unreadable.
MAX_EXTENSIONS = 1_000
MAX_BREACHES = 50_000
SECTIONS = (
    "security_alerts",
    "hostcall_telemetry",
    "exec_mediation",
    "secret_broker",
    "quota_breaches",
)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@transaction.atomic
def take_up_evidence(*, now: dt.datetime | None = None) -> int:
    """Queue what has come in since: bundles to read, sources to scan; return how many.

    Evidence knows nothing of policy and so cannot ask: the scheduler calls this.
    """
    moment = now or timezone.now()
    items = list(_unread_bundles()[:SWEEP_SIZE])
    readings = BundleReading.objects.bulk_create(
        (
            BundleReading(item=item, requested_at=moment, touched_at=moment)
            for item in items
        ),
        ignore_conflicts=True,
    )
    pks = BundleReading.objects.filter(item__in=items).values_list("pk", flat=True)
    for pk in pks:
        queue_on_commit(READ_TASK, pk)
    sources = list(_unscanned_sources()[:SWEEP_SIZE])
    for item in sorted(sources, key=lambda one: (one.incident_id, one.pk)):
        lock_incident(item.incident_id)
        if not item.scan_requests.exists():
            add_scan_request(item, actor=None, now=moment)
    return len(readings) + len(sources)


def run_reading(*, reading_id: int) -> BundleReading | None:
    """Read a bundle and keep what policy needs; None where another worker is at it.

    As a verification: twice leaves one set of rows, and a document that cannot be read,
    or that ends workers, ends as a failed reading that says why.
    """
    with session_lock(lock_name(BundleReading, reading_id)) as mine:
        if not mine:
            return None
        reading = start_work(BundleReading, reading_id)
        if reading is None:
            return BundleReading.objects.get(pk=reading_id)
        try:
            if reading.attempts > MAX_ATTEMPTS:
                return _fail(reading, f"{MAX_ATTEMPTS} workers ended while reading it")
            return _keep(reading, load_document(reading.item))
        except TRANSIENT_ERRORS as error:
            if put_back(reading, error):
                raise
            return _fail(reading, why_given_up(error))
        except Exception as error:
            # The boundary that can act: reading ends, and the evidence stays.
            log.exception("reading %s failed", reading_id)
            return _fail(reading, f"it could not be read ({type(error).__name__})")


def _unread_bundles() -> Any:
    verified = VerificationReport.objects.filter(
        item=OuterRef("pk"), outcome__in=READABLE_OUTCOMES
    )
    return EvidenceItem.objects.filter(
        Exists(verified), kind__in=VERIFIABLE_KINDS, policy_reading__isnull=True
    ).order_by("pk")


def _unscanned_sources() -> Any:
    return EvidenceItem.objects.filter(
        ~Exists(ScanRequest.objects.filter(item=OuterRef("pk"))),
        kind=EvidenceKind.EXTENSION_SOURCE,
    ).order_by("pk")


@transaction.atomic
def _keep(reading: BundleReading, document: dict[str, Any]) -> BundleReading:
    now = timezone.now()
    locked = BundleReading.objects.select_for_update().get(pk=reading.pk)
    if not locked.is_pending:
        return locked
    item = locked.item
    records = _records_by_extension(document)
    extensions = {
        name: note_extension(
            extension_id=name, seen_in=f"evidence {item.pk}: {item}", now=now
        )
        for name in sorted(records)[:MAX_EXTENSIONS]
    }
    ExtensionAppearance.objects.bulk_create(
        (
            _appearance(item, extension, records[name])
            for name, extension in extensions.items()
        ),
        batch_size=100,
    )
    breaches, unreadable = _breaches(item, document, extensions)
    QuotaBreach.objects.bulk_create(breaches, batch_size=1_000)
    locked.extension_count = len(extensions)
    locked.breach_count = len(breaches)
    locked.unreadable_count = unreadable
    _end(locked, WorkState.DONE, "", now)
    record_change(
        item,
        action="bundle.read",
        actor=None,
        now=now,
        incident_id=item.incident_id,
        after={
            "extensions": len(extensions),
            "quota_breaches": len(breaches),
            "unreadable_breaches": unreadable,
        },
    )
    return locked


def _fail(reading: BundleReading, why: str) -> BundleReading:
    with transaction.atomic():
        locked = BundleReading.objects.select_for_update().get(pk=reading.pk)
        if locked.is_pending:
            _end(locked, WorkState.FAILED, why, timezone.now())
        return locked


def _end(
    reading: BundleReading, state: WorkState, problem: str, now: dt.datetime
) -> None:
    reading.state = state
    reading.progress_percent = 100
    reading.last_problem = problem
    reading.touched_at = reading.finished_at = now
    reading.save()


Records = dict[str, list[Any]]
"""The records of one extension by section; `entries` are the ledger's."""


def _records_by_extension(document: dict[str, Any]) -> dict[str, Records]:
    found: dict[str, Records] = {}
    ledger = document.get("risk_ledger", document)
    entries = ledger.get("entries") if isinstance(ledger, dict) else None
    sections = {name: document.get(name) for name in SECTIONS} | {"entries": entries}
    for section, records in sections.items():
        for record in records if isinstance(records, list) else ():
            name = _extension_of(record)
            if name:
                found.setdefault(name, {}).setdefault(section, []).append(record)
    return found


def _extension_of(record: Any) -> str:
    if not isinstance(record, dict):
        return ""
    name = record.get("extension_id")
    return clean_extension_id(name) if isinstance(name, str) else ""


def _appearance(
    item: EvidenceItem, extension: Any, records: Records
) -> ExtensionAppearance:
    entries = records.get("entries", [])
    moments = [
        moment
        for section in records.values()
        for record in section
        if (moment := _moment(record.get("ts_ms"))) is not None
    ]
    return ExtensionAppearance(
        extension=extension,
        item=item,
        call_count=len(entries),
        alert_count=len(records.get("security_alerts", [])),
        breach_count=len(records.get("quota_breaches", [])),
        first_at=min(moments, default=None),
        last_at=max(moments, default=None),
        plot=plot_risk(entries, break_index=None),
    )


def _breaches(
    item: EvidenceItem, document: dict[str, Any], extensions: dict[str, Any]
) -> tuple[list[QuotaBreach], int]:
    records = document.get("quota_breaches")
    if not isinstance(records, list):
        return [], 0
    rows: list[QuotaBreach] = []
    for position, record in enumerate(records):
        row = _breach(item, position, record, extensions)
        if row is not None and len(rows) < MAX_BREACHES:
            rows.append(row)
    return rows, len(records) - len(rows)


def _breach(
    item: EvidenceItem, position: int, record: Any, extensions: dict[str, Any]
) -> QuotaBreach | None:
    """Return the row of a breach; None where it lacks what a breach needs."""
    extension = extensions.get(_extension_of(record))
    if extension is None:
        return None
    resource = safe_text(record.get("resource"), length=100)
    limit, actual = safe_float(record.get("limit")), safe_float(record.get("actual"))
    moment = _moment(record.get("ts_ms"))
    if not resource or limit is None or actual is None or moment is None:
        return None
    return QuotaBreach(
        extension=extension,
        item=item,
        position=position,
        resource=resource,
        limit=limit,
        actual=actual,
        breached_at=moment,
    )


def _moment(ts_ms: Any) -> dt.datetime | None:
    number = safe_bigint(ts_ms)
    if number is None:
        return None
    try:
        return EPOCH + dt.timedelta(milliseconds=number)
    except OverflowError:
        return None
