from incidents.models.action_items import ActionItem
from incidents.models.alerts import (
    ALERT_SOURCES,
    Alert,
    AlertAssignment,
    AlertDecision,
    AlertMove,
    AlertRule,
)
from incidents.models.archive_copies import ArchiveCopy
from incidents.models.archives import CaseArchive
from incidents.models.cases import Cycle, Incident, ReferenceCounter, TicketLink
from incidents.models.checklists import (
    ArtifactKind,
    ArtifactLink,
    ChecklistEntry,
    ChecklistItem,
    EntryAction,
)
from incidents.models.endings import CycleEnding
from incidents.models.findings import (
    EvidenceReading,
    Finding,
    FindingReview,
    ReviewChoice,
)
from incidents.models.frozen import ArchiveSeal, FrozenCase
from incidents.models.holds import CaseHold
from incidents.models.loosenings import LooseningRequest
from incidents.models.notifications import (
    AttemptOutcome,
    Notification,
    NotificationAttempt,
    NotificationKind,
    NotificationPreference,
    NotificationState,
    WebhookChannel,
)
from incidents.models.phases import (
    GateRecord,
    GateStatement,
    GateWaiver,
    IncidentPhase,
)
from incidents.models.playbooks import Playbook, PlaybookVersion
from incidents.models.postmortem_files import (
    PostmortemArchive,
    PostmortemArchiving,
    PostmortemPdf,
)
from incidents.models.postmortems import (
    Postmortem,
    PostmortemDraft,
    PostmortemReview,
    PostmortemVersion,
    ReviewVerdict,
)
from incidents.models.pruning import PruneRequest, PruneRun
from incidents.models.remediations import RemediationAction, RemediationDecision
from incidents.models.reminders import (
    ReminderAcknowledgement,
    ReminderCheckState,
    ReminderCursor,
    ReminderSettings,
)
from incidents.models.restrictions import MOST_LOOK_IN, CaseReader, LookIn
from incidents.models.teams import Team
from incidents.models.timeline import TimelineEntry, TimelineKind

__all__ = (
    "ALERT_SOURCES",
    "MOST_LOOK_IN",
    "ActionItem",
    "Alert",
    "AlertAssignment",
    "AlertDecision",
    "AlertMove",
    "AlertRule",
    "ArchiveCopy",
    "ArchiveSeal",
    "ArtifactKind",
    "ArtifactLink",
    "AttemptOutcome",
    "CaseArchive",
    "CaseHold",
    "CaseReader",
    "ChecklistEntry",
    "ChecklistItem",
    "Cycle",
    "CycleEnding",
    "EntryAction",
    "EvidenceReading",
    "Finding",
    "FindingReview",
    "FrozenCase",
    "GateRecord",
    "GateStatement",
    "GateWaiver",
    "Incident",
    "IncidentPhase",
    "LookIn",
    "LooseningRequest",
    "Notification",
    "NotificationAttempt",
    "NotificationKind",
    "NotificationPreference",
    "NotificationState",
    "Playbook",
    "PlaybookVersion",
    "Postmortem",
    "PostmortemArchive",
    "PostmortemArchiving",
    "PostmortemDraft",
    "PostmortemPdf",
    "PostmortemReview",
    "PostmortemVersion",
    "PruneRequest",
    "PruneRun",
    "ReferenceCounter",
    "RemediationAction",
    "RemediationDecision",
    "ReminderAcknowledgement",
    "ReminderCheckState",
    "ReminderCursor",
    "ReminderSettings",
    "ReviewChoice",
    "ReviewVerdict",
    "Team",
    "TicketLink",
    "TimelineEntry",
    "TimelineKind",
    "WebhookChannel",
)
