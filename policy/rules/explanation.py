"""The output of `pi --explain-extension-policy`, and where it disagrees with us.

Guarantees: read as strictly as a settings file, every fault named by its path.
The comparison looks at each member that could be read and at the decision for
each capability; what could not be read is a fault, never an agreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from policy.rules.capabilities import (
    DANGEROUS_CAPABILITIES,
    Capability,
    normalise_name,
)
from policy.rules.comparison import show_value
from policy.rules.documents import read_object
from policy.rules.errors import Fault
from policy.rules.json_paths import child_path
from policy.rules.members import Findings, ObjectReader
from policy.rules.precedence import (
    EffectivePolicy,
    Mode,
    Profile,
    ProfileSource,
    Verdict,
    evaluate,
    find_profile,
)
from policy.rules.redaction import Redaction, redact_document
from policy.rules.secrets import SecretBrokerPolicy

GUIDANCE_MEMBERS: Final = (
    "profile_presets",
    "profile_aliases",
    "dangerous_capability_opt_in",
    "migration_guardrails",
)
_REQUIRED: Final = (
    "requested_profile",
    "effective_profile",
    "profile_source",
    "allow_dangerous",
    "mode",
    "default_caps",
    "deny_caps",
    "dangerous_capabilities",
    "capability_decisions",
)
ABSENT: Final = "absent"
"""What `theirs` is where the explanation leaves a decision out."""


@dataclass(frozen=True)
class ExplainedDecision:
    """The runtime's own word on one capability, and where it stands."""

    path: str
    capability: str
    decision: Verdict | None
    reason: str | None
    reason_detail: str | None
    remediation: str | None


@dataclass(frozen=True)
class ExplanationDocument:
    """What the runtime explains; None is a member that is absent or faulty."""

    requested_profile: str | None
    effective_profile: str | None
    profile_source: ProfileSource | None
    allow_dangerous: bool | None
    mode: Mode | None
    default_caps: frozenset[str] | None
    deny_caps: frozenset[str] | None
    dangerous_capabilities: tuple[ExplainedDecision, ...]
    capability_decisions: tuple[ExplainedDecision, ...]
    secret_broker_enabled: bool | None
    guidance: Mapping[str, Any]
    unknown: tuple[str, ...]
    faults: tuple[Fault, ...]
    redactions: tuple[Redaction, ...]
    redacted_document: Mapping[str, Any]


@dataclass(frozen=True)
class Disagreement:
    """One point where our reading and the runtime's explanation differ."""

    path: str
    ours: str
    theirs: str
    meaning: str


def parse_explanation(data: bytes) -> ExplanationDocument:
    """Read an explanation from its bytes; raise DocumentError if it is none."""
    return interpret_explanation(read_object(data))


def interpret_explanation(document: Mapping[str, Any]) -> ExplanationDocument:
    """Interpret an explanation that was read already, redacted or not."""
    redacted, redactions = redact_document(document)
    findings = Findings()
    reader = ObjectReader(redacted, "$", findings)
    reader.require(*_REQUIRED)
    members = _read_members(reader)
    guidance = {name: redacted[name] for name in GUIDANCE_MEMBERS if name in redacted}
    reader.skip(*guidance)
    reader.close()
    return ExplanationDocument(
        **members,
        guidance=guidance,
        unknown=tuple(findings.unknown),
        faults=tuple(findings.faults),
        redactions=redactions,
        redacted_document=redacted,
    )


def _read_members(reader: ObjectReader) -> dict[str, Any]:
    """Return the members of an explanation; None for those it lacks."""
    return {
        "requested_profile": reader.read_text("requested_profile"),
        "effective_profile": reader.read_text("effective_profile"),
        "profile_source": reader.read_choice("profile_source", ProfileSource),
        "allow_dangerous": reader.read_flag("allow_dangerous"),
        "mode": reader.read_choice("mode", Mode),
        "default_caps": _read_names(reader, "default_caps"),
        "deny_caps": _read_names(reader, "deny_caps"),
        "dangerous_capabilities": _read_decisions(reader, "dangerous_capabilities"),
        "capability_decisions": _read_decisions(reader, "capability_decisions"),
        "secret_broker_enabled": reader.read_flag("secret_broker_enabled"),
    }


def _read_names(reader: ObjectReader, name: str) -> frozenset[str] | None:
    """Return a list of names in normal form; None where it is missing."""
    names = reader.read_texts(name)
    return None if names is None else frozenset(map(normalise_name, names))


def _read_decisions(reader: ObjectReader, name: str) -> tuple[ExplainedDecision, ...]:
    """Return a list of decisions; a fault for each that is no object."""
    decisions = []
    for index, value in enumerate(reader.read_list(name) or ()):
        path = f"{reader.path_of(name)}[{index}]"
        if isinstance(value, Mapping):
            item = ObjectReader(value, path, reader.findings)
            decisions.append(_read_decision(item))
        else:
            reader.add_wrong_type(path, "an object", value)
    return tuple(decisions)


def _read_decision(reader: ObjectReader) -> ExplainedDecision:
    """Return one decision of the runtime, as far as it can be read."""
    reader.require("capability", "decision", "reason")
    decision = ExplainedDecision(
        path=reader.path,
        capability=normalise_name(reader.read_text("capability") or ""),
        decision=reader.read_choice("decision", Verdict),
        reason=reader.read_text("reason"),
        reason_detail=reader.read_text("reason_detail"),
        remediation=reader.read_text("remediation"),
    )
    reader.close()
    return decision


