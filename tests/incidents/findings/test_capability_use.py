"""INC-1: denied calls that ran, and capabilities that were not what was declared."""

from __future__ import annotations

import pytest

from incidents.findings import FindingSeverity, find_capability_use
from policy.rules.precedence import EffectivePolicy, ExtensionOverride, Mode, Profile
from policy.rules.precedence import ProfileSource as Source
from tests.incidents.findings.bundles import (
    by_key,
    load_vector,
    make_bundle,
    make_entry,
)

SAFE = EffectivePolicy(
    requested_profile="safe",
    effective_profile=Profile.SAFE,
    profile_source=Source.DEFAULT,
    profile_known=True,
    allow_dangerous=False,
    mode=Mode.STRICT,
    default_caps=frozenset({"read", "http"}),
    deny_caps=frozenset({"exec", "env"}),
    per_extension={"pi-weather": ExtensionOverride(deny=frozenset({"http"}))},
)


def make_call(**members: object) -> dict[str, object]:
    call = {
        "extension_id": "node-tools",
        "call_id": "call-1",
        "capability": "exec",
        "method": "exec",
        "required_capability": "exec",
        "outcome": "blocked",
    }
    return {**call, **members}


def test_denied_call_that_was_executed_is_a_bypass() -> None:
    bundle = make_bundle([make_entry(), make_entry(outcome="executed", call_id="c2")])
    found = by_key(find_capability_use(bundle))["denied-call-executed"]
    assert found.severity is FindingSeverity.CRITICAL
    assert found.evidence_refs == ("$.risk_ledger.entries[1]",)
    assert found.count == 1
    assert "node-tools: exec, by exec, call c2 (deny_caps)" in found.detail


@pytest.mark.parametrize("outcome", ["blocked", "failed", "unheard-of"])
def test_denied_call_that_did_not_run_is_no_bypass(outcome: str) -> None:
    found = by_key(find_capability_use(make_bundle([make_entry(outcome=outcome)])))
    assert "denied-call-executed" not in found
    assert found["no-denied-call-executed"].count == 1


def test_allowed_call_that_ran_is_no_bypass() -> None:
    entry = make_entry(policy_decision="allow", outcome="executed")
    found = by_key(find_capability_use(make_bundle([entry])))
    assert found["no-denied-call-executed"].count == 0


def test_vector_has_the_bypasses_that_the_runtime_marked() -> None:
    document, report = load_vector("plain")
    found = by_key(find_capability_use(document, ledger_report=report))
    bypass = found["denied-call-executed"]
    marked = [
        f"$.risk_ledger.entries[{index}]"
        for index, entry in enumerate(document["risk_ledger"]["entries"])
        if "policy_bypass" in entry["triggers"]
    ]
    assert list(bypass.evidence_refs) == marked
    assert bypass.count == 8
    assert found["declared-capability-differs"].count == 4
    assert found["policy-violation-alerts"].count == 27


def test_what_stands_after_the_break_is_called_untrusted() -> None:
    entries = [make_entry(outcome="executed", call_id=f"c{n}") for n in range(3)]
    found = by_key(
        find_capability_use(make_bundle(entries), ledger_report={"trusted_prefix": 2})
    )
    assert "1 of these stands after the break" in found["denied-call-executed"].detail


@pytest.mark.parametrize(
    ("outcome", "severity"),
    [("executed", FindingSeverity.ERROR), ("blocked", FindingSeverity.WARNING)],
)
def test_declared_capability_that_is_not_the_needed_one(
    outcome: str, severity: FindingSeverity
) -> None:
    bundle = make_bundle(
        hostcall_telemetry=[make_call(), make_call(capability="read", outcome=outcome)]
    )
    found = by_key(find_capability_use(bundle))["declared-capability-differs"]
    assert found.severity is severity
    assert found.evidence_refs == ("$.hostcall_telemetry[1]",)
    assert "needs exec" in found.detail


def test_decision_on_the_declared_capability_is_the_bypass_itself() -> None:
    bundle = make_bundle(
        [make_entry(capability="read", policy_decision="allow", outcome="executed")],
        hostcall_telemetry=[make_call(capability="read", outcome="executed")],
    )
    found = by_key(find_capability_use(bundle))["decided-on-declared-capability"]
    assert found.severity is FindingSeverity.CRITICAL
    assert found.evidence_refs == ("$.risk_ledger.entries[0]",)


class TestPolicy:
    def test_decisions_unlike_the_snapshots_are_named(self) -> None:
        bundle = make_bundle(
            [
                make_entry(policy_decision="allow", outcome="executed"),
                make_entry(),
                make_entry(capability="http", policy_decision="allow"),
            ]
        )
        found = by_key(find_capability_use(bundle, policy=SAFE))
        differs = found["ledger-disagrees-with-policy"]
        assert differs.severity is FindingSeverity.ERROR
        assert differs.evidence_refs == ("$.risk_ledger.entries[0]",)
        assert "node-tools: exec recorded allow, snapshot deny" in differs.detail

    def test_stricter_decision_than_the_snapshots_weighs_less(self) -> None:
        bundle = make_bundle([make_entry(capability="http")])
        found = by_key(find_capability_use(bundle, policy=SAFE))
        severity = found["ledger-disagrees-with-policy"].severity
        assert severity is FindingSeverity.WARNING

    def test_agreement_is_not_a_finding(self) -> None:
        found = by_key(find_capability_use(make_bundle([make_entry()]), policy=SAFE))
        assert "ledger-disagrees-with-policy" not in found

    def test_the_layer_that_decides_is_told(self) -> None:
        bundle = make_bundle(
            [make_entry(), make_entry(extension_id="pi-weather", capability="http")]
        )
        detail = by_key(find_capability_use(bundle, policy=SAFE))["policy-path"].detail
        assert (
            "node-tools: exec is in deny_caps, the extension has no override" in detail
        )
        assert "pi-weather: http is not in deny_caps, the extension has over" in detail
        assert "deny by extension_deny" in detail
