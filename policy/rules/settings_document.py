"""Reading `settings.json`: the extension policy and the risk controller in it.

Guarantees: secrets are removed before anything else looks at the document, so
neither a fault, a path nor the stored document repeats one. Every fault is
named by its JSON path; a faulty member counts as absent. Members outside
`extensionPolicy` and `extensionRisk` are kept, and not judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from policy.rules.capabilities import find_capability
from policy.rules.documents import read_object
from policy.rules.errors import Fault
from policy.rules.members import Findings, ObjectReader
from policy.rules.precedence import (
    EffectivePolicy,
    ExtensionOverride,
    ExtensionPolicy,
    ExtensionQuota,
    Mode,
    find_profile,
    resolve_policy,
)
from policy.rules.redaction import Redaction, redact_document
from policy.rules.risk import DEFAULT_RISK, RiskSettings
from policy.rules.secrets import DEFAULT_BROKER, SecretBrokerPolicy

POLICY_MEMBER = "extensionPolicy"
RISK_MEMBER = "extensionRisk"


@dataclass(frozen=True)
class SettingsDocument:
    """What a settings file says, and what is to be said about it.

    `unknown` are the paths of members inside the two sections that the facts do
    not name; `other_members` the names beside the sections. `redacted_document`
    is the whole file without its secrets: the form to store.
    """

    policy: ExtensionPolicy
    risk: RiskSettings
    unknown: tuple[str, ...]
    faults: tuple[Fault, ...]
    redactions: tuple[Redaction, ...]
    redacted_document: Mapping[str, Any]
    other_members: tuple[str, ...] = ()


@dataclass(frozen=True)
class SettingsSnapshot:
    """A settings file, and the profile names given outside it at that moment.

    `cli` is the profile of the command line, `env` that of
    `PI_EXTENSION_POLICY`; None where not set or not known.
    """

    settings: SettingsDocument
    cli: str | None = None
    env: str | None = None

    @property
    def effective(self) -> EffectivePolicy:
        """The policy as the runtime resolves it."""
        return resolve_policy(self.settings.policy, cli=self.cli, env=self.env)


def parse_settings(data: bytes) -> SettingsDocument:
    """Read a settings file from its bytes; raise DocumentError if it is none."""
    return interpret_settings(read_object(data))


def interpret_settings(document: Mapping[str, Any]) -> SettingsDocument:
    """Interpret a settings document that was read already, redacted or not."""
    redacted, redactions = redact_document(document)
    findings = Findings()
    reader = ObjectReader(redacted, "$", findings)
    policy = _read_policy(reader.read_object(POLICY_MEMBER))
    risk = _read_risk(reader.read_object(RISK_MEMBER))
    return SettingsDocument(
        policy=policy,
        risk=risk,
        unknown=tuple(findings.unknown),
        faults=tuple(findings.faults),
        redactions=redactions,
        redacted_document=redacted,
        other_members=tuple(
            name for name in redacted if name not in (POLICY_MEMBER, RISK_MEMBER)
        ),
    )


def _read_policy(reader: ObjectReader) -> ExtensionPolicy:
    """Return the policy; a fault for a profile that the runtime does not know."""
    profile = reader.read_text("profile")
    if profile is not None and find_profile(profile) is None:
        reader.findings.add_fault(
            reader.path_of("profile"),
            "unknown_profile",
            "Expected safe, balanced (or standard) or permissive; the runtime falls "
            "back to safe.",
        )
    policy = ExtensionPolicy(
        profile=profile,
        allow_dangerous=reader.read_flag("allowDangerous") or False,
        per_extension=_read_overrides(reader.read_object("perExtension")),
        secret_broker=_read_broker(reader.read_object("secretBroker")),
    )
    reader.close()
    return policy


def _read_overrides(reader: ObjectReader) -> Mapping[str, ExtensionOverride]:
    """Return the overrides by extension."""
    overrides = {
        extension: _read_override(reader.read_object(extension))
        for extension in reader.members
    }
    return MappingProxyType(overrides)


def _read_override(reader: ObjectReader) -> ExtensionOverride:
    """Return what one extension is allowed and denied beside the profile."""
    override = ExtensionOverride(
        mode=reader.read_choice("mode", Mode),
        allow=_read_capabilities(reader, "allow"),
        deny=_read_capabilities(reader, "deny"),
        quota=_read_quota(reader.read_object("quota")),
    )
    reader.close()
    return override


def _read_capabilities(reader: ObjectReader, name: str) -> frozenset[str]:
    """Read a list of capabilities; a name that is none is a fault, and is kept."""
    names = reader.read_texts(name)
    if names is None:
        return frozenset()
    for index, value in enumerate(reader.members[name]):
        if isinstance(value, str) and find_capability(value) is None:
            reader.findings.add_fault(
                f"{reader.path_of(name)}[{index}]",
                "unknown_capability",
                "Expected the name of a capability; no hostcall needs one of this "
                "name, so it changes nothing.",
            )
    return frozenset(names)


def _read_quota(reader: ObjectReader) -> ExtensionQuota:
    """Return an extension's quota, in MB."""
    quota = ExtensionQuota(max_memory_mb=reader.read_count("maxMemoryMb"))
    reader.close()
    return quota


def _read_broker(reader: ObjectReader) -> SecretBrokerPolicy:
    """Return the secret broker's settings, defaults for those not given."""
    enabled = reader.read_flag("enabled")
    broker = SecretBrokerPolicy(
        enabled=DEFAULT_BROKER.enabled if enabled is None else enabled,
        exact_names=_read_names(reader, "secretExact", DEFAULT_BROKER.exact_names),
        suffixes=_read_names(reader, "secretSuffixes", DEFAULT_BROKER.suffixes),
        prefixes=_read_names(reader, "secretPrefixes", DEFAULT_BROKER.prefixes),
        disclosure_allowlist=_read_names(reader, "disclosureAllowlist", frozenset()),
    )
    reader.close()
    return broker


def _read_names(
    reader: ObjectReader, name: str, default: frozenset[str]
) -> frozenset[str]:
    """Return a set of names, or the default where it is missing."""
    names = reader.read_texts(name)
    return default if names is None else frozenset(names)


def _read_risk(reader: ObjectReader) -> RiskSettings:
    """Return the risk settings, defaults for those not given."""
    members = {
        "enabled": reader.read_flag("enabled"),
        "enforce": reader.read_flag("enforce"),
        "alpha": reader.read_share("alpha"),
        "window_size": reader.read_count("windowSize"),
        "fail_closed": reader.read_flag("failClosed"),
    }
    reader.close()
    given = {name: value for name, value in members.items() if value is not None}
    return replace(DEFAULT_RISK, **given)  # type: ignore[arg-type]
