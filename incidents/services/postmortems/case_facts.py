"""The facts of a case, gathered from its rows as one JSON value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from evidence.access import name_of
from evidence.models import EvidenceItem, VerificationReport
from incidents.models import (
    ActionItem,
    ChecklistItem,
    Cycle,
    GateWaiver,
    Incident,
    IncidentPhase,
    TimelineEntry,
)
from incidents.services.gates.conditions import stored_gate
from incidents.services.gates.facts import find_current_reports
from incidents.services.postmortems.decisions import gather_decisions
from incidents.services.postmortems.findings import current_findings
from incidents.workflow.gates import ConditionKey

PERSON_MISSING = ""


def gather_case_facts(
    incident: Incident, cycle: Cycle, *, now: dt.datetime
) -> dict[str, Any]:
    """Return what the case itself knows; a fixed number of queries.

    Times are UTC, ISO 8601 to the second; lengths are whole seconds; T is detection.
    """
    items = list(
        incident.evidence_items.select_related("received_by").order_by(
            "received_at", "id"
        )
    )
    reports = find_current_reports(items)
    return {
        "gathered_at": utc(now),
        "incident": _incident(incident, cycle),
        "phases": [_phase(row) for row in _phases(cycle)],
        "timeline": [_entry(row, incident.detected_at) for row in _timeline(cycle)],
        "evidence": [_evidence(item, reports.get(item.pk)) for item in items],
        "findings": _findings(items, reports),
        "decisions": [
            {
                "at": utc(one.at),
                "by": one.by,
                "kind": one.kind,
                "text": one.text,
                "reason": one.reason,
            }
            for one in gather_decisions(incident, cycle)
        ],
        "checklist": [_item(row) for row in _checklist(cycle)],
        "action_items": [
            action_item_fact(row)
            for row in ActionItem.objects.filter(cycle=cycle)
            .select_related("owner")
            .order_by("id")
        ],
    }


def utc(moment: dt.datetime | None) -> str | None:
    """Return a moment as the document writes it."""
    if moment is None:
        return None
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def action_item_fact(row: ActionItem) -> dict[str, Any]:
    """Return an action item as the document writes it."""
    return {
        "id": row.pk,
        "text": row.text,
        "type": row.item_type,
        "owner": name_of(row.owner),
        "due_on": row.due_on.isoformat(),
        "ticket": row.ticket,
        "ticket_url": row.ticket_url,
        "state": row.state,
        "outcome": row.outcome,
    }


def _incident(incident: Incident, cycle: Cycle) -> dict[str, Any]:
    version = incident.playbook_version
    return {
        "reference": incident.reference,
        "title": incident.title,
        "class": version.playbook.code,
        "class_title": version.playbook.title,
        "playbook_version": version.number,
        "severity": incident.severity,
        "source": incident.source,
        "detected_at": utc(incident.detected_at),
        "reported_at": utc(incident.reported_at),
        "cycle": cycle.number,
        "lead": name_of(incident.lead) if incident.lead else PERSON_MISSING,
        "team": incident.team.name if incident.team else "",
        "labels": list(incident.labels),
        "extensions": sorted(one.extension_id for one in incident.extensions.all()),
        "tickets": [
            {"ticket": one.ticket, "url": one.url}
            for one in incident.ticket_links.all()
        ],
    }


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
        "waivers": [_waiver(one) for one in row.waivers.all()],
    }


def _conditions(row: IncidentPhase) -> list[dict[str, Any]]:
    """Return the gate that was kept with a phase; none while it can still change."""
    gate = stored_gate(row)
    return [
        {"condition": one.key.value, "met": one.met, "detail": one.detail}
        for one in (gate.conditions if gate else ())
    ]


def _waiver(row: GateWaiver) -> dict[str, Any]:
    return {
        "condition": ConditionKey(row.condition_key).value,
        "by": name_of(row.waived_by),
        "reason": row.reason,
        "revoked_by": name_of(row.revoked_by) if row.revoked_by else "",
        "revocation_reason": row.revocation_reason,
    }


def _timeline(cycle: Cycle) -> Iterable[TimelineEntry]:
    return cycle.timeline.order_by("event_at", "id")


def _entry(row: TimelineEntry, detected_at: dt.datetime) -> dict[str, Any]:
    return {
        "id": row.pk,
        "offset_seconds": int((row.event_at - detected_at).total_seconds()),
        "event_at": utc(row.event_at),
        "entered_at": utc(row.entered_at),
        "kind": row.kind,
        "phase": row.phase,
        "author": row.author_name,
        "text": row.body,
        "corrects": row.corrects_id,
    }


def _evidence(item: EvidenceItem, report: VerificationReport | None) -> dict[str, Any]:
    return {
        "id": item.pk,
        "name": item.original_name,
        "kind": item.kind,
        "sha256": item.sha256_hex,
        "size_bytes": item.size_bytes,
        "received_at": utc(item.received_at),
        "received_by": name_of(item.received_by),
        "outcome": report.outcome if report else "",
        "checked_at": utc(report.finished_at) if report else None,
    }


def _findings(
    items: list[EvidenceItem], reports: dict[int, VerificationReport]
) -> list[dict[str, Any]]:
    names = {item.pk: item.original_name for item in items}
    rows = current_findings(reports.values())
    return [
        {"evidence": names[row.report.item_id], "problem": row.problem, **finding}
        for row in rows
        for finding in (row.findings or [{}])
        if row.findings or row.problem
    ]


def _checklist(cycle: Cycle) -> Iterable[ChecklistItem]:
    return cycle.checklist.asked().select_related("answered_by")


def _item(row: ChecklistItem) -> dict[str, Any]:
    return {
        "key": row.key,
        "phase": row.phase,
        "kind": row.kind,
        "required": row.required,
        "text": row.text,
        "state": row.state,
        "answered_by": name_of(row.answered_by) if row.answered_by else "",
        "answered_at": utc(row.answered_at),
        "note": row.note,
    }
