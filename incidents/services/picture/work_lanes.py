"""Lanes of what people did: phases, due times, what they wrote and sent in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import F, Value

from evidence.stored_moments import to_ms
from incidents.models import (
    Cycle,
    Incident,
    IncidentPhase,
    TimelineKind,
)
from incidents.picture.model import Band, Lane, Mark, Target, Window
from incidents.services.picture.binning import (
    Bin,
    bin_rows,
    epoch_ms,
    marks_of,
    one_of,
    outside,
)
from incidents.workflow.alert_rules import AlertSeverity
from incidents.workflow.phases import Phase

CYCLES_MAX = 20


def work_lanes(incident: Incident, window: Window) -> Iterator[Lane]:
    """Yield phases, alerts, receipts of evidence, and entries of the timeline."""
    yield _phase_lane(incident)
    yield _alert_lane(incident, window)
    yield _receipt_lane(incident, window)
    yield _entry_lane(incident, window)


def _phase_lane(incident: Incident) -> Lane:
    cycles = sorted(incident.cycles.all(), key=lambda cycle: cycle.number)[-CYCLES_MAX:]
    bands: list[Band] = []
    marks: list[Mark] = []
    for cycle in cycles:
        for row in cycle.phases.all():
            bands += _phase_bands(row, cycle)
            if row.due_at is not None and row.name is not Phase.DETECT:
                due = to_ms(row.due_at)
                target = Target("phase", incident.pk, row.position)
                state = "breached" if row.breached_at else "due"
                words = f"{row.name.label} due{', not kept' if row.breached_at else ''}"
                marks.append(Mark(due, due, state, "phase", words, target=target))
    title = "Phases and due times"
    return Lane("phases", title, tuple(marks), tuple(bands))


def _phase_bands(row: IncidentPhase, cycle: Cycle) -> Iterator[Band]:
    if row.started_at is None:
        return
    ended = row.completed_at or cycle.ended_at
    if row.completed_at is None:
        state = "running" if cycle.ended_at is None else "left open"
    else:
        state = "complete late" if row.breached_at else "complete"
    yield Band(
        to_ms(row.started_at),
        to_ms(ended) if ended is not None else None,
        state,
        "",
        f"{row.name.label}: {state}",
        target=Target("phase", cycle.incident_id, row.position),
    )


def _alert_lane(incident: Incident, window: Window) -> Lane:
    bins = bin_rows(
        incident.alerts.all(),
        window,
        moment=epoch_ms("happened_at"),
        word=one_of("severity", [severity.value for severity in AlertSeverity]),
    )
    marks = marks_of(
        bins, "alert", lambda found: _say(found, f"{found.word} alert", "alert")
    )
    return Lane("alerts", "Alerts of the case", marks, **outside(bins))


def _receipt_lane(incident: Incident, window: Window) -> Lane:
    bins = bin_rows(
        incident.evidence_items.arrived(),
        window,
        moment=epoch_ms("received_at"),
        word=Value("received"),
    )
    marks = marks_of(
        bins,
        "evidence",
        lambda found: _say(found, "item of evidence received", "evidence"),
    )
    return Lane("receipts", "Evidence received", marks, **outside(bins))


def _entry_lane(incident: Incident, window: Window) -> Lane:
    """Return what people wrote and decided; the system's own lines are not theirs."""
    bins = bin_rows(
        incident.timeline.filter(author__isnull=False),
        window,
        moment=epoch_ms("event_at"),
        word=F("kind"),
    )
    labels = dict(TimelineKind.choices)
    marks = marks_of(
        bins,
        "line",
        lambda found: _say(
            found, f"entry: {str(labels[found.word]).lower()}", "timeline"
        ),
    )
    return Lane("people", "What people did", marks, **outside(bins))


def _say(found: Bin, noun: str, kind: str) -> dict[str, Any]:
    words = noun if found.count == 1 else f"{found.count:,} × {noun}"
    target = Target(kind, found.first_pk)
    return {"words": words[:1].upper() + words[1:], "target": target}
