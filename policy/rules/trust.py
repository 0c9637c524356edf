"""Trust states: the moves that exist, what each state lets through, who promotes.

Guarantees: no move exists but those of `ALLOWED_MOVES`; quarantined to trusted
in one step is none of them. A promotion out of quarantine and one to trusted
need a second person. Demotion to quarantine needs one person and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from policy.rules.capabilities import (
    DANGEROUS_CAPABILITIES,
    Capability,
    find_capability,
)
from policy.rules.decisions import Decision, RefusalKind, Requirement, decide
from policy.rules.errors import TrustTransitionError


class TrustState(StrEnum):
    """How far an extension is trusted."""

    UNKNOWN = "unknown"
    PROBATION = "probation"
    TRUSTED = "trusted"
    QUARANTINED = "quarantined"


ALLOWED_MOVES: Final[Mapping[TrustState, frozenset[TrustState]]] = MappingProxyType(
    {
        TrustState.UNKNOWN: frozenset({TrustState.PROBATION, TrustState.QUARANTINED}),
        TrustState.PROBATION: frozenset({TrustState.TRUSTED, TrustState.QUARANTINED}),
        TrustState.TRUSTED: frozenset({TrustState.QUARANTINED}),
        TrustState.QUARANTINED: frozenset({TrustState.PROBATION}),
    }
)

# What trust lets through before policy is asked. `trusted` lets everything
# through, names that are no capability included: policy has the word on them.
CAPABILITIES_BY_TRUST: Final[Mapping[TrustState, frozenset[Capability]]] = (
    MappingProxyType(
        {
            TrustState.QUARANTINED: frozenset(),
            TrustState.UNKNOWN: frozenset({Capability.LOG}),
            TrustState.PROBATION: frozenset(Capability)
            - DANGEROUS_CAPABILITIES
            - {Capability.WRITE},
            TrustState.TRUSTED: frozenset(Capability),
        }
    )
)


def is_hostcall_allowed_for_trust(state: TrustState, capability: str) -> bool:
    """Return whether the trust state lets a hostcall of that capability through.

    True means only that policy is asked next.
    """
    if state is TrustState.TRUSTED:
        return bool(capability.strip())
    return find_capability(capability) in CAPABILITIES_BY_TRUST[state]


def can_move(from_state: TrustState, to_state: TrustState) -> bool:
    """Return whether the state machine has this move."""
    return to_state in ALLOWED_MOVES[from_state]


def require_transition(from_state: TrustState, to_state: TrustState) -> None:
    """Raise TrustTransitionError unless the state machine has this move."""
    if can_move(from_state, to_state):
        return
    targets = " or ".join(sorted(ALLOWED_MOVES[from_state]))
    raise TrustTransitionError(
        f"An extension that is {from_state} can only become {targets}, "
        f"and not {to_state}."
    )


def needs_reviewer(from_state: TrustState, to_state: TrustState) -> bool:
    """Return whether a move needs a second person's approval."""
    return from_state is TrustState.QUARANTINED or to_state is TrustState.TRUSTED


@dataclass(frozen=True)
class TransitionFacts:
    """What a move is judged by. People are given by any stable identifier.

    `approved_by` is None until somebody approves. `open_cases` are the references
    of the extension's open cases; `open_case_exception` is the reviewer's
    statement why they need not stand in the way.
    """

    from_state: TrustState
    to_state: TrustState
    reason: str
    requested_by: str
    approved_by: str | None = None
    approver_is_reviewer: bool = False
    kill_switch_active: bool = False
    open_cases: tuple[str, ...] = ()
    open_case_exception: str = ""


def decide_transition(facts: TransitionFacts) -> Decision:
    """Decide whether a move may be made now, with every reason against it."""
    requirements: list[Requirement] = [
        (
            can_move(facts.from_state, facts.to_state),
            "move_does_not_exist",
            f"No move leads from {facts.from_state} to {facts.to_state}.",
            RefusalKind.STATE,
        ),
        (
            bool(facts.requested_by.strip()),
            "actor_missing",
            "A move of trust needs the person who asks for it.",
        ),
        (
            bool(facts.reason.strip()),
            "reason_missing",
            "A move of trust needs a reason; say why.",
        ),
    ]
    if needs_reviewer(facts.from_state, facts.to_state):
        requirements += _promotion_requirements(facts)
    return decide(requirements)


def _promotion_requirements(facts: TransitionFacts) -> list[Requirement]:
    """Return what a promotion requires of its approval, each with its refusal."""
    approver = (facts.approved_by or "").strip()
    return [
        (
            bool(approver) and facts.approver_is_reviewer,
            "reviewer_missing",
            "This promotion needs the approval of a reviewer.",
        ),
        (
            not approver or approver != facts.requested_by.strip(),
            "second_person_missing",
            "The reviewer must be somebody other than who asked for the promotion.",
            RefusalKind.PERSON,
        ),
        (
            not facts.kill_switch_active,
            "kill_switch_active",
            "A kill switch is active for this extension; have it lifted first.",
            RefusalKind.STATE,
        ),
        (
            not facts.open_cases or bool(facts.open_case_exception.strip()),
            "open_case",
            f"The extension has open cases ({', '.join(facts.open_cases)}); close "
            "them, or have a reviewer state an exception.",
            RefusalKind.STATE,
        ),
    ]


@dataclass(frozen=True)
class TrustChange:
    """One recorded move. `at` is aware."""

    at: datetime
    from_state: TrustState
    to_state: TrustState


def state_at(history: Iterable[TrustChange], moment: datetime) -> TrustState:
    """Return the state at an aware moment; unknown before the first move.

    `history` is in the order of recording; of moves at the same time the one
    recorded last holds.
    """
    state, newest = TrustState.UNKNOWN, None
    for change in history:
        if change.at <= moment and (newest is None or change.at >= newest):
            state, newest = change.to_state, change.at
    return state
