"""What the gates look at: values that services gather under the lock of the case."""

from __future__ import annotations

from dataclasses import dataclass

from incidents.workflow.incident_states import ItemKind, ItemState, RemediationKind
from incidents.workflow.phases import Phase


@dataclass(frozen=True)
class Statement:
    """What a named person stated; it counts only with both a name and a text."""

    by: str
    text: str

    @property
    def counts(self) -> bool:
        """Return whether somebody said something."""
        return bool(self.by.strip() and self.text.strip())


@dataclass(frozen=True)
class BundleFact:
    """A bundle of the case. ``valid`` and ``chain_valid`` are its current report's.

    ``valid`` None: no report, or none since the bytes were last to be verified.
    ``earlier_cycle``: the number of the cycle it came in; None for this one.
    """

    name: str
    valid: bool | None = None
    chain_valid: bool | None = None
    explanation: Statement | None = None
    earlier_cycle: int | None = None
    evidence_id: int | None = None
    sha256_hex: str = ""
    report_id: int | None = None


@dataclass(frozen=True)
class SnapshotFact:
    """A configuration snapshot of the case; ``earlier_cycle`` as for bundles."""

    name: str
    earlier_cycle: int | None = None
    evidence_id: int | None = None
    sha256_hex: str = ""


@dataclass(frozen=True)
class ItemFact:
    """A checklist item of the case.

    ``is_taken_back``: it is open because somebody took its answer back.
    """

    key: str
    kind: ItemKind
    phase: Phase
    required: bool
    state: ItemState
    text: str = ""
    is_taken_back: bool = False


@dataclass(frozen=True)
class ChoiceFact:
    """A remediation choice of the playbook; ``chosen`` None is undecided."""

    key: str
    text: str
    required: bool = False
    chosen: bool | None = None


@dataclass(frozen=True)
class PostmortemFact:
    """The postmortem as it stands; a voided signature is no signature.

    `archive_problem` says why the workers gave up archiving it; "" while they did not.
    """

    is_written: bool = False
    author: str = ""
    signed_by: str = ""
    signature_is_current: bool = False
    artifacts_archived: bool = False
    archive_problem: str = ""


@dataclass(frozen=True)
class GateFacts:
    """Everything that the gates look at, gathered under the lock of the case.

    ``kill_switched`` are the extensions whose kill switch is ordered; of those,
    ``kill_confirmed`` are known to be stopped.
    """

    extension_ids: tuple[str, ...] = ()
    kill_switched: frozenset[str] = frozenset()
    kill_confirmed: frozenset[str] = frozenset()
    killed_otherwise: Statement | None = None
    isolation: Statement | None = None
    bundles: tuple[BundleFact, ...] = ()
    snapshots: tuple[SnapshotFact, ...] = ()
    failed_verification_is_finding: bool = False
    root_cause: Statement | None = None
    replay_viewed: Statement | None = None
    items: tuple[ItemFact, ...] = ()
    # Remediation actions: none is recorded without what proves it.
    actions: tuple[RemediationKind, ...] = ()
    verified_rollbacks: tuple[int, ...] = ()
    choices: tuple[ChoiceFact, ...] = ()
    postmortem: PostmortemFact = PostmortemFact()
