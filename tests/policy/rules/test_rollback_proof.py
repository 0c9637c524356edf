"""The proof of a rollback: any part that contradicts the plan keeps it unverified."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policy.rules.explanation import interpret_explanation
from policy.rules.rollback_proof import RollbackDeviation, find_deviations
from policy.rules.settings_document import SettingsSnapshot, interpret_settings
from tests.policy.explaining import explain_settings

SAFE = {"extensionPolicy": {"profile": "safe", "allowDangerous": False}}
PERMISSIVE = {"extensionPolicy": {"profile": "permissive", "allowDangerous": True}}
RISK = {"enabled": True, "enforce": True, "alpha": 0.01}
EXPLAINED = explain_settings(SAFE)


def read(document: dict[str, Any]) -> SettingsSnapshot:
    return SettingsSnapshot(interpret_settings(document))


def judge(
    explanation: dict[str, Any] | None = None,
    *,
    target: dict[str, Any] = SAFE,
    found: dict[str, Any] | None = None,
    output: str = "",
) -> list[RollbackDeviation]:
    """Hold a proof against a plan to go back to `target`."""
    return find_deviations(
        read(target),
        read(target if found is None else found),
        explanation=interpret_explanation(explanation) if explanation else None,
        output=output,
    )


def test_settings_and_explanation_as_planned_prove_it() -> None:
    assert judge() == []
    assert judge(EXPLAINED, output=json.dumps(EXPLAINED, indent=2)) == []


def test_an_explanation_of_permissive_wins_over_a_safe_file() -> None:
    deviations = judge(explain_settings(PERMISSIVE))
    assert len(deviations) > 20
    profile = next(
        deviation
        for deviation in deviations
        if "effective_profile" in deviation.subject
    )
    assert (profile.planned, profile.actual) == ("safe", "permissive")
    assert "the runtime's explanation" in profile.subject.lower()


def denied(name: str) -> dict[str, str]:
    return {"capability": name, "decision": "deny", "reason": "deny_caps"}


CONTRADICTIONS = {
    "profile": {"effective_profile": "balanced"},
    "requested": {"requested_profile": "permissive"},
    "source": {"profile_source": "cli"},
    "dangerous": {"allow_dangerous": True},
    "mode": {"mode": "prompt"},
    "defaults": {"default_caps": ["read"]},
    "denied": {"deny_caps": ["exec"]},
    "broker": {"secret_broker_enabled": False},
    "decision": {
        "capability_decisions": [
            decision
            if decision["capability"] != "exec"
            else decision | {"decision": "allow", "reason": "permissive"}
            for decision in EXPLAINED["capability_decisions"]
        ]
    },
    "no decisions": {"capability_decisions": []},
    "dangerous left out": {"dangerous_capabilities": [denied("exec")]},
    "unreadable": {"mode": "nonsense"},
    "wrong type": {"deny_caps": "exec"},
}


@pytest.mark.parametrize("changes", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_one_point_of_the_explanation_is_enough(changes: dict[str, Any]) -> None:
    deviations = judge(EXPLAINED | changes)
    assert deviations
    assert all(
        "the runtime's explanation" in deviation.subject for deviation in deviations
    )


@pytest.mark.parametrize("missing", ["mode", "deny_caps", "capability_decisions"])
def test_an_explanation_that_leaves_something_out_proves_nothing(missing: str) -> None:
    part = {name: value for name, value in EXPLAINED.items() if name != missing}
    assert judge(part)


@pytest.mark.parametrize(
    "section",
    [
        {"extensionRisk": RISK | {"enabled": False}},
        {"extension_risk": RISK | {"fail_closed": False}},
        {"risk": {"enforce": 1}},
    ],
)
def test_a_risk_section_of_the_explanation_is_held_against_the_plan(
    section: dict[str, Any],
) -> None:
    target = SAFE | {"extensionRisk": RISK}
    assert len(judge(EXPLAINED | section, target=target)) == 1
    same = EXPLAINED | {"extension_risk": RISK | {"fail_closed": True}}
    assert judge(same, target=target) == []


@pytest.mark.parametrize(
    "broker",
    [
        {"enabled": False},
        {"enabled": True, "disclosureAllowlist": ["GITHUB_TOKEN"]},
    ],
)
def test_another_secret_broker_is_a_deviation(broker: dict[str, Any]) -> None:
    loose = {"extensionPolicy": SAFE["extensionPolicy"] | {"secretBroker": broker}}
    subjects = [deviation.subject for deviation in judge(found=loose)]
    assert len(subjects) == 1
    assert subjects[0].startswith("$.extensionPolicy.secretBroker")


@pytest.mark.parametrize(
    "output",
    [
        json.dumps(explain_settings(PERMISSIVE)),
        "$ pi --explain-extension-policy\n"
        + json.dumps(explain_settings(PERMISSIVE), indent=2)
        + "\ntest result: ok. 12 passed",
        "effective_profile: permissive",
        "  effective_profile = 'Permissive'",
        'Policy:\n  "mode": "permissive",',
        "allow_dangerous: true",
        "secret_broker_enabled: false",
        "test result: FAILED. 11 passed; 1 failed",
    ],
)
def test_an_output_that_contradicts_the_plan_is_a_deviation(output: str) -> None:
    assert judge(EXPLAINED, output=output)


@pytest.mark.parametrize(
    "output",
    [
        "effective_profile: safe\ntest result: ok",
        "effective_profile: SAFE",
        json.dumps({"effective_profile": "safe", "mode": "strict"}),
        json.dumps({"mode": "permissive", "test": "of something else"}),
        "everything is fine { not: json",
        "{" * 50_000,
        '{"a":' * 20_000,
        "",
    ],
)
def test_an_output_without_a_contradiction_is_none(output: str) -> None:
    assert judge(EXPLAINED, output=output) == []
