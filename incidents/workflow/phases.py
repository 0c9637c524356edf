"""The seven phases of a case, in the one order in which they complete.

NIST SP 800-61 names the activities; the order and the names are the runbook's:
DETECT → CONTAIN → COLLECT → VERIFY → ANALYZE → REMEDIATE → POSTMORTEM.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from evidence.errors import Conflict
from incidents.workflow.errors import WorkflowError


class Phase(StrEnum):
    """A phase; the order of the members is the order of the work."""

    DETECT = "detect"
    CONTAIN = "contain"
    COLLECT = "collect"
    VERIFY = "verify"
    ANALYZE = "analyze"
    REMEDIATE = "remediate"
    POSTMORTEM = "postmortem"

    @property
    def label(self) -> str:
        """The name as the runbook writes it."""
        return self.name

    @property
    def position(self) -> int:
        """Place in the order, from 0."""
        return PHASE_ORDER.index(self)


PHASE_ORDER: tuple[Phase, ...] = tuple(Phase)


class PhaseOrderError(Conflict, WorkflowError):
    """A phase that cannot be completed now; ``missing`` has to come first."""

    code = "phase_out_of_order"

    def __init__(self, message: str, *, missing: Phase | None = None) -> None:
        """Keep the phase that has to come first."""
        self.missing = missing
        super().__init__(message)


def next_phase(phase: Phase) -> Phase | None:
    """Return the phase that starts when ``phase`` completes; None after the last."""
    following = PHASE_ORDER[phase.position + 1 :]
    return following[0] if following else None


def current_phase(completed: Collection[Phase]) -> Phase | None:
    """Return the first phase that is not complete; None where all are."""
    return next((phase for phase in PHASE_ORDER if phase not in completed), None)


def require_in_order(phase: Phase, *, completed: Collection[Phase]) -> None:
    """Raise PhaseOrderError unless ``phase`` is the one to complete now."""
    if phase in completed:
        raise PhaseOrderError(f"{phase.label} is already complete.")
    current = current_phase(completed)
    if current is not None and current is not phase:
        raise PhaseOrderError(
            f"{phase.label} cannot be completed before {current.label}: complete "
            f"{current.label} first.",
            missing=current,
        )
