"""The extension policy, and the precedence chain that decides a capability.

Guarantees: the first layer that speaks decides, and says so. Layers, in order:
the extension's own deny, the global deny list, the extension's own allow, the
default list, the mode. Names of capabilities are compared without case; names
of extensions exactly, as the runtime does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from policy.rules.capabilities import (
    DANGEROUS_CAPABILITIES,
    Capability,
    normalise_name,
)
from policy.rules.secrets import DEFAULT_BROKER, SecretBrokerPolicy

DEFAULT_MAX_MEMORY_MB: Final = 256


class Profile(StrEnum):
    """The presets of the extension policy."""

    SAFE = "safe"
    BALANCED = "balanced"
    PERMISSIVE = "permissive"


class Mode(StrEnum):
    """What happens to a capability that no list names."""

    STRICT = "strict"
    PROMPT = "prompt"
    PERMISSIVE = "permissive"


class ProfileSource(StrEnum):
    """Where the profile was taken from; the first that is set wins."""

    CLI = "cli"
    ENV = "env"
    CONFIG = "config"
    DEFAULT = "default"


class Verdict(StrEnum):
    """The static policy's word on a capability."""

    ALLOW = "allow"
    PROMPT = "prompt"
    DENY = "deny"


class Layer(StrEnum):
    """The layer of the precedence chain that decided."""

    INPUT = "input"
    EXTENSION_DENY = "extension_deny"
    DENY_CAPS = "deny_caps"
    EXTENSION_ALLOW = "extension_allow"
    DEFAULT_CAPS = "default_caps"
    MODE = "mode"


class Reason(StrEnum):
    """The runtime's reason codes, as the ledger's `policy_reason` has them."""

    EMPTY_CAPABILITY = "empty_capability"
    EXTENSION_DENY = "extension_deny"
    DENY_CAPS = "deny_caps"
    EXTENSION_ALLOW = "extension_allow"
    DEFAULT_CAPS = "default_caps"
    PERMISSIVE = "permissive"
    NOT_IN_DEFAULT_CAPS = "not_in_default_caps"
    PROMPT_REQUIRED = "prompt_required"


@dataclass(frozen=True)
class PolicyDecision:
    """What the policy says about one capability, and which layer said it."""

    decision: Verdict
    layer: Layer
    reason: Reason


@dataclass(frozen=True)
class ProfilePreset:
    """What a profile stands for before any override."""

    profile: Profile
    mode: Mode
    default_caps: frozenset[str]
    deny_caps: frozenset[str]
    max_memory_mb: int = DEFAULT_MAX_MEMORY_MB


@dataclass(frozen=True)
class ExtensionQuota:
    """An extension's own quota; None keeps the default."""

    max_memory_mb: int | None = None


def _names(names: Iterable[str]) -> frozenset[str]:
    """Return names in normal form, without empty ones."""
    return frozenset(map(normalise_name, names)) - {""}


@dataclass(frozen=True)
class ExtensionOverride:
    """What one extension's settings change; None and empty change nothing."""

    mode: Mode | None = None
    allow: frozenset[str] = frozenset()
    deny: frozenset[str] = frozenset()
    quota: ExtensionQuota = ExtensionQuota()

    def __post_init__(self) -> None:
        object.__setattr__(self, "allow", _names(self.allow))
        object.__setattr__(self, "deny", _names(self.deny))


_DEFAULT_CAPS: Final = frozenset({"read", "write", "http", "events", "session"})
_DANGEROUS: Final = frozenset(cap.value for cap in DANGEROUS_CAPABILITIES)

PROFILE_PRESETS: Final[Mapping[Profile, ProfilePreset]] = MappingProxyType(
    {
        preset.profile: preset
        for preset in (
            ProfilePreset(Profile.SAFE, Mode.STRICT, _DEFAULT_CAPS, _DANGEROUS),
            ProfilePreset(Profile.BALANCED, Mode.PROMPT, _DEFAULT_CAPS, _DANGEROUS),
            ProfilePreset(
                Profile.PERMISSIVE, Mode.PERMISSIVE, frozenset(), frozenset()
            ),
        )
    }
)
PROFILE_ALIASES: Final[Mapping[str, Profile]] = MappingProxyType(
    {"standard": Profile.BALANCED}
)


@dataclass(frozen=True)
class ExtensionPolicy:
    """The `extensionPolicy` of a settings file, as it stands there.

    `profile` is None where the file names none.
    """

    profile: str | None = None
    allow_dangerous: bool = False
    per_extension: Mapping[str, ExtensionOverride] = field(
        default_factory=lambda: MappingProxyType({})
    )
    secret_broker: SecretBrokerPolicy = DEFAULT_BROKER


