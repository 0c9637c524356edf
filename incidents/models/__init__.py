from incidents.models.cases import (
    Cycle,
    Incident,
    ReferenceCounter,
    Team,
    TicketLink,
    TimelineEntry,
    TimelineKind,
)
from incidents.models.phases import GateStatement, GateWaiver, IncidentPhase
from incidents.models.playbooks import Playbook, PlaybookVersion

__all__ = (
    "Cycle",
    "GateStatement",
    "GateWaiver",
    "Incident",
    "IncidentPhase",
    "Playbook",
    "PlaybookVersion",
    "ReferenceCounter",
    "Team",
    "TicketLink",
    "TimelineEntry",
    "TimelineKind",
)
