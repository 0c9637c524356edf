"""States of a case and of its checklist items, and the moves between them.

Every fixed set of the case is an enum here; a move that no table lists does not
exist. Nothing here decides who may make a move: that is the services' part.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from functools import cached_property

from evidence.wording import say_value
from incidents.workflow.errors import MoveError


class Severity(StrEnum):
    """Severity of a case, worst first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @cached_property
    def rank(self) -> int:
        """Weight for sorting: higher is worse."""
        return len(Severity) - list(Severity).index(self)


class IncidentStatus(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    CLOSED = "closed"
    CLOSED_DUPLICATE = "closed_duplicate"
    CLOSED_FALSE_ALARM = "closed_false_alarm"

    @property
    def is_closed(self) -> bool:
        """True for each of the closing states."""
        return self is not IncidentStatus.OPEN


class IncidentSource(StrEnum):
    """What raised the case."""

    RISK_CONTROLLER = "risk_controller"
    CI_GATE = "ci_gate"
    MANUAL = "manual"
    SELF_CHECK = "self_check"
    """Casefile's own checks of what it keeps."""


class ItemKind(StrEnum):
    """What a checklist item asks for."""

    INVESTIGATION = "investigation"
    ARTIFACT = "artifact"
    REMEDIATION = "remediation"
    VERIFICATION = "verification"


class ItemState(StrEnum):
    """Where a checklist item stands."""

    OPEN = "open"
    DONE = "done"
    NOT_APPLICABLE = "not_applicable"
    FAILED = "failed"

    @property
    def is_answered(self) -> bool:
        """Return whether somebody gave an answer, a failure included."""
        return self is not ItemState.OPEN


class RemediationKind(StrEnum):
    """What counts as an action of REMEDIATE; each is recorded with its proof."""

    POLICY_UPDATE = "policy_update"
    SCANNER_RULE = "scanner_rule"
    TICKET_FILED = "ticket_filed"
    CREDENTIAL_ROTATED = "credential_rotated"
    QUOTA_CHANGED = "quota_changed"


# From → the states that can follow. A closed case moves only by being reopened.
INCIDENT_MOVES: dict[IncidentStatus, frozenset[IncidentStatus]] = {
    IncidentStatus.OPEN: frozenset(
        {
            IncidentStatus.CLOSED,
            IncidentStatus.CLOSED_DUPLICATE,
            IncidentStatus.CLOSED_FALSE_ALARM,
        }
    ),
    IncidentStatus.CLOSED: frozenset({IncidentStatus.OPEN}),
    IncidentStatus.CLOSED_DUPLICATE: frozenset({IncidentStatus.OPEN}),
    IncidentStatus.CLOSED_FALSE_ALARM: frozenset({IncidentStatus.OPEN}),
}

# From → the states that can follow. An answer is taken back before it is replaced,
# so that both entries stand in the history.
ITEM_MOVES: dict[ItemState, frozenset[ItemState]] = {
    ItemState.OPEN: frozenset(
        {ItemState.DONE, ItemState.NOT_APPLICABLE, ItemState.FAILED}
    ),
    ItemState.DONE: frozenset({ItemState.OPEN}),
    ItemState.NOT_APPLICABLE: frozenset({ItemState.OPEN}),
    ItemState.FAILED: frozenset({ItemState.OPEN}),
}

# What an answer must bring along: the name of the input, and how to ask for it.
ITEM_INPUTS: dict[ItemState, tuple[str, str]] = {
    ItemState.NOT_APPLICABLE: ("reason", "say why it does not apply"),
    ItemState.FAILED: ("found", "say what was found"),
}


def _no_move(
    what: str, current: StrEnum, target: StrEnum, allowed: Collection[StrEnum]
) -> str:
    """Return the sentence for a move that does not exist, with those that do."""
    words = sorted(say_value(value) for value in allowed)
    rest = f"It can become {', '.join(words)}." if words else "It stays as it is."
    article = "An" if what[0] in "aeiou" else "A"
    return (
        f"{article} {what} that is {say_value(current)} cannot become "
        f"{say_value(target)}. {rest}"
    )


def require_incident_move(
    current: IncidentStatus, target: IncidentStatus, *, reason: str = ""
) -> None:
    """Raise MoveError unless a case may go from ``current`` to ``target``.

    ``reason`` is required by every move but closing a case that ran its course.
    """
    if target not in INCIDENT_MOVES[current]:
        raise MoveError(_no_move("case", current, target, INCIDENT_MOVES[current]))
    if target is not IncidentStatus.CLOSED and not reason.strip():
        raise MoveError(f"A reason is needed to make this case {say_value(target)}.")


def require_item_move(
    kind: ItemKind,
    current: ItemState,
    target: ItemState,
    *,
    reason: str = "",
    found: str = "",
    has_artifact: bool = False,
) -> None:
    """Raise MoveError unless a checklist item may go from ``current`` to ``target``.

    ``has_artifact``: an artifact that the item expects is linked; an artifact item is
    done by that link and by nothing else.
    """
    if target not in ITEM_MOVES[current]:
        raise MoveError(_no_move("item", current, target, ITEM_MOVES[current]))
    if target in ITEM_INPUTS:
        name, request = ITEM_INPUTS[target]
        if not {"reason": reason, "found": found}[name].strip():
            raise MoveError(f"To mark an item {say_value(target)}, {request}.")
    if target is ItemState.DONE and kind is ItemKind.ARTIFACT and not has_artifact:
        raise MoveError("This item is done by linking the artifact that it asks for.")


def raised_severity(current: Severity, proposed: Severity) -> Severity:
    """Return the worse of the two: an alert raises a case, and never lowers it."""
    return max(current, proposed, key=lambda severity: severity.rank)


def format_reference(year: int, number: int) -> str:
    """Return ``SEC-INC-<year>-<number>``, the number with four digits or more."""
    if not 1000 <= year <= 9999:
        raise MoveError(f"A year has four digits. Given: {year}.")
    if number < 1:
        raise MoveError(f"A case's number is above 0. Given: {number}.")
    return f"SEC-INC-{year}-{number:04d}"