_MEANINGS: Final = {
    "requested_profile": "The runtime was asked for another profile than the "
    "snapshot gives: its command line, environment or settings file is another.",
    "effective_profile": "The runtime works under another profile.",
    "profile_source": "The profile comes from another place: a change of "
    "settings.json may not be what takes effect.",
    "allow_dangerous": "Dangerous capabilities are opted into on one side only.",
    "mode": "Capabilities that no list names are treated differently.",
    "default_caps": "Another list of capabilities is allowed by default.",
    "deny_caps": "Another list of capabilities is denied to all extensions.",
    "secret_broker_enabled": "The secret broker is on on one side only.",
}


def compare_with_explanation(
    effective: EffectivePolicy, explanation: ExplanationDocument
) -> list[Disagreement]:
    """Return where the runtime's explanation differs from the resolved policy.

    Decisions are those for all extensions: the explanation knows no override.
    """
    return [
        *_compare_members(effective, explanation),
        *_compare_decisions(effective, explanation),
        *_find_missing(explanation),
    ]


# Where the policy came from is no disagreement about what it says.
_ORIGINS: Final = frozenset({"$.requested_profile", "$.profile_source"})


def compare_policies(
    effective: EffectivePolicy, explanation: ExplanationDocument
) -> list[Disagreement]:
    """Return where the runtime decides otherwise than the resolved policy.

    Unlike `compare_with_explanation`, what the explanation leaves out and where the
    profile came from count for nothing.
    """
    found = [
        *_compare_members(effective, explanation),
        *_compare_decisions(effective, explanation),
    ]
    return [point for point in found if point.path not in _ORIGINS]


def policy_of_explanation(explanation: ExplanationDocument) -> EffectivePolicy | None:
    """Return the policy that the runtime explains; None where it does not say enough.

    It has no word on the overrides of single extensions, nor on the broker's lists.
    """
    mode, profile = explanation.mode, explanation.effective_profile
    if mode is None or explanation.default_caps is None:
        return None
    if explanation.deny_caps is None:
        return None
    known = find_profile(profile or "")
    enabled = explanation.secret_broker_enabled
    return EffectivePolicy(
        requested_profile=explanation.requested_profile or profile or "",
        effective_profile=known or Profile.SAFE,
        profile_source=explanation.profile_source or ProfileSource.DEFAULT,
        profile_known=known is not None,
        allow_dangerous=explanation.allow_dangerous or False,
        mode=mode,
        default_caps=explanation.default_caps,
        deny_caps=explanation.deny_caps,
        per_extension={},
        secret_broker=SecretBrokerPolicy(enabled=enabled is not False),
    )


def _compare_members(
    effective: EffectivePolicy, explanation: ExplanationDocument
) -> list[Disagreement]:
    """Return the members in which the runtime says other than these rules."""
    pairs: dict[str, tuple[Any, Any]] = {
        "requested_profile": (
            _profile_name(effective.requested_profile),
            _profile_name(explanation.requested_profile),
        ),
        "effective_profile": (
            effective.effective_profile,
            _profile_name(explanation.effective_profile),
        ),
        "profile_source": (effective.profile_source, explanation.profile_source),
        "allow_dangerous": (effective.allow_dangerous, explanation.allow_dangerous),
        "mode": (effective.mode, explanation.mode),
        "default_caps": (effective.default_caps, explanation.default_caps),
        "deny_caps": (effective.deny_caps, explanation.deny_caps),
        "secret_broker_enabled": (
            effective.secret_broker.enabled,
            explanation.secret_broker_enabled,
        ),
    }
    return [
        Disagreement(
            child_path("$", name), show_value(ours), show_value(theirs), _MEANINGS[name]
        )
        for name, (ours, theirs) in pairs.items()
        if theirs is not None and ours != theirs
    ]


def _compare_decisions(
    effective: EffectivePolicy, explanation: ExplanationDocument
) -> list[Disagreement]:
    """Return the decisions in which the runtime says other than these rules."""
    found = []
    explained = explanation.dangerous_capabilities + explanation.capability_decisions
    for theirs in explained:
        ours = evaluate(effective, None, theirs.capability)
        if theirs.decision is not None and theirs.decision is not ours.decision:
            found.append(
                Disagreement(
                    child_path(theirs.path, "decision"),
                    ours.decision,
                    theirs.decision,
                    f"{theirs.capability}: the runtime decides {theirs.decision} where "
                    f"its stated policy says {ours.decision}.",
                )
            )
        if theirs.reason is not None and theirs.reason != ours.reason:
            found.append(
                Disagreement(
                    child_path(theirs.path, "reason"),
                    ours.reason,
                    theirs.reason,
                    f"{theirs.capability}: another layer decided.",
                )
            )
    return found


def _find_missing(explanation: ExplanationDocument) -> list[Disagreement]:
    """Return the capabilities that an explanation does not decide on."""
    lists = (
        ("capability_decisions", explanation.capability_decisions, tuple(Capability)),
        (
            "dangerous_capabilities",
            explanation.dangerous_capabilities,
            tuple(cap for cap in Capability if cap in DANGEROUS_CAPABILITIES),
        ),
    )
    return [
        Disagreement(
            child_path("$", name),
            capability,
            ABSENT,
            f"{capability}: the runtime explains no decision for this capability.",
        )
        for name, explained, expected in lists
        for capability in expected
        if capability not in {decision.capability for decision in explained}
    ]


def _profile_name(name: str | None) -> str | None:
    """Return a profile's present name for its older one, so that both agree."""
    if name is None:
        return None
    return find_profile(name) or normalise_name(name)
