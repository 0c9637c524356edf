"""Reading verified bundles once: which extensions appear, what quotas they exceeded."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.errors import EvidenceError, StorageUnavailable
from evidence.format import DocumentRefused, read_document
from evidence.models import (
    VERIFIABLE_KINDS,
    EvidenceItem,
    EvidenceKind,
    Outcome,
    VerificationReport,
    WorkState,
)
from evidence.queue.children import Tell, run_apart
from evidence.queue.claiming import end_work, lock_unfinished
from evidence.queue.names import queue_of_item
from evidence.queue.running import WorkKind, queue_work, register_kind, run_work
from evidence.services.documents import unpack_document
from evidence.services.downloads import load_bytes
from evidence.services.overview import plot_risk
from evidence.storable_values import safe_bigint, safe_float, safe_text
from evidence.stored_moments import from_ms
from policy.errors import PolicyConflict, PolicyNotFound
from policy.models import BundleReading, ExtensionAppearance, QuotaBreach, ScanRequest
from policy.services.changes import WORK_POLICY, record_change
from policy.services.concerned_cases import find_free_incident, lock_incident
from policy.services.extensions import clean_extension_id, note_extension
from policy.services.scans import add_scan_request

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


def take_up_evidence(*, now: dt.datetime | None = None) -> int:
    """Queue what has come in since: bundles to read, sources to scan; return how many.

    Evidence knows nothing of policy and so cannot ask: the scheduler calls this. A case
    that somebody works in is left to the next call, and holds up no other.
    """
    moment = now or timezone.now()
    taken = 0
    while read := _queue_readings(moment):
        taken += read
    sources: dict[int, list[int]] = {}
    for incident_id, pk in _unscanned_sources().values_list("incident_id", "pk"):
        sources.setdefault(incident_id, []).append(pk)
    for incident_id, keys in sorted(sources.items()):
        taken += _queue_scans(incident_id, keys, moment)
    return taken


@transaction.atomic
def _queue_readings(now: dt.datetime) -> int:
    """Queue some of the bundles that nobody reads yet; return how many."""
    items = list(_unread_bundles()[:SWEEP_SIZE])
    BundleReading.objects.bulk_create(
        (BundleReading(item=item, requested_at=now, touched_at=now) for item in items),
        ignore_conflicts=True,
    )
    readings = BundleReading.objects.filter(item__in=items).select_related("item")
    for reading in readings:
        queue_work(reading)
    return len(items)


@transaction.atomic
def _queue_scans(incident_id: int, keys: list[int], now: dt.datetime) -> int:
    """Queue scans of a case's sources; none where somebody holds the case."""
    if find_free_incident(incident_id) is None:
        return 0
    sources = _unscanned_sources().filter(pk__in=keys)
    for item in sources:
        add_scan_request(item, actor=None, now=now)
    return len(sources)


def run_reading(*, reading_id: int) -> BundleReading | None:
    """Read a bundle, keep what policy needs and return the reading, as run_work does.

    A document that cannot be read ends as a failed reading that says why.
    """
    return run_work(READING, reading_id)


