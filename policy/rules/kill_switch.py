"""Kill switches: their states, who may lift one, and what the runtime must run.

Guarantees: ordered and confirmed are two states, and an order is never taken
for an effect. Lifting needs a reviewer who neither activated nor asks, and a
case that has reached REMEDIATE, unless a reviewer states an exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from policy.rules.capabilities import Capability
from policy.rules.decisions import Decision, RefusalKind, decide
from policy.rules.errors import KillSwitchError
from policy.rules.precedence import Mode

START_COMMAND: Final = "pi"
DISABLE_ALL_COMMAND: Final = "pi --no-extensions"
EXPLAIN_COMMAND: Final = "pi --explain-extension-policy"


class KillSwitchScope(StrEnum):
    """What a kill switch stops."""

    EXTENSION = "extension"
    ALL = "all"


class KillSwitchState(StrEnum):
    """How far a kill switch has come."""

    ORDERED = "ordered"
    CONFIRMED = "confirmed"
    LIFTED = "lifted"


KILL_SWITCH_MOVES: Final[Mapping[KillSwitchState, frozenset[KillSwitchState]]] = (
    MappingProxyType(
        {
            KillSwitchState.ORDERED: frozenset(
                {KillSwitchState.CONFIRMED, KillSwitchState.LIFTED}
            ),
            KillSwitchState.CONFIRMED: frozenset({KillSwitchState.LIFTED}),
            KillSwitchState.LIFTED: frozenset(),
        }
    )
)


def is_active(state: KillSwitchState) -> bool:
    """Return whether the switch still stands; an unconfirmed order does."""
    return state is not KillSwitchState.LIFTED


def require_kill_switch_move(
    from_state: KillSwitchState, to_state: KillSwitchState
) -> None:
    """Raise KillSwitchError unless a kill switch can make this move."""
    if to_state not in KILL_SWITCH_MOVES[from_state]:
        raise KillSwitchError(
            f"A kill switch that is {from_state} cannot become {to_state}; "
            "activate a new one where one is needed."
        )


@dataclass(frozen=True)
class LiftFacts:
    """What a lift is judged by. People are given by any stable identifier.

    `approved_by` is None until somebody approves. `case_before_remediate` is
    True while the switch's case has not reached REMEDIATE. `exception` is the
    approving reviewer's own statement.
    """

    state: KillSwitchState
    activated_by: str
    requested_by: str
    reason: str
    approved_by: str | None = None
    approver_is_reviewer: bool = False
    case_before_remediate: bool = False
    exception: str = ""


def decide_lift(facts: LiftFacts) -> Decision:
    """Decide whether a kill switch may be lifted, with every reason against it."""
    approver = (facts.approved_by or "").strip()
    return decide(
        [
            (
                is_active(facts.state),
                "already_lifted",
                "This kill switch is lifted already.",
                RefusalKind.STATE,
            ),
            (
                bool(facts.requested_by.strip()),
                "actor_missing",
                "A lift needs the person who asks for it.",
            ),
            (
                bool(facts.reason.strip()),
                "reason_missing",
                "A lift needs a reason; say why.",
            ),
            (
                bool(approver) and facts.approver_is_reviewer,
                "reviewer_missing",
                "A lift needs the approval of a reviewer.",
            ),
            (
                not approver or approver != facts.requested_by.strip(),
                "reviewer_is_requester",
                "The reviewer must be somebody other than who asks for the lift.",
                RefusalKind.PERSON,
            ),
            (
                not approver or approver != facts.activated_by.strip(),
                "reviewer_is_activator",
                "The reviewer must be somebody other than who activated the switch.",
                RefusalKind.PERSON,
            ),
            (
                not facts.case_before_remediate or bool(facts.exception.strip()),
                "case_before_remediate",
                "The case has not reached REMEDIATE; finish ANALYZE first, or have "
                "the reviewer state an exception.",
                RefusalKind.STATE,
            ),
        ]
    )


@dataclass(frozen=True)
class RuntimeInstruction:
    """What the responder has the runtime do.

    `command` is run as it stands. `settings_patch` is a JSON merge patch
    (RFC 7396) for settings.json, to be applied before it; None where none is
    needed. `effect` says what this does, `limits` what it does not.
    """

    command: str
    settings_patch: Mapping[str, Any] | None
    effect: str
    limits: str


def runtime_instruction(
    scope: KillSwitchScope, extension_id: str = ""
) -> RuntimeInstruction:
    """Return what the runtime must run; raise KillSwitchError without an extension."""
    if scope is KillSwitchScope.ALL:
        return RuntimeInstruction(
            command=DISABLE_ALL_COMMAND,
            settings_patch=None,
            effect="Starts the runtime with no extension discovered or loaded.",
            limits="It starts a new session: end those that run already.",
        )
    if not extension_id:
        raise KillSwitchError("The extension to stop is missing. Name it.")
    return RuntimeInstruction(
        command=EXPLAIN_COMMAND,
        settings_patch=deny_everything_patch(extension_id),
        effect=(
            "Denies every capability to this extension in settings.json; the "
            "extension's own deny list is the first layer of the policy, so no "
            "profile, allow list or mode can give one back. The command shows the "
            "policy that the runtime resolves; the extension's override must be in "
            "the settings file that it reads."
        ),
        limits=(
            "The runtime has no command that unloads a single extension: its code "
            "stays loaded and every hostcall of it is refused. A session that runs "
            "already may hold the old settings: end it. Where the extension must "
            f"not run at all, use `{DISABLE_ALL_COMMAND}`."
        ),
    )


def lift_instruction(
    scope: KillSwitchScope, extension_id: str = ""
) -> RuntimeInstruction:
    """Return what undoes a lifted kill switch in the runtime: nothing there lapses."""
    if scope is KillSwitchScope.ALL:
        return RuntimeInstruction(
            command=START_COMMAND,
            settings_patch=None,
            effect="Starts the runtime with its extensions discovered and loaded.",
            limits="Their trust stays quarantined until it is promoted: promote first.",
        )
    return RuntimeInstruction(
        command=EXPLAIN_COMMAND,
        settings_patch={"extensionPolicy": {"perExtension": {extension_id: None}}},
        effect=(
            "Takes the extension's override out of settings.json, and with it the deny "
            "list of the kill switch. The command shows the policy that the runtime "
            "resolves then."
        ),
        limits=(
            "An override that it had before does not come back: take it from an "
            "earlier snapshot. Its trust stays quarantined until it is promoted: "
            "promote first."
        ),
    )


def deny_everything_patch(extension_id: str) -> dict[str, Any]:
    """Return the merge patch for settings.json that denies an extension everything."""
    override = {
        "mode": Mode.STRICT.value,
        "allow": [],
        "deny": [capability.value for capability in Capability],
    }
    return {"extensionPolicy": {"perExtension": {extension_id: override}}}
