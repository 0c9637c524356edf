"""INC-1: denied and executed, the capability a call needs, and the policy in force."""

from __future__ import annotations

from typing import Any

import pytest

from tests.incidents.findings.bundles import (
    CLEAR,
    FOUND,
    SAFE,
    UNKNOWN,
    ask,
    calls,
    corrupted,
    entry,
    make_bundle,
    redacted,
    telemetry,
    verdicts,
    without,
)

DENIED = {
    "capability": "exec",
    "method": "exec",
    "policy_decision": "deny",
    "policy_reason": "deny_caps",
    "selected_action": "deny",
}
MAIN, NEEDED, AGAINST = (
    "denied-and-executed",
    "capability-as-needed",
    "executed-against-policy",
)


def with_call(number: int = 3, **members: Any) -> dict[str, Any]:
    entries = [entry(n) for n in range(1, 7)]
    entries[number - 1] = entry(number, **members)
    return make_bundle(entries)


@pytest.mark.parametrize(
    ("members", "layer"),
    [
        (DENIED, "static policy (deny_caps)"),
        ({**DENIED, "policy_reason": "extension_deny"}, "extension_deny"),
        ({"selected_action": "deny"}, "risk controller (deny, score 0.1)"),
        ({"selected_action": "terminate", "risk_score": 0.97}, "score 0.97"),
    ],
)
def test_a_denied_call_that_was_executed_is_found_with_its_layer(
    members: dict[str, Any], layer: str
) -> None:
    answers = ask("INC-1", with_call(**members), settings=SAFE)
    found = answers[MAIN]
    assert found.verdict is FOUND
    assert calls(found) == {"call-3"}
    assert layer in found.sentence
    assert "ext" in found.sentence


@pytest.mark.parametrize(
    "members",
    [
        {**DENIED, "outcome": "blocked"},
        {**DENIED, "outcome": "failed"},
        {"selected_action": "terminate", "outcome": "blocked"},
        {"selected_action": "harden"},
        {"policy_decision": "prompt", "policy_reason": "prompt_required"},
        {},
    ],
)
def test_what_was_blocked_or_never_denied_is_clear(members: dict[str, Any]) -> None:
    answers = ask("INC-1", with_call(**members), settings=SAFE)
    assert set(verdicts(answers).values()) == {CLEAR}


def test_an_alert_by_itself_is_not_found() -> None:
    alert = {
        "ts_ms": 1,
        "alert_id": "a",
        "extension_id": "ext",
        "category": "policy_violation",
        "severity": "critical",
        "call_id": "call-3",
    }
    answers = ask("INC-1", make_bundle(security_alerts=[alert]), settings=SAFE)
    assert set(verdicts(answers).values()) == {CLEAR}


def mediated(decision: str, outcome: str, *, call: str = "call-3") -> dict[str, Any]:
    entries = [entry(n) for n in range(1, 7)]
    entries[2] = entry(3, capability="exec", method="exec", outcome=outcome)
    record = {
        "ts_ms": entries[2]["ts_ms"],
        "extension_id": "ext",
        "call_id": call,
        "command_hash": "c" * 64,
        "command_class": "pipe_to_shell",
        "risk_tier": "high",
        "decision": decision,
        "reason": "dangerous_class",
    }
    return make_bundle(entries, exec_mediation=[record])


@pytest.mark.parametrize(
    ("decision", "outcome", "verdict"),
    [
        ("deny", "executed", FOUND),
        ("deny", "blocked", CLEAR),
        ("allow", "executed", CLEAR),
    ],
)
def test_exec_mediation_is_a_layer_of_its_own(
    decision: str, outcome: str, verdict: object
) -> None:
    settings = {"extensionPolicy": {"profile": "permissive"}}
    found = ask("INC-1", mediated(decision, outcome), settings=settings)[MAIN]
    assert found.verdict is verdict
    if verdict is FOUND:
        assert calls(found, "exec_mediation") == {"call-3"}
        assert "exec mediation (dangerous_class, pipe_to_shell)" in found.sentence


