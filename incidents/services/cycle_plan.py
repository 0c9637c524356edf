"""What a cycle is made of, as its playbook version says: phases, clocks, checklist."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from incidents.models import (
    ChecklistItem,
    Cycle,
    Incident,
    IncidentPhase,
    PlaybookVersion,
)
from incidents.workflow.clocks import due_at
from incidents.workflow.phases import Phase
from incidents.workflow.playbook_document import (
    PhaseTarget,
    PlaybookDocument,
    PlaybookItem,
    read_playbook,
)

_DOCUMENTS: dict[str, PlaybookDocument] = {}
"""Playbooks by the hash of their content, which never changes."""


def document_of(version: PlaybookVersion) -> PlaybookDocument:
    """Return the playbook that a version stores. Read once for each content."""
    known = _DOCUMENTS.get(version.content_sha256)
    if known is None:
        known = read_playbook(version.document, name=version.file_name)
        _DOCUMENTS[version.content_sha256] = known
    return known


def plan_cycle(incident: Incident, cycle: Cycle, *, now: dt.datetime) -> None:
    """Make the phases and the checklist of a new cycle.

    DETECT is complete and CONTAIN can begin. The first cycle counts from detection, a
    later one from its own start.
    """
    document = document_of(incident.playbook_version)
    detected_at = incident.detected_at if cycle.number == 1 else cycle.started_at
    IncidentPhase.objects.bulk_create(
        _new_phase(cycle, target, detected_at=detected_at, now=now)
        for target in document.phases
    )
    add_items(cycle, incident.playbook_version, enumerate(document.checklist))


def start_clock(
    phase: IncidentPhase, target: PhaseTarget, *, counted_from: dt.datetime
) -> None:
    """Freeze the playbook's figures on a phase whose clock starts."""
    phase.counted_from = counted_from
    phase.target_seconds = target.target_seconds
    phase.due_at = due_at(target, counted_from=counted_from)


def add_items(
    cycle: Cycle, version: PlaybookVersion, planned: Iterable[tuple[int, PlaybookItem]]
) -> None:
    """Add items of a playbook version, each with its place in the document."""
    contents = version.document["checklist"]
    ChecklistItem.objects.bulk_create(
        ChecklistItem(
            cycle=cycle,
            playbook_version=version,
            key=item.key,
            kind=item.kind,
            phase=item.phase,
            phase_position=item.phase.position,
            position=position,
            required=item.required,
            text=item.text,
            content=contents[position],
        )
        for position, item in planned
    )


def _new_phase(
    cycle: Cycle, target: PhaseTarget, *, detected_at: dt.datetime, now: dt.datetime
) -> IncidentPhase:
    phase = IncidentPhase(
        cycle=cycle, phase=target.phase, position=target.phase.position
    )
    if target.counts_from == "detection":
        start_clock(phase, target, counted_from=detected_at)
    if target.phase is Phase.DETECT:
        phase.started_at = phase.counted_from = detected_at
        phase.completed_at = max(now, detected_at)
    if target.phase is Phase.CONTAIN:
        phase.started_at = now
    return phase
