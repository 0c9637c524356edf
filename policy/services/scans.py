"""Source scans: asked for, done by a worker, kept as one report with its entries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Actor, require_permission
from evidence.errors import EvidenceDamaged, EvidenceError, EvidenceMissing
from evidence.models import UNFINISHED_STATES, EvidenceItem, EvidenceKind, WorkState
from evidence.queue.claiming import end_work, lock_unfinished
from evidence.queue.names import queue_of_item
from evidence.queue.running import WorkKind, queue_work, register_kind, run_work
from evidence.storable_values import safe_text
from policy.errors import PolicyNotFound, PolicyRefused
from policy.models import ScanClassification, ScanEntry, ScanReport, ScanRequest
from policy.services.changes import WORK_POLICY, record_change
from policy.services.concerned_cases import (
    lock_incident,
)

if TYPE_CHECKING:
    from policy.scanner import Entry, RegressionTest, SourceReport

# A page shows fifty; nobody reads past this, and the counts say how many there are.
STORED_ENTRIES = 20_000
STORED_FILES = 2_000
BATCH = 1_000
TEXT_LENGTH = 2_000


@dataclass(frozen=True)
class ScanFinding:
    """What a scan came to, not yet stored."""

    scanner_version: str = ""
    classification: str = ScanClassification.FLAGGED
    counts: dict[str, int] = field(default_factory=dict)
    entries: list[dict[str, Any]] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    refusal_code: str = ""
    refusal: str = ""


@transaction.atomic
def request_scan(
    *, item_id: int, actor: Actor, now: dt.datetime | None = None
) -> ScanRequest:
    """Ask for a stored source to be scanned; while one is pending, that one is it."""
    require_permission(actor, WORK_POLICY)
    item = EvidenceItem.objects.filter(pk=item_id).first()
    if item is None:
        raise PolicyNotFound(
            f"There is no evidence {item_id}.", code="no_such_evidence"
        )
    if item.kind != EvidenceKind.EXTENSION_SOURCE:
        raise PolicyRefused(
            f"Only extension source is scanned; {item.shown_name} is kept as "
            f"{item.get_kind_display()}. Where that is wrong, change its kind first.",
            code="not_source",
        )
    lock_incident(item.incident_id, actor)
    return add_scan_request(item, actor=actor, now=now or timezone.now())


def add_scan_request(
    item: EvidenceItem, *, actor: Actor, now: dt.datetime
) -> ScanRequest:
    """Queue a scan inside the caller's transaction, the case locked."""
    pending = ScanRequest.objects.filter(item=item, state__in=UNFINISHED_STATES).first()
    request = pending or ScanRequest.objects.create(
        item=item, requested_by=actor, requested_at=now, touched_at=now
    )
    if pending is None:
        record_change(
            item,
            action="scan.requested",
            actor=actor,
            now=now,
            incident_id=item.incident_id,
            after={"request": request.pk},
        )
    queue_work(request)
    return request


def run_scan(*, request_id: int) -> ScanReport | None:
    """Do what a request asks and return its report, as run_work does.

    Whatever goes wrong in the end is a report too. The source is read and never run.
    """
    return run_work(SCAN, request_id)


def _scan(request: ScanRequest) -> ScanReport:
    started_at = timezone.now()
    return _finish(request, _find(request.item), started_at)


def _find(item: EvidenceItem) -> ScanFinding:
    try:
        data = storage.read_verified(item.sha256_hex)
    except (EvidenceDamaged, EvidenceMissing) as error:
        return _refused(error)
    # Here and not above: the parsers are large, and only the worker needs them.
    from policy.scanner import regression_tests, scan_source
    from policy.services.scan_process import ScanProcess

    with ScanProcess() as process:
        report = scan_source(data, item.original_name, scan_one=process.scan)
        return _read(report, regression_tests(report.misses, process.scan))


def _read(report: SourceReport, tests: Iterable[RegressionTest]) -> ScanFinding:
    summary = report.as_dict()
    entries = list(_entries(report))
    return ScanFinding(
        scanner_version=str(summary["scanner_version"]),
        classification=report.classification.value,
        counts=summary["counts"],
        entries=entries[:STORED_ENTRIES],
        details={
            "counts": summary["counts"],
            "missed_families": summary["missed_families"],
            "entries_not_stored": max(0, len(entries) - STORED_ENTRIES),
            "files": [_file(file) for file in summary["files"][:STORED_FILES]],
            "regression_tests": [
                {name: _text(value) for name, value in test.as_dict().items()}
                for test in tests
            ],
        },
        refusal_code=report.refused.code if report.refused else "",
        refusal=_refusal_text(report),
    )


def _refusal_text(report: SourceReport) -> str:
    refused = report.refused
    if refused is None:
        return ""
    return f"{refused.member}: {refused.message}" if refused.member else refused.message