def test_a_denied_command_whose_call_is_nowhere_is_unknown() -> None:
    bundle = mediated("deny", "executed", call="call-gone")
    found = ask("INC-1", bundle)[MAIN]
    assert found.verdict is UNKNOWN
    assert "call-gone" in found.sentence


def test_telemetry_that_says_executed_outweighs_a_ledger_that_says_blocked() -> None:
    call = entry(1, **DENIED, outcome="blocked")
    bundle = make_bundle(
        [call], hostcall_telemetry=[telemetry(call, outcome="executed")]
    )
    assert ask("INC-1", bundle)[MAIN].verdict is FOUND


@pytest.mark.parametrize("section", ["risk_ledger", "hostcall_telemetry"])
def test_a_missing_section_makes_what_needs_it_unknown(section: str) -> None:
    answers = ask("INC-1", without(make_bundle(), section), settings=SAFE)
    expected = UNKNOWN if section == "risk_ledger" else CLEAR
    assert answers[MAIN].verdict is expected
    assert answers[NEEDED].verdict is UNKNOWN


def test_entries_after_the_break_are_neither_found_nor_cleared() -> None:
    entries = [entry(n) for n in range(1, 9)]
    entries[1] = entry(2, **DENIED)
    entries[6] = entry(7, **DENIED)
    answers = ask("INC-1", corrupted(make_bundle(entries), 4), settings=SAFE)
    found = answers[MAIN]
    assert found.verdict is FOUND
    assert calls(found) == {"call-2"}
    assert "trusted prefix of 4 entries" in found.sentence
    assert answers[AGAINST].verdict is UNKNOWN
    clean = corrupted(make_bundle([entry(n) for n in range(1, 9)]), 4)
    assert ask("INC-1", clean, settings=SAFE)[MAIN].verdict is UNKNOWN


@pytest.mark.parametrize(
    "flags", [(), ("redact_params_hash",), ("redact_command_hash",)], ids=str
)
def test_redaction_changes_no_answer(flags: tuple[str, ...]) -> None:
    for bundle in (with_call(**DENIED), with_call(), mediated("deny", "executed")):
        plain = ask("INC-1", bundle, settings=SAFE)
        hidden = ask("INC-1", redacted(bundle, *flags), settings=SAFE)
        assert verdicts(plain) == verdicts(hidden)
        assert [calls(one) for one in plain.values()] == [
            calls(one) for one in hidden.values()
        ]


@pytest.mark.parametrize(
    ("ledger", "seen", "why"),
    [
        ({"method": "exec", "capability": "read"}, {}, "needs exec, the ledger says"),
        (
            {"method": "tool", "capability": "tool"},
            {"required_capability": "exec"},
            "needs exec, the ledger says tool",
        ),
        (
            {"method": "exec", "capability": "exec"},
            {"capability": "log"},
            "needs exec, the caller says log",
        ),
        (
            {"method": "http", "capability": "http"},
            {"required_capability": "read"},
            "the telemetry says read",
        ),
        ({"method": "teleport", "capability": "read"}, {}, "teleport"),
    ],
)
def test_a_capability_that_the_call_does_not_need_is_found(
    ledger: dict[str, Any], seen: dict[str, Any], why: str
) -> None:
    call = entry(1, **ledger)
    bundle = make_bundle([call], hostcall_telemetry=[telemetry(call, **seen)])
    found = ask("INC-1", bundle)[NEEDED]
    assert found.verdict is FOUND
    assert calls(found, "risk_ledger") == {"call-1"}
    assert why in found.sentence
    blocked = {**call, "outcome": "blocked"}
    seen_blocked = telemetry(blocked, **seen)
    bundle = make_bundle([blocked], hostcall_telemetry=[seen_blocked])
    assert ask("INC-1", bundle)[NEEDED].verdict is CLEAR