@dataclass(frozen=True)
class EffectivePolicy:
    """The policy as the runtime resolves it.

    `profile_known` is False where `requested_profile` is no profile's name, and
    `effective_profile` is `safe` because of that.
    """

    requested_profile: str
    effective_profile: Profile
    profile_source: ProfileSource
    profile_known: bool
    allow_dangerous: bool
    mode: Mode
    default_caps: frozenset[str]
    deny_caps: frozenset[str]
    per_extension: Mapping[str, ExtensionOverride]
    secret_broker: SecretBrokerPolicy = DEFAULT_BROKER
    max_memory_mb: int = DEFAULT_MAX_MEMORY_MB


def find_profile(name: str) -> Profile | None:
    """Return the profile of that name or older name, without case; None if none."""
    wanted = normalise_name(name)
    try:
        return Profile(wanted)
    except ValueError:
        return PROFILE_ALIASES.get(wanted)


def choose_profile_name(
    *, cli: str | None, env: str | None, config: str | None
) -> tuple[str, ProfileSource]:
    """Return the first profile name that is set, and where it came from.

    `env` is the value of `PI_EXTENSION_POLICY`. A blank name counts as not set.
    """
    candidates = (
        (cli, ProfileSource.CLI),
        (env, ProfileSource.ENV),
        (config, ProfileSource.CONFIG),
    )
    for name, source in candidates:
        if name is not None and name.strip():
            return name, source
    return Profile.SAFE.value, ProfileSource.DEFAULT


def resolve_policy(
    policy: ExtensionPolicy, *, cli: str | None = None, env: str | None = None
) -> EffectivePolicy:
    """Resolve a settings file's policy as the runtime would.

    `cli` is the profile of the command line, `env` that of
    `PI_EXTENSION_POLICY`; None where not set.
    """
    requested, source = choose_profile_name(cli=cli, env=env, config=policy.profile)
    known = find_profile(requested)
    preset = PROFILE_PRESETS[known or Profile.SAFE]
    deny_caps = preset.deny_caps - (_DANGEROUS if policy.allow_dangerous else set())
    return EffectivePolicy(
        requested_profile=requested,
        effective_profile=preset.profile,
        profile_source=source,
        profile_known=known is not None,
        allow_dangerous=policy.allow_dangerous,
        mode=preset.mode,
        default_caps=preset.default_caps,
        deny_caps=deny_caps,
        per_extension=policy.per_extension,
        secret_broker=policy.secret_broker,
        max_memory_mb=preset.max_memory_mb,
    )


_NO_OVERRIDE: Final = ExtensionOverride()

_BY_MODE: Final[Mapping[Mode, PolicyDecision]] = MappingProxyType(
    {
        Mode.STRICT: PolicyDecision(
            Verdict.DENY, Layer.MODE, Reason.NOT_IN_DEFAULT_CAPS
        ),
        Mode.PROMPT: PolicyDecision(Verdict.PROMPT, Layer.MODE, Reason.PROMPT_REQUIRED),
        Mode.PERMISSIVE: PolicyDecision(Verdict.ALLOW, Layer.MODE, Reason.PERMISSIVE),
    }
)


def evaluate(
    policy: EffectivePolicy, extension: str | None, capability: str
) -> PolicyDecision:
    """Decide a capability for an extension; None asks for all without an override."""
    wanted = normalise_name(capability)
    if not wanted:
        return PolicyDecision(Verdict.DENY, Layer.INPUT, Reason.EMPTY_CAPABILITY)
    override = _find_override(policy, extension)
    if wanted in override.deny:
        return PolicyDecision(Verdict.DENY, Layer.EXTENSION_DENY, Reason.EXTENSION_DENY)
    if wanted in policy.deny_caps:
        return PolicyDecision(Verdict.DENY, Layer.DENY_CAPS, Reason.DENY_CAPS)
    if wanted in override.allow:
        return PolicyDecision(
            Verdict.ALLOW, Layer.EXTENSION_ALLOW, Reason.EXTENSION_ALLOW
        )
    mode = override.mode or policy.mode
    if wanted in policy.default_caps:
        reason = Reason.PERMISSIVE if mode is Mode.PERMISSIVE else Reason.DEFAULT_CAPS
        return PolicyDecision(Verdict.ALLOW, Layer.DEFAULT_CAPS, reason)
    return _BY_MODE[mode]


def evaluate_all(
    policy: EffectivePolicy, extension: str | None
) -> dict[Capability, PolicyDecision]:
    """Decide every capability for an extension, in the capabilities' own order."""
    return {cap: evaluate(policy, extension, cap) for cap in Capability}


def _find_override(policy: EffectivePolicy, extension: str | None) -> ExtensionOverride:
    """Return an extension's override; an empty one where it has none."""
    if extension is None:
        return _NO_OVERRIDE
    return policy.per_extension.get(extension, _NO_OVERRIDE)
