"""The head of a case's page: of the case today, or of a cycle as it ended."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.utils.dateparse import parse_datetime

from incidents.models import Cycle, CycleEnding, Incident, PlaybookVersion


@dataclass(frozen=True)
class CaseHead:
    """What stands at the head; a cycle that ended says what the case was then."""

    title: str
    severity: str
    severity_label: str
    status: str
    status_label: str
    version: PlaybookVersion
    lead: str
    team: str
    source: str
    detected_at: dt.datetime | None
    reported_at: dt.datetime | None
    extensions: list[str]
    tickets: list[dict[str, str]]
    labels: list[str]


def head_of(incident: Incident, cycle: Cycle) -> CaseHead:
    """Return the head of the case, or of a cycle before its present one."""
    ending = getattr(cycle, "ending", None)
    if ending is None or cycle == incident.current_cycle:
        return _head_of_today(incident)
    return _head_of_then(ending)


def _head_of_today(incident: Incident) -> CaseHead:
    return CaseHead(
        title=incident.title,
        severity=incident.severity,
        severity_label=incident.get_severity_display(),
        status=incident.status,
        status_label=incident.get_status_display(),
        version=incident.playbook_version,
        lead=incident.lead.get_username() if incident.lead else "",
        team=incident.team.name if incident.team else "",
        source=incident.source,
        detected_at=incident.detected_at,
        reported_at=incident.reported_at,
        extensions=[extension.extension_id for extension in incident.extensions.all()],
        tickets=[
            {"ticket": link.ticket, "url": link.url}
            for link in incident.ticket_links.all()
        ],
        labels=list(incident.labels),
    )


def _head_of_then(ending: CycleEnding) -> CaseHead:
    kept: dict[str, Any] = ending.head
    return CaseHead(
        title=kept["title"],
        severity=ending.severity,
        severity_label=ending.get_severity_display(),
        status=ending.status,
        status_label=ending.get_status_display(),
        version=ending.playbook_version,
        lead=kept["lead"],
        team=kept["team"],
        source=kept["source"],
        detected_at=parse_datetime(kept["detected_at"] or ""),
        reported_at=parse_datetime(kept["reported_at"] or ""),
        extensions=kept["extensions"],
        tickets=kept["tickets"],
        labels=kept["labels"],
    )
