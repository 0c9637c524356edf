"""What a cycle is made of, as its playbook version says: phases, clocks, checklist."""

from __future__ import annotations

import datetime as dt

from evidence.access import Actor
from incidents.models import Cycle, Incident, IncidentPhase, PlaybookVersion
from incidents.workflow.phases import Phase
from incidents.workflow.playbook_document import (
    PhaseTarget,
    PlaybookDocument,
    read_playbook,
)


def document_of(version: PlaybookVersion) -> PlaybookDocument:
    """Return the playbook that a version stores."""
    return read_playbook(version.document, name=str(version))


def plan_cycle(
    incident: Incident, cycle: Cycle, *, actor: Actor, now: dt.datetime
) -> None:
    """Make the phases of a new cycle; DETECT is complete and CONTAIN is running."""
    document = document_of(incident.playbook_version)
    detected_at = incident.detected_at if cycle.number == 1 else cycle.started_at
    IncidentPhase.objects.bulk_create(
        _new_phase(cycle, target, detected_at=detected_at, now=now)
        for target in document.phases
    )


def _new_phase(
    cycle: Cycle, target: PhaseTarget, *, detected_at: dt.datetime, now: dt.datetime
) -> IncidentPhase:
    phase = IncidentPhase(
        cycle=cycle, phase=target.phase, position=target.phase.position
    )
    if target.counts_from == "detection" and target.target_seconds is not None:
        phase.target_seconds = target.target_seconds
        phase.due_at = detected_at + dt.timedelta(seconds=target.target_seconds)
    if target.phase is Phase.DETECT:
        phase.started_at = detected_at
        phase.completed_at = now
    if target.phase is Phase.CONTAIN:
        phase.started_at = now
    return phase
