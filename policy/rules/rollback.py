"""Rollback plans: to safe defaults or to an earlier snapshot, and their proof.

Guarantees: a plan holds the settings before and after, every effect of the
change, the decisions it is to end in, and the commands that verify it. A plan is
verified against a new snapshot's decisions, never against a claim.

On the risk controller the runbook's document reverts to `enabled: false`, and its
next line offers `enabled: false` as the other choice; the runtime's own default is
`enabled: true`. So the choice is the proposer's, has no default, and each choice
states its consequence.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from policy.rules.capabilities import Capability
from policy.rules.comparison import (
    ALL_EXTENSIONS,
    SnapshotComparison,
    compare_snapshots,
    named_capabilities,
)
from policy.rules.kill_switch import EXPLAIN_COMMAND
from policy.rules.precedence import (
    EffectivePolicy,
    Mode,
    PolicyDecision,
    Profile,
    Verdict,
    evaluate,
    resolve_policy,
)
from policy.rules.redaction import PLACEHOLDER
from policy.rules.risk import DEFAULT_RISK
from policy.rules.settings_document import (
    POLICY_MEMBER,
    RISK_MEMBER,
    SettingsSnapshot,
    interpret_settings,
)


class RiskChoice(StrEnum):
    """What a rollback to safe defaults does to the risk controller."""

    RUNBOOK_DOCUMENT = "runbook_document"
    SCORING_DEFAULTS = "scoring_defaults"
    DISABLED = "disabled"
    UNCHANGED = "unchanged"


class OverrideChoice(StrEnum):
    """What a rollback to safe defaults does to per-extension overrides."""

    KEEP_TIGHTENING = "keep_tightening"
    KEEP = "keep"
    DROP = "drop"


_STOPS_SCORING: Final = (
    "The controller stops scoring, so nothing is hardened, denied or terminated for "
    "its risk; existing ledger entries are preserved."
)
RISK_CONSEQUENCES: Final[Mapping[RiskChoice, str]] = MappingProxyType(
    {
        RiskChoice.RUNBOOK_DOCUMENT: "The runbook's document as it stands, with "
        f"`enabled: false`. {_STOPS_SCORING}",
        RiskChoice.SCORING_DEFAULTS: "The runbook's figures with the controller on: "
        "calls go on being scored, and a call that cannot be scored is refused.",
        RiskChoice.DISABLED: f"Only `enabled: false` is set. {_STOPS_SCORING}",
        RiskChoice.UNCHANGED: "The risk controller stays as it is.",
    }
)
OVERRIDE_CONSEQUENCES: Final[Mapping[OverrideChoice, str]] = MappingProxyType(
    {
        OverrideChoice.KEEP_TIGHTENING: "An override keeps its deny list, a strict "
        "mode and a quota below the default; its allow list, a looser mode and a "
        "higher quota go. What it had denied until now and the safe profile allows is "
        "added to its deny list.",
        OverrideChoice.KEEP: "Overrides stay as they are, those that loosen the safe "
        "profile included.",
        OverrideChoice.DROP: "All overrides go, those that deny something included: "
        "an extension held back by one is let loose.",
    }
)


@dataclass(frozen=True)
class VerificationCommand:
    """A command to run after the rollback, and what it is to show."""

    command: str
    purpose: str


VERIFICATION_COMMANDS: Final = (
    VerificationCommand(EXPLAIN_COMMAND, "Confirm safe profile active"),
    VerificationCommand(
        "cargo test --test security_conformance_benign -- --nocapture",
        "Confirm compatibility",
    ),
)
_COMMANDS_TO_EARLIER: Final = (
    VerificationCommand(EXPLAIN_COMMAND, "Confirm the planned profile active"),
    VERIFICATION_COMMANDS[1],
)


@dataclass(frozen=True)
class PlannedDecision:
    """What a capability must be decided as afterwards; None: for all extensions."""

    extension: str | None
    capability: str
    decision: PolicyDecision


@dataclass(frozen=True)
class RollbackPlan:
    """A rollback as it is proposed, before anybody applies it.

    `before` and `after` are whole settings documents, redacted. `notes` say what
    a person must know before applying it.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    effects: SnapshotComparison
    planned: tuple[PlannedDecision, ...]
    target: SettingsSnapshot
    commands: tuple[VerificationCommand, ...]
    notes: tuple[str, ...]


def plan_safe_defaults(
    before: SettingsSnapshot,
    *,
    risk: RiskChoice,
    overrides: OverrideChoice = OverrideChoice.KEEP_TIGHTENING,
) -> RollbackPlan:
    """Plan the way back to the safe profile, with the chosen risk settings."""
    after = copy.deepcopy(dict(before.settings.redacted_document))
    policy = _object_member(after, POLICY_MEMBER)
    policy["profile"] = Profile.SAFE.value
    policy["allowDangerous"] = False
    _apply_overrides(policy, before, overrides)
    _apply_risk(after, risk)
    notes = [RISK_CONSEQUENCES[risk]]
    if before.settings.policy.per_extension:
        notes.append(OVERRIDE_CONSEQUENCES[overrides])
    if not before.effective.secret_broker.enabled:
        notes.append("The secret broker is off, and this plan leaves it off.")
    return _make_plan(before, after, VERIFICATION_COMMANDS, notes)


