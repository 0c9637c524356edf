"""What the checklist tab shows of conditions, choices and items."""

from __future__ import annotations

from dataclasses import dataclass, field

from evidence.models import VerificationReport
from incidents.admin.evidence_tab import upload_url
from incidents.admin.finding_views import FindingView
from incidents.models import (
    ArtifactLink,
    ChecklistItem,
    RemediationDecision,
)
from incidents.services.checklists.artifacts import (
    Artifact,
)
from incidents.workflow.conditions import (
    ANSWERED_IN,
    Condition,
)
from incidents.workflow.incident_states import ItemKind
from incidents.workflow.phases import Phase


@dataclass(frozen=True)
class ConditionView:
    """One condition of the gate, and how it can be met from here."""

    condition: Condition
    is_statable: bool
    item_anchor: str
    failed_reports: list[VerificationReport] = field(default_factory=list)
    replay_url: str = ""
    """Where the replay is that was not looked at yet."""
    waiver_id: int | None = None
    """The waiver in force, where there is one."""
    is_confirmed_since: bool = False
    """A kept gate rested on an order; by now the order is confirmed."""

    @property
    def is_waiting(self) -> bool:
        """Return whether it rests on an order that nobody confirmed to this day."""
        return self.condition.is_ordered and not self.is_confirmed_since

    @property
    def standing(self) -> str:
        """How it stands today, in a word: ordered, met, waived or missing."""
        if self.is_confirmed_since:
            return "met"
        return self.condition.standing


@dataclass(frozen=True)
class ChoiceView:
    """One remediation of the playbook with what was decided of it."""

    key: str
    text: str
    condition: str
    term: str
    required: bool
    commands: tuple[str, ...]
    decision: RemediationDecision | None
    action: str
    doubt: str = ""

    @property
    def state(self) -> str:
        chosen = self.decision is not None and self.decision.chosen
        return "chosen" if chosen else "not chosen"


@dataclass(frozen=True)
class ItemView:
    """One checklist item with what its playbook says and what was answered."""

    item: ChecklistItem
    details: list[str]
    commands: list[str]
    references: list[dict[str, str]]
    links: list[ArtifactLink]
    suggestions: list[Artifact]
    choices: list[ChoiceView]
    step_states: list[tuple[str, str]]
    needs_statement: bool
    findings: list[FindingView] = field(default_factory=list)

    @property
    def is_gating(self) -> bool:
        """Return whether its phase waits for it: then it is required, and says so."""
        return is_gating(self.item)

    @property
    def confirmable(self) -> list[int]:
        """Return the findings that say something and that nobody reviewed yet."""
        return [view.finding.pk for view in self.findings if view.can_be_confirmed]

    @property
    def can_confirm(self) -> bool:
        return bool(self.confirmable)

    @property
    def is_artifact(self) -> bool:
        return self.item.kind == ItemKind.ARTIFACT

    @property
    def source(self) -> tuple[str, str]:
        """The page where the artifact comes from, and what to do there."""
        expects = self.item.content.get("expects") or {}
        if "alert_category" in expects or "alert_of_extension" in expects:
            return "?tab=alerts", "See the alerts"
        if "record" in expects:
            return "?tab=policy", "See policy and trust"
        return upload_url(self.item.cycle.incident_id), "Attach evidence"


def is_gating(item: ChecklistItem) -> bool:
    """Return whether the gate of its phase asks for an item: then it is required."""
    return item.required and Phase(item.phase) in ANSWERED_IN
