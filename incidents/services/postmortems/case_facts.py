"""The facts of a case, gathered from its rows as one JSON value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet

from evidence.accounts.access import name_of
from evidence.models import EvidenceItem, VerificationReport
from incidents.models import (
    ActionItem,
    ChecklistItem,
    Cycle,
    CycleEnding,
    GateWaiver,
    Incident,
    IncidentPhase,
)
from incidents.services.findings.gathering import current_findings
from incidents.services.findings.words import (
    code_of,
    review_text,
    shows_incident,
    title_of,
)
from incidents.services.gates.conditions import stored_gate
from incidents.services.gates.gathering import find_current_reports
from incidents.services.gates.late_evidence import find_late
from incidents.services.lifecycle.endings import case_head, utc
from incidents.services.picture.gathering import gather_picture
from incidents.services.postmortems.answered_items import item_fact
from incidents.services.postmortems.decisions import gather_decisions
from incidents.services.postmortems.timeline_facts import gather_timeline
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.postmortem import ActionItemState


def gather_case_facts(
    incident: Incident, cycle: Cycle, *, now: dt.datetime
) -> dict[str, Any]:
    """Return what the case itself knows; a fixed number of queries.

    Of a cycle that has ended it is what was known then: later evidence, reports and
    findings are not of it, nor are later changes of the case. Times are UTC, ISO 8601
    to the second; lengths are whole seconds; T is detection.
    """
    until = cycle.ended_at
    items = list(
        _until(incident.evidence_items.all(), "received_at", until)
        .select_related("received_by")
        .order_by("received_at", "id")
    )
    reports = find_current_reports(items, until=until)
    late = find_late(items)
    phases = {row.phase: row for row in _phases(cycle)}
    return {
        "gathered_at": utc(now),
        "incident": _head(incident, cycle),
        "phases": [_phase(row) for row in phases.values()],
        "timeline": gather_timeline(incident, cycle),
        "picture": _picture(incident, cycle, now=now),
        "evidence": [
            _evidence(item, reports.get(item.pk), late.get(item.pk, ""))
            for item in items
        ],
        "findings": _findings(incident, until=until),
        "decisions": [
            {
                "at": utc(decision.at),
                "by": decision.by,
                "kind": decision.kind,
                "text": decision.text,
                "reason": decision.reason,
            }
            for decision in gather_decisions(incident, cycle)
        ],
        "checklist": [item_fact(row, phases) for row in _checklist(cycle)],
        "action_items": [
            action_item_fact(row, until=until)
            for row in _until(
                action_items_of(cycle).select_related("owner", "cycle"),
                "created_at",
                until,
            )
        ],
    }


def _picture(
    incident: Incident, cycle: Cycle, *, now: dt.datetime
) -> dict[str, Any] | None:
    """Return what happened as lanes on one axis; None for a cycle that has ended.

    What the case holds by now is not what was known then.
    """
    if cycle.ended_at is not None:
        return None
    return gather_picture(incident, now=now).as_json()


def action_items_of(cycle: Cycle) -> QuerySet[ActionItem]:
    """Return the action items that a cycle sees: its own, and earlier ones still open.

    Open when the cycle began, that is: one that is done since shows as done.
    """
    earlier = Q(cycle__number__lt=cycle.number)
    closed_before = Q(closed_at__lt=cycle.started_at)
    seen = Q(cycle=cycle) | (earlier & ~closed_before)
    return ActionItem.objects.filter(seen, incident=cycle.incident_id).order_by("id")


def action_item_fact(
    row: ActionItem, *, until: dt.datetime | None = None
) -> dict[str, Any]:
    """Return an action item as the document writes it, or wrote it at `until`."""
    was_open = until is not None and row.closed_at is not None and row.closed_at > until
    return {
        "id": row.pk,
        "cycle": row.cycle.number,
        "text": row.text,
        "type": row.item_type,
        "owner": name_of(row.owner),
        "due_on": row.due_on.isoformat(),
        "ticket": row.ticket,
        "ticket_url": row.ticket_url,
        "state": ActionItemState.OPEN.value if was_open else row.state,
        "outcome": "" if was_open else row.outcome,
    }


def _until(rows: QuerySet[Any], field: str, until: dt.datetime | None) -> QuerySet[Any]:
    """Return the rows that were there at `until`; all of them where it is None."""
    return rows if until is None else rows.filter(**{f"{field}__lte": until})


def _head(incident: Incident, cycle: Cycle) -> dict[str, Any]:
    """Return the head of the case: as it is, or as it was when the cycle ended."""
    ending = CycleEnding.objects.filter(cycle=cycle).first()
    return dict(ending.head) if ending else case_head(incident, cycle)


def _phases(cycle: Cycle) -> Iterable[IncidentPhase]:
    return (
        cycle.phases.select_related("completed_by", "gate_record", "cycle")
        .prefetch_related("waivers__waived_by", "waivers__revoked_by")
        .order_by("position")
    )


def _phase(row: IncidentPhase) -> dict[str, Any]:
    return {
        "phase": row.phase,
        "started_at": utc(row.started_at),
        "due_at": utc(row.due_at),
        "due_reason": row.due_reason,
        "completed_at": utc(row.completed_at),
        "completed_by": name_of(row.completed_by) if row.completed_by else "",
        "breached_at": utc(row.breached_at),
        "seconds": int(row.duration.total_seconds()) if row.duration else None,
        "conditions": _conditions(row),
        "waivers": [_waiver(waiver) for waiver in row.waivers.all()],
    }


def _conditions(row: IncidentPhase) -> list[dict[str, Any]]:
    """Return the gate that was kept with a phase; none while it can still change."""
    gate = stored_gate(row)
    return [
        {
            "condition": condition.key.value,
            "met": condition.met,
            "is_ordered": condition.is_ordered,
            "detail": condition.detail,
        }
        for condition in (gate.conditions if gate else ())
    ]


def _waiver(row: GateWaiver) -> dict[str, Any]:
    return {
        "condition": ConditionKey(row.condition_key).value,
        "by": name_of(row.waived_by),
        "reason": row.reason,
        "revoked_by": name_of(row.revoked_by) if row.revoked_by else "",
        "revocation_reason": row.revocation_reason,
    }


def _evidence(
    item: EvidenceItem, report: VerificationReport | None, late: str
) -> dict[str, Any]:
    return {
        "id": item.pk,
        "name": item.original_name,
        "kind": item.kind,
        "sha256": item.sha256_hex,
        "size_bytes": item.size_bytes,
        "received_at": utc(item.received_at),
        "received_by": name_of(item.received_by),
        "late": late,
        "outcome": report.outcome if report else "",
        "checked_at": utc(report.finished_at) if report else None,
    }


def _findings(incident: Incident, *, until: dt.datetime | None) -> list[dict[str, Any]]:
    """Return the answers to the case's class, and what its evidence shows besides."""
    code = code_of(incident)
    return [
        {
            "class": row.code,
            "id": row.key,
            "title": title_of(row),
            "verdict": row.verdict,
            "sentence": row.sentence,
            "count": len(row.pointers),
            "evidence": ", ".join(row.inputs),
            "review": review_text(row, until=until),
        }
        for row in current_findings(incident, until=until)
        if row.code == code or shows_incident(row)
    ]


def _checklist(cycle: Cycle) -> Iterable[ChecklistItem]:
    return cycle.checklist.asked().select_related("answered_by")