@transaction.atomic
def request_reading(
    *, item_id: int, actor: Actor, now: dt.datetime | None = None
) -> BundleReading:
    """Ask for a bundle to be read once more, where the reading before came to nothing.

    One that is under way, or has been read, is the answer as it is.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    item = EvidenceItem.objects.filter(pk=item_id).first()
    if item is None:
        raise PolicyNotFound(
            f"There is no evidence {item_id}.", code="no_such_evidence"
        )
    lock_incident(item.incident_id, actor)
    newest = item.policy_readings.first()
    if newest is None:
        raise PolicyConflict(
            "This item is not read: only bundles and ledgers are, after they have "
            "been verified.",
            code="not_read",
        )
    if newest.is_pending or newest.state == WorkState.DONE:
        return newest
    return _ask_again(item, actor, moment)


def unread_bundles() -> QuerySet[BundleReading]:
    """Return the readings that came to nothing and were not asked for again."""
    newer = BundleReading.objects.filter(item=OuterRef("item"), pk__gt=OuterRef("pk"))
    return BundleReading.objects.filter(
        ~Exists(newer), state__in=(WorkState.FAILED, WorkState.GAVE_UP)
    ).select_related("item__incident")


def _ask_again(item: EvidenceItem, actor: Actor, now: dt.datetime) -> BundleReading:
    reading = BundleReading.objects.create(
        item=item, requested_by=actor, requested_at=now, touched_at=now
    )
    record_change(
        item,
        action="bundle.reading_requested",
        actor=actor,
        now=now,
        incident_id=item.incident_id,
        after={"reading": reading.pk},
    )
    queue_work(reading)
    return reading


@dataclass(frozen=True)
class _Contents:
    """What policy keeps of a bundle: values of columns, by extension and by breach.

    `unreadable` breaches lack what a breach needs, or are beyond MAX_BREACHES.
    """

    appearances: dict[str, dict[str, Any]]
    breaches: list[tuple[str, dict[str, Any]]]
    unreadable: int


def _read(reading: BundleReading) -> BundleReading:
    try:
        data = unpack_document(load_bytes(reading.item))
        contents = run_apart(partial(_contents_of, data), reads=[data])
    except StorageUnavailable:
        raise
    except (EvidenceError, DocumentRefused) as error:
        return _end_without(reading, WorkState.FAILED, error.message)
    return _keep(reading, contents)


def _contents_of(data: bytes, tell: Tell) -> _Contents:
    document = read_document(data)
    records = _records_by_extension(document)
    known = sorted(records)[:MAX_EXTENSIONS]
    breaches, unreadable = _breaches(document, {*known})
    appearances = {name: _appearance(records[name]) for name in known}
    return _Contents(appearances, breaches, unreadable)


def _give_up(reading: BundleReading, why: str) -> BundleReading:
    said = f"The bundle could not be read for its extensions and quotas: {why}."
    return _end_without(reading, WorkState.GAVE_UP, said)


def _unread_bundles() -> Any:
    verified = VerificationReport.objects.filter(
        item=OuterRef("pk"), outcome__in=READABLE_OUTCOMES
    )
    return EvidenceItem.objects.filter(
        Exists(verified), kind__in=VERIFIABLE_KINDS, policy_readings__isnull=True
    ).order_by("pk")


def _unscanned_sources() -> Any:
    return EvidenceItem.objects.filter(
        ~Exists(ScanRequest.objects.filter(item=OuterRef("pk"))),
        kind=EvidenceKind.EXTENSION_SOURCE,
    ).order_by("pk")


@transaction.atomic
def _keep(reading: BundleReading, contents: _Contents) -> BundleReading:
    now = timezone.now()
    locked = lock_unfinished(reading)
    if locked is None:
        return BundleReading.objects.get(pk=reading.pk)
    item = locked.item
    extensions = {
        name: note_extension(
            extension_id=name, seen_in=f"evidence {item.pk}: {item}", now=now
        )
        for name in contents.appearances
    }
    ExtensionAppearance.objects.bulk_create(
        (
            ExtensionAppearance(extension=extensions[name], item=item, **columns)
            for name, columns in contents.appearances.items()
        ),
        batch_size=100,
    )
    QuotaBreach.objects.bulk_create(
        (
            QuotaBreach(extension=extensions[name], item=item, **columns)
            for name, columns in contents.breaches
        ),
        batch_size=1_000,
    )
    locked.extension_count = len(extensions)
    locked.breach_count = len(contents.breaches)
    locked.unreadable_count = contents.unreadable
    end_work(locked, WorkState.DONE, now=now)
    record_change(
        item,
        action="bundle.read",
        actor=None,
        now=now,
        incident_id=item.incident_id,
        after={
            "extensions": len(extensions),
            "quota_breaches": len(contents.breaches),
            "unreadable_breaches": contents.unreadable,
        },
    )
    return locked


@transaction.atomic
def _end_without(reading: BundleReading, state: WorkState, why: str) -> BundleReading:
    locked = lock_unfinished(reading)
    if locked is None:
        return BundleReading.objects.get(pk=reading.pk)
    end_work(locked, state, now=timezone.now(), failure=why)
    return locked


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


def _appearance(records: Records) -> dict[str, Any]:
    """Return the columns of an extension's appearance in a bundle."""
    entries = records.get("entries", [])
    moments = [
        moment
        for section in records.values()
        for record in section
        if (moment := _moment(record.get("ts_ms"))) is not None
    ]
    return {
        "call_count": len(entries),
        "alert_count": len(records.get("security_alerts", [])),
        "breach_count": len(records.get("quota_breaches", [])),
        "first_at": min(moments, default=None),
        "last_at": max(moments, default=None),
        "plot": plot_risk(entries, break_index=None),
    }


def _breaches(
    document: dict[str, Any], known: set[str]
) -> tuple[list[tuple[str, dict[str, Any]]], int]:
    records = document.get("quota_breaches")
    if not isinstance(records, list):
        return [], 0
    rows: list[tuple[str, dict[str, Any]]] = []
    for position, record in enumerate(records):
        columns = _breach(position, record) if _extension_of(record) in known else None
        if columns is not None and len(rows) < MAX_BREACHES:
            rows.append((_extension_of(record), columns))
    return rows, len(records) - len(rows)


def _breach(position: int, record: dict[str, Any]) -> dict[str, Any] | None:
    """Return the columns of a breach; None where it lacks what a breach needs."""
    resource = safe_text(record.get("resource"), length=100)
    limit, actual = safe_float(record.get("limit")), safe_float(record.get("actual"))
    moment = _moment(record.get("ts_ms"))
    if not resource or limit is None or actual is None or moment is None:
        return None
    return {
        "position": position,
        "resource": resource,
        "limit": limit,
        "actual": actual,
        "breached_at": moment,
    }


def _moment(ts_ms: Any) -> dt.datetime | None:
    number = safe_bigint(ts_ms)
    if number is None:
        return None
    try:
        return from_ms(number)
    except OverflowError:
        return None


READING = register_kind(
    WorkKind(
        model=BundleReading,
        task="policy.read_bundle",
        run=_read,
        give_up=_give_up,
        find_answer=lambda reading: reading,
        find_queue=lambda reading: queue_of_item(reading.item),
        follows=("item",),
    )
)
