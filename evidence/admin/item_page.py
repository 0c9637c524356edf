"""What the evidence page shows, one view at a time; each costs a few queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from evidence.admin.base import read_key
from evidence.admin.forms import ExportForm, KindForm
from evidence.admin.item_panels import make_panels
from evidence.admin.paging import keyset_page
from evidence.models import (
    UNFINISHED_STATES,
    CustodyEvent,
    CustodyKind,
    EvidenceItem,
    EvidenceKind,
    Outcome,
    QueuedWork,
    TombstoneKind,
    VerificationReport,
    VerificationRequest,
)
from evidence.plots import draw_risk
from evidence.queue.running import why_waiting
from evidence.services.pruning import find_tombstone
from evidence.services.remarks import find_remarks
from evidence.text import drop_unstorable

VIEWS = {
    "overview": "Overview",
    "replay": "Forensic replay",
    "errors": "Errors",
    "custody": "Chain of custody",
    "exports": "Exports",
}
SHOWN_EVENTS = 200
SHOWN_REPORTS = 50
SHOWN_RECEIPTS = 20
BEFORE_THE_BREAK = 5
STEPS = ("bundle_hash", "ledger_chain", "summary_counts", "schema", "redaction")
FIGURES = (
    *("distinct_extensions", "peak_risk_score", "blocked_count", "first_ts_ms"),
    *("last_ts_ms", "ledger_chain_valid"),
)
SEVERITIES = ("critical", "error", "warning", "info")


def item_context(request: HttpRequest, item: EvidenceItem) -> dict[str, Any]:
    """Return the template's context for the view that the query names."""
    # What is pending first: what ends meanwhile shows its report beside its bar.
    pending = list(pending_work(item))
    reports = list_reports(item)
    report = find_report(request, item, reports)
    view = request.GET.get("view", "overview")
    if view not in VIEWS:
        view = "overview"
    return {
        "item": item,
        "newest": reports[0] if reports else None,
        "reports": reports,
        "report": report,
        "receipts": other_receipts(item),
        "remarks": find_remarks([item]).get(item.pk, ()),
        "kind_form": KindForm(initial={"kind": item.kind}),
        "view": view,
        "views": _tabs(item, report),
        "pending": pending,
        "status_url": reverse("admin:evidence_evidenceitem_status", args=[item.pk]),
        **_CONTEXTS[view](request, item, report),
    }


def list_reports(item: EvidenceItem) -> list[VerificationReport]:
    """Return the newest reports that count, read once: head and body show the same."""
    reports = item.reports.select_related("request__requested_by")
    if item.is_verifiable:
        reports = reports.exclude(outcome=Outcome.DIGEST_ONLY)
    return list(reports.defer("overview", "details", "steps")[:SHOWN_REPORTS])


def find_report(
    request: HttpRequest, item: EvidenceItem, reports: list[VerificationReport]
) -> VerificationReport | None:
    """Return the report that the query names, the newest of those read otherwise."""
    wanted = read_key(request.GET.get("report", ""))
    whole = item.reports.select_related("request__requested_by")
    found = whole.filter(pk=wanted).first() if wanted else None
    if found is not None:
        return found
    return whole.get(pk=reports[0].pk) if reports else None


def other_receipts(item: EvidenceItem) -> list[CustodyEvent]:
    """Return the receipts under another name or from another source than the first."""
    received = item.custody_events.filter(kind=CustodyKind.RECEIVED)
    others = received.exclude(original_name=item.original_name, source=item.source)
    return list(others.order_by("id")[:SHOWN_RECEIPTS])


def pending_work(item: EvidenceItem) -> list[QueuedWork]:
    """Return what workers still have to do for an item."""
    unfinished = {"state__in": UNFINISHED_STATES}
    return [
        *item.verification_requests.filter(**unfinished),
        *item.export_requests.filter(**unfinished),
    ]


def pending_work_of(items: QuerySet[EvidenceItem]) -> list[QueuedWork]:
    """Return the verifications that workers still have to do for several items."""
    unfinished = {"state__in": UNFINISHED_STATES, "item__in": items}
    return list(VerificationRequest.objects.filter(**unfinished))


def describe_work(work: QueuedWork) -> dict[str, Any]:
    """Return what the page says about a piece of pending work."""
    return {
        "id": f"{work._meta.model_name}-{work.pk}",
        "label": f"{work.noun}: {work.get_state_display().lower()}",
        "percent": work.progress_percent,
        "problem": why_waiting(work),
    }


def _tabs(
    item: EvidenceItem, report: VerificationReport | None
) -> list[tuple[str, str]]:
    hidden = set()
    if report is None or not report.step_count:
        hidden.add("replay")
    if report is None or not report.error_count:
        hidden.add("errors")
    if item.kind != EvidenceKind.BUNDLE:
        hidden.add("exports")
    return [(name, label) for name, label in VIEWS.items() if name not in hidden]


