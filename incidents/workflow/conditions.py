"""What a gate asks for: its conditions, who may waive them, and how it was answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from incidents.workflow.errors import ConditionError
from incidents.workflow.phases import Phase
from policy.rules.decisions import Decision, Refusal


class ConditionKey(StrEnum):
    """Stable names of the conditions; statements and waivers point at them."""

    EXTENSION_KILLED = "extension-killed"
    ISOLATION_VERIFIED = "isolation-verified"
    CONTAINMENT_ANSWERED = "containment-answered"
    BUNDLE_STORED = "bundle-stored"
    CONFIGURATION_SNAPSHOT = "configuration-snapshot"
    COLLECTION_ANSWERED = "collection-answered"
    REPORTS_CURRENT = "reports-current"
    FAILURES_EXPLAINED = "failures-explained"
    VERIFICATION_ANSWERED = "verification-answered"
    ROOT_CAUSE_WRITTEN = "root-cause-written"
    REPLAY_VIEWED = "replay-viewed"
    INVESTIGATION_ANSWERED = "investigation-answered"
    ACTION_PROVEN = "action-proven"
    REMEDIATION_CHOSEN = "remediation-chosen"
    REMEDIATION_ANSWERED = "remediation-answered"
    POSTMORTEM_WRITTEN = "postmortem-written"
    POSTMORTEM_SIGNED = "postmortem-signed"
    ARTIFACTS_ARCHIVED = "artifacts-archived"
    POSTMORTEM_ANSWERED = "postmortem-answered"

    @property
    def words(self) -> str:
        """Return the name for a sentence: "Extension killed"."""
        return self.replace("-", " ").capitalize()


HELD_CONDITIONS = (
    ConditionKey.EXTENSION_KILLED,
    ConditionKey.BUNDLE_STORED,
    ConditionKey.CONFIGURATION_SNAPSHOT,
)
"""What a case holds, and so holds in a later cycle as well: nobody has to do it anew.
What people state, answer, decide or waive is of the cycle in which they did."""


UNWAIVABLE = frozenset(
    {
        ConditionKey.POSTMORTEM_WRITTEN,
        ConditionKey.POSTMORTEM_SIGNED,
        ConditionKey.ARTIFACTS_ARCHIVED,
    }
)
"""What a case is never closed without: its record of itself."""


# A condition that a checklist item of every playbook asks for as well: who meets
# the one answers the other.
ITEM_OF_CONDITION: Mapping[ConditionKey, str] = {
    ConditionKey.EXTENSION_KILLED: "kill-extension",
    ConditionKey.ISOLATION_VERIFIED: "verify-isolation",
    ConditionKey.BUNDLE_STORED: "export-evidence-bundle",
    ConditionKey.CONFIGURATION_SNAPSHOT: "snapshot-configuration",
    ConditionKey.ROOT_CAUSE_WRITTEN: "root-cause",
    ConditionKey.REPLAY_VIEWED: "forensic-replay",
    ConditionKey.POSTMORTEM_WRITTEN: "write-postmortem",
    ConditionKey.POSTMORTEM_SIGNED: "review-postmortem",
    ConditionKey.ARTIFACTS_ARCHIVED: "archive-artifacts",
}


ANSWERED_IN: Mapping[Phase, ConditionKey] = {
    Phase.CONTAIN: ConditionKey.CONTAINMENT_ANSWERED,
    Phase.COLLECT: ConditionKey.COLLECTION_ANSWERED,
    Phase.VERIFY: ConditionKey.VERIFICATION_ANSWERED,
    Phase.ANALYZE: ConditionKey.INVESTIGATION_ANSWERED,
    Phase.REMEDIATE: ConditionKey.REMEDIATION_ANSWERED,
    Phase.POSTMORTEM: ConditionKey.POSTMORTEM_ANSWERED,
}
"""The condition of each phase that asks for its required checklist items. DETECT has
none: it completes by itself, and so nothing in it can be required."""


@dataclass(frozen=True)
class OpenItem:
    """A required checklist item that nobody has answered."""

    key: str
    text: str


@dataclass(frozen=True)
class Waiver:
    """A reviewer's decision to let a condition go; never without a reason."""

    key: ConditionKey
    by: str
    reason: str

    def __post_init__(self) -> None:
        """Refuse a waiver that nobody can give, or that lacks a name or a reason."""
        if self.key in UNWAIVABLE:
            raise ConditionError(f"“{self.key.words}” cannot be waived.")
        if not self.by.strip() or not self.reason.strip():
            raise ConditionError("A waiver needs the reviewer's name and a reason.")


@dataclass(frozen=True)
class Condition:
    """One condition as it stands; ``detail`` says what is there or what is missing.

    ``anchor`` is the part of the incident page where it can be met. ``is_ordered``: it
    rests on an order that nobody confirmed yet, which is no light to call green.
    """

    key: ConditionKey
    text: str
    met: bool
    detail: str
    anchor: str
    waiver: Waiver | None = None
    is_ordered: bool = False
    open_items: tuple[OpenItem, ...] = ()
    """The checklist items that stand in the way, each to be linked."""

    @property
    def passes(self) -> bool:
        """Return whether it holds or is waived."""
        return self.met or self.waiver is not None

    @property
    def standing(self) -> str:
        """How it stands, in a word: ordered, met, waived or missing."""
        if self.is_ordered:
            return "ordered"
        if self.met:
            return "met"
        return "waived" if self.waiver is not None else "missing"

    @property
    def is_waivable(self) -> bool:
        """Return whether a reviewer may let it go."""
        return self.key not in UNWAIVABLE


@dataclass(frozen=True)
class GateResult:
    """A gate as it stands, with every condition."""

    phase: Phase
    conditions: tuple[Condition, ...]

    @property
    def passed(self) -> bool:
        """Return whether every condition holds or is waived."""
        return all(condition.passes for condition in self.conditions)

    @property
    def failed(self) -> tuple[Condition, ...]:
        """The conditions that stand in the way."""
        return tuple(c for c in self.conditions if not c.passes)

    @property
    def waived(self) -> tuple[Condition, ...]:
        """The conditions that do not hold and were let go."""
        return tuple(c for c in self.conditions if not c.met and c.waiver is not None)

    @property
    def ordered(self) -> tuple[Condition, ...]:
        """The conditions that rest on an order without its confirmation."""
        return tuple(c for c in self.conditions if c.is_ordered)

    @property
    def decision(self) -> Decision:
        """The answer, with one refusal for each condition in the way."""
        return Decision(
            tuple(Refusal(c.key, f"{c.text}: {c.detail}") for c in self.failed)
        )