def plan_earlier_snapshot(
    before: SettingsSnapshot, earlier: SettingsSnapshot
) -> RollbackPlan:
    """Plan the way back to an earlier snapshot's policy and risk settings.

    Members beside the two sections stay as they are now.
    """
    after = copy.deepcopy(dict(before.settings.redacted_document))
    for member in (POLICY_MEMBER, RISK_MEMBER):
        if member in earlier.settings.redacted_document:
            after[member] = copy.deepcopy(earlier.settings.redacted_document[member])
        else:
            after.pop(member, None)
    notes = []
    if earlier.settings.faults:
        notes.append(
            "The earlier snapshot has faults; what is faulty there takes its default."
        )
    return _make_plan(before, after, _COMMANDS_TO_EARLIER, notes)


def _make_plan(
    before: SettingsSnapshot,
    after: dict[str, Any],
    commands: tuple[VerificationCommand, ...],
    notes: list[str],
) -> RollbackPlan:
    """Return a plan with the decisions that it is to end in."""
    # The settings file must take effect for the plan to hold: no profile is
    # given beside it.
    target = SettingsSnapshot(interpret_settings(after))
    planned = tuple(
        PlannedDecision(ext, capability, evaluate(target.effective, ext, capability))
        for ext in (None, *sorted(target.effective.per_extension))
        for capability in Capability
    )
    effects = compare_snapshots(before, target)
    return RollbackPlan(
        before=before.settings.redacted_document,
        after=target.settings.redacted_document,
        effects=effects,
        planned=planned,
        target=target,
        commands=commands,
        notes=(*notes, *_loosened_notes(effects), *_general_notes(before, after)),
    )


def _general_notes(before: SettingsSnapshot, after: Mapping[str, Any]) -> list[str]:
    """Return what to mind beside the settings file."""
    notes = []
    if before.cli is not None and before.cli.strip():
        notes.append(
            "The profile comes from the command line, which wins over settings.json: "
            "start the runtime without it."
        )
    if before.env is not None and before.env.strip():
        notes.append(
            "The profile comes from PI_EXTENSION_POLICY, which wins over "
            "settings.json: unset it."
        )
    if PLACEHOLDER in str(after):
        notes.append(
            f"Where the document shows {PLACEHOLDER}, keep what the live file has: "
            "secrets are not stored here."
        )
    return notes


def _object_member(parent: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object member; put an empty one where it is absent or no object."""
    if not isinstance(parent.get(name), dict):
        parent[name] = {}
    member: dict[str, Any] = parent[name]
    return member


def _apply_risk(after: dict[str, Any], choice: RiskChoice) -> None:
    """Write the chosen risk settings into a document."""
    if choice is RiskChoice.UNCHANGED:
        return
    if choice is RiskChoice.DISABLED:
        _object_member(after, RISK_MEMBER)["enabled"] = False
        return
    is_enabled = choice is RiskChoice.SCORING_DEFAULTS
    after[RISK_MEMBER] = DEFAULT_RISK.as_json() | {"enabled": is_enabled}


def _apply_overrides(
    policy: dict[str, Any], before: SettingsSnapshot, choice: OverrideChoice
) -> None:
    """Keep, drop or tighten the overrides of extensions in a document."""
    if choice is OverrideChoice.KEEP or "perExtension" not in policy:
        return
    del policy["perExtension"]
    if choice is OverrideChoice.DROP:
        return
    safe = interpret_settings({POLICY_MEMBER: policy}).policy
    kept = {
        extension: tightening
        for extension in before.settings.policy.per_extension
        if (tightening := _tightening_part(before, resolve_policy(safe), extension))
    }
    if kept:
        policy["perExtension"] = kept


def _tightening_part(
    before: SettingsSnapshot, safe: EffectivePolicy, extension: str
) -> dict[str, Any]:
    """Return the members of an override that only take something away.

    `safe` is the policy to come, without overrides. What it would allow although the
    extension has it denied now, by a strict mode under a profile that names nothing,
    say, is denied by name.
    """
    override = before.settings.policy.per_extension[extension]
    quota_mb = override.quota.max_memory_mb
    part: dict[str, Any] = {}
    if override.mode is Mode.STRICT:
        part["mode"] = Mode.STRICT.value
    held = {
        name
        for name in named_capabilities(before.effective)
        if evaluate(before.effective, extension, name).decision is Verdict.DENY
        and evaluate(safe, None, name).decision is not Verdict.DENY
    }
    if override.deny or held:
        part["deny"] = sorted(override.deny | held)
    if quota_mb is not None and quota_mb < before.effective.max_memory_mb:
        part["quota"] = {"maxMemoryMb": quota_mb}
    return part


_LOOSENESS: Final = (Verdict.DENY, Verdict.PROMPT, Verdict.ALLOW)


def _loosened_notes(effects: SnapshotComparison) -> list[str]:
    """Say of each extension what the plan lets through that was held until now."""
    loosened: dict[tuple[str, Verdict, Verdict], list[str]] = {}
    for effect in effects.decisions:
        was, becomes = effect.before.decision, effect.after.decision
        if _LOOSENESS.index(becomes) > _LOOSENESS.index(was):
            scope = ALL_EXTENSIONS if effect.extension is None else effect.extension
            loosened.setdefault((scope, was, becomes), []).append(effect.capability)
    return [
        f"This plan loosens {scope}: {', '.join(names)} from {was} to {becomes}."
        for (scope, was, becomes), names in loosened.items()
    ]
