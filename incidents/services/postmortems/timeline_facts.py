"""The timeline of a cycle as its postmortem holds it: what people and services wrote,
and from the audit history what happened to the evidence and the policy."""

from __future__ import annotations

import datetime as dt
from typing import Any

from incidents.models import Cycle, Incident
from incidents.services.lifecycle.endings import utc
from incidents.timeline_reading import TimelineLine, TimelineReader

LEFT_OUT = (
    "bundle.",
    "evidence.download",
    "evidence.export_requested",
    "evidence.verification_requested",
    "extension.",
    "scan.requested",
)
"""What was only asked for or looked at: it says nothing of what happened."""


def gather_timeline(incident: Incident, cycle: Cycle) -> list[dict[str, Any]]:
    """Return the lines of a cycle in the order of events; three queries.

    Of an ended cycle it is what had been entered when it ended. What the audit history
    tells belongs to the cycle that ran, or that came next.
    """
    lines = [
        line for line in TimelineReader(incident).all() if _is_of(line, incident, cycle)
    ]
    facts = [_line_fact(line, incident.detected_at) for line in lines]
    return sorted(facts, key=lambda fact: str(fact["event_at"]))


def _is_of(line: TimelineLine, incident: Incident, cycle: Cycle) -> bool:
    if cycle.ended_at is not None and line.entered_at > cycle.ended_at:
        return False
    if line.entry is not None:
        return line.entry.cycle_id == cycle.pk
    ended = [
        earlier.ended_at
        for earlier in incident.cycles.all()
        if earlier.number < cycle.number and earlier.ended_at is not None
    ]
    is_later = not ended or line.entered_at > max(ended)
    return is_later and not line.action.startswith(LEFT_OUT)


def _line_fact(line: TimelineLine, detected_at: dt.datetime) -> dict[str, Any]:
    """Return a line; one of the history has its place there as its `id`."""
    event_at = _event_time(line)
    return {
        "id": line.entry.pk if line.entry else line.reference,
        "offset_seconds": int((event_at - detected_at).total_seconds()),
        "event_at": utc(event_at),
        "entered_at": utc(line.entered_at),
        "kind": line.kind.value,
        "phase": line.phase,
        "author": line.author_name,
        "text": line.body,
        "corrects": line.entry.corrects_id if line.entry else None,
    }


def _event_time(line: TimelineLine) -> dt.datetime:
    """Return when it happened: a kill takes effect before somebody confirms it."""
    effective_at = line.after.get("effective_at")
    return dt.datetime.fromisoformat(effective_at) if effective_at else line.event_at
