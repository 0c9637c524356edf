"""What a case has to answer a playbook's questions from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from incidents.findings.records import Document, Library
from policy.rules.explanation import ExplanationDocument
from policy.rules.precedence import EffectivePolicy
from policy.rules.stops import Stop
from policy.rules.trust_replay import TrustFinding

if TYPE_CHECKING:  # importing it for real would load the parsers with every page
    from policy.scanner.capabilities import ShownCapabilities
    from policy.scanner.report import SourceReport


@dataclass(frozen=True)
class PolicyInput:
    """A snapshot of the policy, and since when it is known to be in force.

    ``since_ms`` None: nobody knows. ``knows_overrides`` is False where the policy was
    made from the runtime's explanation, which has no word on single extensions.
    """

    item: str
    sha256: str
    effective: EffectivePolicy
    since_ms: int | None = None
    knows_overrides: bool = True


@dataclass(frozen=True)
class ExplanationInput:
    """What the runtime itself says of its policy."""

    item: str
    sha256: str
    document: ExplanationDocument


@dataclass(frozen=True)
class HistoryInput:
    """A record of trust and kill switches: the runtime's, or the case's own.

    ``stops`` and ``moves`` are what `policy.rules` makes of it: when calls had to be
    blocked, and what the rules hold against it.
    """

    item: str
    sha256: str
    stops: tuple[Stop, ...]
    moves: tuple[TrustFinding, ...]
    line_count: int
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceInput:
    """The source of an extension: its scan, and the capabilities that it shows."""

    item: str
    sha256: str
    report: SourceReport
    shown: ShownCapabilities
    extension_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class CaseEvidence:
    """Everything that is read together; what is empty or None is not at hand."""

    documents: tuple[Document, ...] = ()
    policies: tuple[PolicyInput, ...] = ()
    explanation: ExplanationInput | None = None
    histories: tuple[HistoryInput, ...] = ()
    source: SourceInput | None = None
    names_by_hash: Mapping[str, str] = field(default_factory=dict)

    @property
    def library(self) -> Library:
        """Return all documents of the case, by section."""
        return Library(self.documents)

    def policy_at(self, ts_ms: int | None) -> PolicyInput | None:
        """Return the snapshot in force at a moment; the first where none is as old."""
        known = sorted(self.policies, key=lambda policy: policy.since_ms or 0)
        before = [
            policy
            for policy in known
            if ts_ms is None or policy.since_ms is None or policy.since_ms <= ts_ms
        ]
        if before:
            return before[-1]
        return known[0] if known else None

    @property
    def policy_digests(self) -> tuple[tuple[str, str], ...]:
        """Return item and SHA-256 of each policy that was read."""
        found = [(policy.item, policy.sha256) for policy in self.policies]
        if self.explanation is not None:
            found.append((self.explanation.item, self.explanation.sha256))
        return tuple(found)


@dataclass(frozen=True)
class Reading:
    """The evidence as the classes read it: the library is made once for all six."""

    case: CaseEvidence
    library: Library
