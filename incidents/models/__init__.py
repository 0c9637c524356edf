from incidents.models.alerts import (
    ALERT_SOURCES,
    Alert,
    AlertAssignment,
    AlertDecision,
    AlertMove,
    AlertRule,
)
from incidents.models.cases import (
    Cycle,
    Incident,
    ReferenceCounter,
    Team,
    TicketLink,
    TimelineEntry,
    TimelineKind,
)
from incidents.models.checklists import (
    ArtifactKind,
    ArtifactLink,
    ChecklistEntry,
    ChecklistItem,
    EntryAction,
)
from incidents.models.phases import GateStatement, GateWaiver, IncidentPhase
from incidents.models.playbooks import Playbook, PlaybookVersion
from incidents.models.remediations import RemediationAction, RemediationDecision

__all__ = (
    "ALERT_SOURCES",
    "Alert",
    "AlertAssignment",
    "AlertDecision",
    "AlertMove",
    "AlertRule",
    "ArtifactKind",
    "ArtifactLink",
    "ChecklistEntry",
    "ChecklistItem",
    "Cycle",
    "EntryAction",
    "GateStatement",
    "GateWaiver",
    "Incident",
    "IncidentPhase",
    "Playbook",
    "PlaybookVersion",
    "ReferenceCounter",
    "RemediationAction",
    "RemediationDecision",
    "Team",
    "TicketLink",
    "TimelineEntry",
    "TimelineKind",
)
