"""What the evidence of a case says to its playbook's questions, found by a worker.

A bundle can be large, so nothing here runs in a request. The answers depend on the
bundle, on policy and on trust history; each run writes a row only where they differ.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone

from evidence.errors import EvidenceError, StorageUnavailable
from evidence.format import DocumentRefused
from evidence.models import (
    VERIFIABLE_KINDS,
    EvidenceItem,
    EvidenceKind,
    Outcome,
    VerificationReport,
)
from evidence.queue.sending import queue_on_commit
from evidence.services.downloads import load_bytes, load_document
from evidence.storable_values import safe_json
from incidents.findings import CaseEvidence, findings_for
from incidents.models import EvidenceFindings, Incident, Postmortem
from incidents.services.changes import lock_incident
from incidents.services.gates.gathering import find_current_reports
from incidents.services.gates.policy_facts import gather_policy_evidence
from incidents.workflow.postmortem import PostmortemState

log = logging.getLogger(__name__)

GATHER_TASK = "incidents.gather_findings"
SWEEP_SIZE = 100
LOST_AFTER = dt.timedelta(seconds=30)
READABLE = (Outcome.VERIFIED, Outcome.FAILED)


def queue_findings(incident_id: int) -> None:
    """Have a worker look for findings once the transaction has committed."""
    queue_on_commit(GATHER_TASK, incident_id)


def gather_findings(*, incident_id: int) -> int:
    """Answer the playbook's questions from each verified bundle; return the new rows.

    Harmless to run twice. A document that cannot be read is a row that says so.
    """
    incident = Incident.objects.select_related("playbook_version__playbook").get(
        pk=incident_id
    )
    reports = _readable_reports(incident)
    if not reports:
        return 0
    known = gather_policy_evidence(incident)
    known["scan"] = _scan_newest_source(incident)
    known["extension_ids"] = frozenset(
        extension.extension_id for extension in incident.extensions.all()
    )
    category = category_of(incident)
    # Outside the transaction: reading is slow.
    found = {report: _answer(report, category, known) for report in reports}
    return _write(incident_id, category, found)


def sweep_findings(*, now: dt.datetime | None = None) -> int:
    """Queue again what a lost message left undone; return in how many cases."""
    moment = now or timezone.now()
    waiting = Postmortem.objects.filter(
        state__in=(PostmortemState.DRAFT, PostmortemState.RETURNED),
        cycle__ended_at__isnull=True,
        opened_at__lt=moment - LOST_AFTER,
    ).select_related("cycle__incident")
    count = 0
    for postmortem in waiting.order_by("id")[:SWEEP_SIZE]:
        if reports_without_findings(postmortem.incident):
            queue_findings(postmortem.incident.pk)
            count += 1
    return count


def current_findings(
    reports: Iterable[VerificationReport], *, until: dt.datetime | None = None
) -> list[EvidenceFindings]:
    """Return the newest answers for each report, or those of `until`; one query."""
    found = EvidenceFindings.objects.filter(report__in=list(reports))
    if until is not None:
        found = found.filter(gathered_at__lte=until)
    rows = (
        found.order_by("report_id", "-id")
        .distinct("report_id")
        .select_related("report")
    )
    return list(rows)


def reports_without_findings(incident: Incident) -> list[VerificationReport]:
    """Return the current reports of bundles that no worker has read yet."""
    reports = _readable_reports(incident)
    read = {row.report_id for row in current_findings(reports)}
    return [report for report in reports if report.pk not in read]


def category_of(incident: Incident) -> str:
    """Return the alert category whose questions the case's playbook asks."""
    document = incident.playbook_version.document
    return str(document.get("alert_category", ""))


def _readable_reports(incident: Incident) -> list[VerificationReport]:
    items = incident.evidence_items.filter(kind__in=VERIFIABLE_KINDS)
    reports = find_current_reports(items)
    return [reports[pk] for pk in sorted(reports) if reports[pk].outcome in READABLE]


def _answer(
    report: VerificationReport, category: str, known: dict[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    """Return the findings as JSON, and what stood in the way."""
    try:
        bundle = load_document(report.item)
    except StorageUnavailable:
        raise
    except (EvidenceError, DocumentRefused) as error:
        return [], f"it could not be read: {error.message}"[:300]
    ledger_report = _ledger_report(report)
    evidence = CaseEvidence(bundle=bundle, ledger_report=ledger_report, **known)
    try:
        found = findings_for(category, evidence)
    except Exception as error:
        # The boundary that can act: without a row here the sweep would ask for ever,
        # and the postmortem could never be submitted.
        log.exception("findings of report %s failed", report.pk)
        name = type(error).__name__
        return [], f"it could not be looked into ({name}); the worker's log says more"
    return [safe_json(asdict(finding)) for finding in found], ""


def _ledger_report(report: VerificationReport) -> dict[str, Any]:
    """Return the ledger's part of a stored report as the engine wrote it."""
    ledger = report.details.get("ledger", report.details)
    errors = report.errors.values_list("entry_index", "sequence", "code", "message")
    return {
        **ledger,
        "verification_errors": [
            {"index": index, "sequence": sequence, "code": code, "message": message}
            for index, sequence, code, message in errors
        ],
    }


def _scan_newest_source(incident: Incident) -> Any:
    """Return the scan of the newest extension source of the case; None without one."""
    source: EvidenceItem | None = (
        incident.evidence_items.filter(kind=EvidenceKind.EXTENSION_SOURCE)
        .order_by("-id")
        .first()
    )
    if source is None or category_of(incident) != "scanner_bypass":
        return None
    # Here and not above: the parsers are large, and only the worker needs them.
    from policy.scanner import scan_source

    try:
        return scan_source(load_bytes(source), source.original_name)
    except EvidenceError:
        log.exception("evidence %s could not be read for findings", source.pk)
        return None


@transaction.atomic
def _write(
    incident_id: int,
    category: str,
    found: dict[VerificationReport, tuple[list[dict[str, Any]], str]],
) -> int:
    lock_incident(incident_id)
    newest = {row.report_id: row for row in current_findings(found)}
    now = timezone.now()
    rows = [
        EvidenceFindings(
            report=report,
            alert_category=category,
            findings=findings,
            problem=problem,
            gathered_at=now,
        )
        for report, (findings, problem) in found.items()
        if _differs(newest.get(report.pk), category, findings, problem)
    ]
    EvidenceFindings.objects.bulk_create(rows)
    return len(rows)


def _differs(
    row: EvidenceFindings | None, category: str, findings: list[Any], problem: str
) -> bool:
    if row is None:
        return True
    before = (row.alert_category, row.findings, row.problem)
    return before != (category, findings, problem)