def _entries(report: SourceReport) -> Iterator[dict[str, Any]]:
    """Yield the entries, each with what the line-based scanner made of it.

    The worst first, and of these what means the same together.
    """
    missed = {id(miss.entry): miss for miss in report.misses}
    for entry in sorted(report.entries, key=_rank):
        yield {"entry": entry, "miss": missed.get(id(entry))}


def _rank(entry: Entry) -> tuple[Any, ...]:
    return (
        -entry.classification.rank,
        entry.rule,
        entry.file,
        entry.line,
        entry.column,
    )


def _file(file: dict[str, Any]) -> dict[str, Any]:
    return {
        "path": safe_text(file["path"]),
        "size_bytes": file["size_bytes"],
        "language": file["language"],
        "classification": file["classification"],
        "is_complete": file["is_complete"],
        "entry_count": len(file["entries"]),
        "missed_count": len(file["missed_by_line_scanner"]),
    }


def _give_up(request: ScanRequest, why: str) -> ScanReport:
    finding = ScanFinding(
        refusal_code="scan_unfinished",
        refusal=f"The scan could not be completed: {why}. The source is kept as it is. "
        "Have it scanned again, or look into the worker's log.",
    )
    return _finish(request, finding, request.started_at or timezone.now(), gave_up=why)


def _refused(error: EvidenceError) -> ScanFinding:
    return ScanFinding(refusal_code=error.code, refusal=error.message)


@transaction.atomic
def _finish(
    request: ScanRequest,
    finding: ScanFinding,
    started_at: dt.datetime,
    *,
    gave_up: str = "",
) -> ScanReport:
    now = timezone.now()
    locked = lock_unfinished(request)
    if locked is None:
        return ScanReport.objects.get(request_id=request.pk)
    counts = finding.counts
    report = ScanReport.objects.create(
        request=locked,
        item=locked.item,
        finished_at=now,
        duration_ms=max(0, (now - started_at) // dt.timedelta(milliseconds=1)),
        scanner_version=finding.scanner_version,
        classification=finding.classification,
        file_count=counts.get("files", 0),
        forbidden_count=counts.get("entries_forbidden", 0),
        flagged_count=counts.get("entries_flagged", 0),
        missed_count=counts.get("missed_by_line_scanner", 0),
        entry_count=len(finding.entries),
        refusal_code=finding.refusal_code,
        refusal=safe_text(finding.refusal, length=TEXT_LENGTH) or "",
        details=finding.details,
    )
    ScanEntry.objects.bulk_create(
        (_row(report, n, **entry) for n, entry in enumerate(finding.entries)),
        batch_size=BATCH,
    )
    state = WorkState.GAVE_UP if gave_up else WorkState.DONE
    end_work(locked, state, now=now, failure=gave_up)
    record_change(
        locked.item,
        action="scan.finished",
        actor=locked.requested_by,
        now=now,
        incident_id=locked.item.incident_id,
        after={
            "report": report.pk,
            "classification": str(report.classification),
            "forbidden": report.forbidden_count,
            "flagged": report.flagged_count,
            "missed_by_line_scanner": report.missed_count,
            "refusal": report.refusal_code,
        },
    )
    return report


def _row(report: ScanReport, position: int, *, entry: Any, miss: Any) -> ScanEntry:
    known = asdict(entry)
    return ScanEntry(
        report=report,
        position=position,
        file=_text(known["file"], 500),
        line=known["line"],
        column=known["column"],
        classification=entry.classification.value,
        rule=_text(known["rule"], 60),
        family=_text(miss.family if miss else known["family"], 60),
        techniques=list(known["techniques"]),
        context={name: _text(text) for name, text in known["context"].items()},
        steps=[{**step, "excerpt": _text(step["excerpt"])} for step in known["steps"]],
        excerpt=_text(known["excerpt"]),
        why=_text(known["why"]),
        is_missed_by_line_scanner=miss is not None,
        line_scanner_said=miss.line_scanner_said.value if miss else "",
        form=_text(miss.what) if miss else "",
        suggested_pattern=_text((miss or entry).suggested_pattern),
        regression_test_idea=_text((miss or entry).regression_test_idea),
    )


def _text(value: Any, length: int = TEXT_LENGTH) -> str:
    text = safe_text(value, length=length) or ""
    # An excerpt of hostile source may hold half of a surrogate pair.
    return text.encode("utf-8", "replace").decode()


SCAN = register_kind(
    WorkKind(
        model=ScanRequest,
        task="policy.scan_source",
        run=_scan,
        give_up=_give_up,
        find_answer=lambda request: ScanReport.objects.filter(request=request).first(),
        find_queue=lambda request: queue_of_item(request.item),
        follows=("item",),
    )
)
