"""What the runtime prints for `pi --explain-extension-policy`, made for a policy."""

from __future__ import annotations

from typing import Any

from policy.rules.precedence import EffectivePolicy, evaluate
from policy.rules.settings_document import SettingsSnapshot, interpret_settings

CAPABILITIES = ["read", "write", "http", "events", "session"]
CAPABILITIES += ["ui", "exec", "env", "tool", "log"]


def make_explanation(policy: EffectivePolicy, **changes: Any) -> dict[str, Any]:
    """Write what the runtime would print for a policy."""

    def explain(name: str) -> dict[str, str]:
        decided = evaluate(policy, None, name)
        return {
            "capability": name,
            "decision": decided.decision.value,
            "reason": decided.reason.value,
            "reason_detail": "because",
            "remediation": "ask",
        }

    return {
        "requested_profile": policy.requested_profile,
        "effective_profile": policy.effective_profile.value,
        "profile_source": policy.profile_source.value,
        "allow_dangerous": policy.allow_dangerous,
        "mode": policy.mode.value,
        "default_caps": sorted(policy.default_caps),
        "deny_caps": sorted(policy.deny_caps),
        "dangerous_capabilities": [explain("exec"), explain("env")],
        "capability_decisions": [explain(name) for name in CAPABILITIES],
        "profile_presets": {"safe": {}},
        "profile_aliases": {"standard": "balanced"},
        "dangerous_capability_opt_in": {"how": "allowDangerous"},
        "migration_guardrails": {},
    } | changes


def explain_settings(settings: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Write what the runtime would print under these settings."""
    policy = SettingsSnapshot(interpret_settings(settings)).effective
    return make_explanation(policy, **changes)