def _overview(
    request: HttpRequest, item: EvidenceItem, report: VerificationReport | None
) -> dict[str, Any]:
    panels = make_panels(request, item)
    if report is None:
        return {"panels": panels}
    overview = report.overview
    facts = report.details
    return {
        "panels": panels,
        "plot": draw_risk(overview.get("plot") or {}),
        "alerts": alert_table(overview.get("alerts") or []),
        "summary": _summary_rows(overview.get("summary") or {}),
        "steps": _step_rows(report),
        "ledger": facts.get("ledger") or (facts if "entry_count" in facts else None),
        "first_errors": list(report.errors.all()[:5]) if report.error_count else [],
    }


def _step_rows(report: VerificationReport) -> list[dict[str, Any]]:
    """Return the steps with what the engine says of each, in the format's order.

    PostgreSQL keeps the members of a JSON object in an order of its own.
    """
    known = report.details.get("details") or {}
    rows = [
        _step_row(name, report.steps[name], known.get(name))
        for name in STEPS
        if name in report.steps
    ]
    for row in rows:
        if row["name"] == "redaction":
            leaks = report.details.get("leaks") or []
            row["places"] = [f"{leak['path']}: {leak['kind']}" for leak in leaks]
    return rows


def _step_row(name: str, status: str, details: Any) -> dict[str, Any]:
    known = details if isinstance(details, dict) else {}
    replay = known.get("replay")
    return {
        "name": name,
        "status": status,
        "message": known.get("message", ""),
        "figures": known.get("figures") or [],
        "details": {
            key: value
            for key, value in known.items()
            if key not in ("message", "status") and _is_plain(value)
        },
        "places": replay.get("differs_at", []) if isinstance(replay, dict) else [],
    }


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, list | dict)


def _summary_rows(summary: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the document's figures, the format's first, then any others it has."""
    counts = summary.get("counts")
    rows = (
        {f"{n} records": v for n, v in counts.items()}
        if isinstance(counts, dict)
        else {}
    )
    names = [*FIGURES, *sorted(set(summary).difference(FIGURES, ["counts"]))]
    rows.update((name, summary[name]) for name in names if name in summary)
    return [(name, value) for name, value in rows.items() if _is_plain(value)]


def alert_table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return alert counts as a table: categories down, severities across."""
    found = {row["severity"] for row in rows}
    columns = [name for name in SEVERITIES if name in found]
    columns += sorted(found.difference(SEVERITIES))[:6]
    table: dict[str, dict[str, int]] = {}
    for row in rows:
        table.setdefault(row["category"], {})[row["severity"]] = row["count"]
    return {
        "columns": columns,
        "rows": [
            {
                "category": category,
                "counts": [counts.get(column, 0) for column in columns],
                "total": sum(counts.values()),
            }
            for category, counts in table.items()
        ],
    }


def _replay(
    request: HttpRequest, item: EvidenceItem, report: VerificationReport | None
) -> dict[str, Any]:
    if report is None:
        return {"page": None}
    stone = find_tombstone(TombstoneKind.REPLAY, report.pk)
    if stone is not None:
        return {"page": None, "pruned": stone}
    query = {
        name: request.GET.get(name, "")
        for name in ("report", "extension_id", "call_id", "from", "before")
    }
    query["view"] = "replay"
    steps = report.replay_steps.all()
    for name in ("extension_id", "call_id"):
        query[name] = drop_unstorable(query[name])
        if query[name]:
            steps = steps.filter(**{name: query[name]})
    if not query["before"]:
        query.pop("before")
    around = report.break_index
    return {
        "page": keyset_page(steps, key="index", query=query),
        "filters": query,
        "extensions": report.overview.get("extensions") or [],
        "break_from": None if around is None else max(0, around - BEFORE_THE_BREAK),
    }


def _errors(
    request: HttpRequest, item: EvidenceItem, report: VerificationReport | None
) -> dict[str, Any]:
    if report is None:
        return {"page": None}
    names = ("report", "from", "before")
    query = {name: request.GET[name] for name in names if name in request.GET}
    query["view"] = "errors"
    return {
        "page": keyset_page(report.errors.all(), key="position", query=query),
        "unstored": report.count_unstored_errors(),
    }


def _custody(
    request: HttpRequest, item: EvidenceItem, report: VerificationReport | None
) -> dict[str, Any]:
    events = list(item.custody_events.all()[: SHOWN_EVENTS + 1])
    return {
        "events": events[:SHOWN_EVENTS],
        "more_events": len(events) > SHOWN_EVENTS,
    }


def _exports(
    request: HttpRequest, item: EvidenceItem, report: VerificationReport | None
) -> dict[str, Any]:
    requests = item.export_requests.select_related("result", "requested_by")
    return {
        "exports": list(requests[:SHOWN_REPORTS]),
        "export_form": ExportForm(item=item),
    }


Context = Callable[
    [HttpRequest, EvidenceItem, VerificationReport | None], dict[str, Any]
]
_CONTEXTS: dict[str, Context] = {
    "overview": _overview,
    "replay": _replay,
    "errors": _errors,
    "custody": _custody,
    "exports": _exports,
}
