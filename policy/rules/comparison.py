"""Two settings snapshots side by side: what changed, and what that does.

Guarantees: the patch is RFC 6902, from one redacted document to the other; the
effects are those on decisions, for all extensions and for each with an override
on either side, and on the settings that no capability shows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jsonpatch

from policy.rules.capabilities import Capability
from policy.rules.json_paths import child_path
from policy.rules.precedence import EffectivePolicy, PolicyDecision, Verdict, evaluate
from policy.rules.quotas import effective_max_memory_mb
from policy.rules.risk import RiskSettings
from policy.rules.settings_document import SettingsSnapshot

ALL_EXTENSIONS: Final = "all extensions"
_OVERRIDES: Final = "$.extensionPolicy.perExtension"


@dataclass(frozen=True)
class DecisionEffect:
    """A capability decided otherwise, for one extension or (None) for all."""

    extension: str | None
    capability: str
    before: PolicyDecision
    after: PolicyDecision


@dataclass(frozen=True)
class EffectGroup:
    """The same change for several extensions, as one sentence says it.

    `for_all` is True where it holds for every extension but those of `except_for`;
    else it holds for those of `extensions` only.
    """

    capability: str
    before: Verdict
    after: Verdict
    for_all: bool
    extensions: tuple[str, ...]
    except_for: tuple[str, ...]

    @property
    def text(self) -> str:
        """The change as a line: "exec: deny → allow for all extensions"."""
        if not self.for_all:
            scope = ", ".join(self.extensions)
        elif self.except_for:
            scope = f"{ALL_EXTENSIONS} except {', '.join(self.except_for)}"
        else:
            scope = ALL_EXTENSIONS
        return f"{self.capability}: {self.before} → {self.after} for {scope}"


@dataclass(frozen=True)
class SettingEffect:
    """A change that no single decision shows. `path` is that of the setting."""

    path: str
    before: str
    after: str
    meaning: str


@dataclass(frozen=True)
class SnapshotComparison:
    """Everything between two snapshots.

    `patch` holds RFC 6902 operations. `decisions` has every changed decision or
    reason; `groups` those whose word changed, for reading.
    """

    patch: tuple[Mapping[str, Any], ...]
    decisions: tuple[DecisionEffect, ...]
    groups: tuple[EffectGroup, ...]
    settings: tuple[SettingEffect, ...]


def compare_snapshots(
    before: SettingsSnapshot, after: SettingsSnapshot
) -> SnapshotComparison:
    """Compare two snapshots, with the effect of the change on decisions."""
    decisions = compare_decisions(before.effective, after.effective)
    return SnapshotComparison(
        patch=make_patch(
            before.settings.redacted_document, after.settings.redacted_document
        ),
        decisions=decisions,
        groups=group_effects(decisions, named_extensions(before, after)),
        settings=tuple(_compare_settings(before, after)),
    )


def make_patch(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[Mapping[str, Any], ...]:
    """Return the RFC 6902 operations that lead from one document to the other."""
    return tuple(jsonpatch.make_patch(before, after).patch)


def named_extensions(*snapshots: SettingsSnapshot) -> tuple[str, ...]:
    """Return the extensions that have an override in any of the snapshots."""
    return tuple(
        sorted({name for s in snapshots for name in s.effective.per_extension})
    )


def named_capabilities(*policies: EffectivePolicy) -> tuple[str, ...]:
    """Return all capabilities, then other names that an override spells."""
    known = [capability.value for capability in Capability]
    spelled = {
        name
        for policy in policies
        for override in policy.per_extension.values()
        for name in override.allow | override.deny
    }
    return (*known, *sorted(spelled - set(known)))


def compare_decisions(
    before: EffectivePolicy, after: EffectivePolicy
) -> tuple[DecisionEffect, ...]:
    """Return every changed decision or reason, all extensions first."""
    extensions = sorted(before.per_extension.keys() | after.per_extension.keys())
    effects = (
        DecisionEffect(
            extension,
            capability,
            evaluate(before, extension, capability),
            evaluate(after, extension, capability),
        )
        for extension in (None, *extensions)
        for capability in named_capabilities(before, after)
    )
    return tuple(effect for effect in effects if effect.before != effect.after)


def group_effects(
    effects: Iterable[DecisionEffect], extensions: Iterable[str]
) -> tuple[EffectGroup, ...]:
    """Group the effects that change a decision by capability and change.

    `extensions` are those with an override: they are named where they differ
    from the rest.
    """
    changes: dict[str | None, dict[str, tuple[Verdict, Verdict]]] = defaultdict(dict)
    for effect in effects:
        if effect.before.decision is not effect.after.decision:
            change = (effect.before.decision, effect.after.decision)
            changes[effect.extension][effect.capability] = change
    named = tuple(sorted(extensions))
    groups = []
    for capability in sorted({name for change in changes.values() for name in change}):
        general = changes[None].get(capability)
        own = {name: changes[name].get(capability) for name in named}
        groups += _group_capability(capability, general, own)
    return tuple(groups)


def _group_capability(
    capability: str,
    general: tuple[Verdict, Verdict] | None,
    own: Mapping[str, tuple[Verdict, Verdict] | None],
) -> list[EffectGroup]:
    """Return who gets the same change of one capability, the general case first."""
    groups = []
    if general is not None:
        others = tuple(name for name, change in own.items() if change != general)
        groups.append(EffectGroup(capability, *general, True, (), others))
    for change in sorted({c for c in own.values() if c not in (None, general)}):
        names = tuple(name for name, theirs in own.items() if theirs == change)
        groups.append(EffectGroup(capability, *change, False, names, ()))
    return groups


def _compare_settings(
    before: SettingsSnapshot, after: SettingsSnapshot
) -> list[SettingEffect]:
    """Return what differs of risk, quotas and the secret broker."""
    return [
        *compare_risk(before.settings.risk, after.settings.risk),
        *_compare_quotas(before, after),
        *compare_brokers(before.effective, after.effective),
    ]


_RISK_MEANINGS: Final = {
    "enabled": "Off, no hostcall is scored; ledger entries that exist are preserved.",
    "enforce": "Off, scores are recorded and not acted on.",
    "alpha": "The error rate that the controller accepts.",
    "windowSize": "How many recent calls the controller looks at.",
    "failClosed": "Off, a call that cannot be scored is let through.",
}


def compare_risk(before: RiskSettings, after: RiskSettings) -> list[SettingEffect]:
    """Return the members of the risk controller's settings that differ."""
    old, new = before.as_json(), after.as_json()
    return [
        _effect(f"$.extensionRisk.{name}", old[name], new[name], meaning)
        for name, meaning in _RISK_MEANINGS.items()
        if old[name] != new[name]
    ]