def test_names_of_capabilities_are_compared_without_case() -> None:
    call = entry(1, capability="Exec", method="EXEC")
    seen = telemetry(call, required_capability="exec", capability=" exec ")
    bundle = make_bundle([call], hostcall_telemetry=[seen])
    assert ask("INC-1", bundle)[NEEDED].verdict is CLEAR


def override(*, dangerous: bool = False, **members: Any) -> dict[str, Any]:
    policy = {"profile": "safe", "allowDangerous": dangerous}
    return {"extensionPolicy": {**policy, "perExtension": {"ext": members}}}


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (SAFE, FOUND),
        ({"extensionPolicy": {"profile": "permissive"}}, CLEAR),
        (override(allow=["exec"]), FOUND),  # deny_caps speaks before it
        (
            override(allow=["exec"], dangerous=True),
            CLEAR,
        ),
        ({"extensionPolicy": {"profile": "balanced", "allowDangerous": True}}, CLEAR),
        (None, UNKNOWN),
    ],
)
def test_what_the_policy_in_force_denies_is_found_where_it_was_let_through(
    given: dict[str, Any] | None, verdict: object
) -> None:
    bundle = with_call(capability="exec", method="exec")
    answers = ask("INC-1", bundle, settings=given)
    assert answers[AGAINST].verdict is verdict


def test_an_override_of_the_extension_denies_too() -> None:
    bundle = with_call(capability="write", method="fs")
    assert ask("INC-1", bundle, settings=SAFE)[AGAINST].verdict is CLEAR
    answers = ask("INC-1", bundle, settings=override(deny=["write"]))
    found = answers[AGAINST]
    assert found.verdict is FOUND
    assert "extension_deny" in found.sentence
    assert calls(found) == {"call-3"}


EXPLAINED = {
    "requested_profile": "safe",
    "effective_profile": "safe",
    "profile_source": "config",
    "allow_dangerous": False,
    "mode": "strict",
    "default_caps": ["read", "write", "http", "events", "session"],
    "deny_caps": ["exec", "env"],
    "dangerous_capabilities": [],
    "capability_decisions": [],
}


def test_the_explanation_alone_is_a_policy_without_overrides() -> None:
    bundle = with_call(capability="exec", method="exec")
    answers = ask("INC-1", bundle, explanation=EXPLAINED)
    assert answers[AGAINST].verdict is FOUND
    own = with_call(capability="exec", method="exec", policy_reason="extension_allow")
    assert ask("INC-1", own, explanation=EXPLAINED)[AGAINST].verdict is CLEAR


def test_a_runtime_under_another_policy_than_its_settings_is_found() -> None:
    answers = ask("INC-1", make_bundle(), settings=SAFE, explanation=EXPLAINED)
    assert answers["policy-in-force"].verdict is CLEAR
    other = {**EXPLAINED, "mode": "permissive", "deny_caps": []}
    answers = ask("INC-1", make_bundle(), settings=SAFE, explanation=other)
    found = answers["policy-in-force"]
    assert found.verdict is FOUND
    assert "mode is permissive there, strict here" in found.sentence


def test_the_profile_of_the_command_line_is_the_one_in_force() -> None:
    cli = {
        **EXPLAINED,
        "requested_profile": "permissive",
        "effective_profile": "permissive",
        "profile_source": "cli",
        "mode": "permissive",
        "default_caps": [],
        "deny_caps": [],
    }
    bundle = with_call(capability="exec", method="exec", policy_reason="permissive")
    answers = ask("INC-1", bundle, settings=SAFE, explanation=cli)
    assert answers[AGAINST].verdict is CLEAR
    assert answers["policy-in-force"].verdict is CLEAR


def test_the_same_call_in_two_bundles_counts_once() -> None:
    bundle = with_call(**DENIED)
    found = ask("INC-1", bundle, bundle, settings=SAFE)[MAIN]
    assert found.sentence.startswith("1 denied call executed")
    assert {pointer.item for pointer in found.pointers} == {
        "bundle-1.json",
        "bundle-2.json",
    }