def _compare_quotas(
    before: SettingsSnapshot, after: SettingsSnapshot
) -> list[SettingEffect]:
    """Return the extensions whose memory quota differs, in MB."""
    effects = []
    for extension in named_extensions(before, after):
        old = effective_max_memory_mb(before.effective, extension)
        new = effective_max_memory_mb(after.effective, extension)
        if old != new:
            word = "tightened" if new < old else "raised"
            effects.append(
                _effect(
                    f"{child_path(_OVERRIDES, extension)}.quota.maxMemoryMb",
                    old,
                    new,
                    f"The memory quota in force for {extension} is {word}.",
                )
            )
    return effects


def compare_brokers(
    before: EffectivePolicy, after: EffectivePolicy
) -> list[SettingEffect]:
    """Return what differs of the secret broker, with what each means."""
    old, new = before.secret_broker, after.secret_broker
    base = "$.extensionPolicy.secretBroker"
    pairs = (
        (
            "enabled",
            old.enabled,
            new.enabled,
            "Off, no variable is withheld from an extension.",
        ),
        (
            "disclosureAllowlist",
            old.disclosure_allowlist,
            new.disclosure_allowlist,
            "These variables are passed through on purpose.",
        ),
        (
            "secretExact",
            old.exact_names,
            new.exact_names,
            "These names are withheld.",
        ),
        (
            "secretSuffixes",
            old.suffixes,
            new.suffixes,
            "Names with these endings are withheld.",
        ),
        (
            "secretPrefixes",
            old.prefixes,
            new.prefixes,
            "Names with these beginnings are withheld.",
        ),
    )
    return [
        _effect(f"{base}.{name}", was, becomes, meaning)
        for name, was, becomes, meaning in pairs
        if was != becomes
    ]


def _effect(path: str, before: Any, after: Any, meaning: str) -> SettingEffect:
    """Return a setting's change, both values as text."""
    return SettingEffect(path, show_value(before), show_value(after), meaning)


def show_value(value: Any) -> str:
    """Return a setting's value as text: names in order, flags as JSON has them."""
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
