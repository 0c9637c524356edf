"""Rollback plans: what they change, what they cost, and their proof."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.rules.comparison import named_capabilities
from policy.rules.precedence import Verdict, evaluate
from policy.rules.rollback import (
    OverrideChoice,
    RiskChoice,
    plan_earlier_snapshot,
    plan_safe_defaults,
)
from policy.rules.rollback_proof import find_deviations
from policy.rules.settings_document import (
    SettingsSnapshot,
    interpret_settings,
    parse_settings,
)


def snapshot(document, **given):
    return SettingsSnapshot(parse_settings(json.dumps(document).encode()), **given)


PROBLEMATIC = {"extensionPolicy": {"profile": "permissive", "allowDangerous": True}}
RUNBOOK_AFTER = {"extensionPolicy": {"profile": "safe", "allowDangerous": False}}
RUNBOOK_RISK = {
    "enabled": False,
    "enforce": True,
    "alpha": 0.01,
    "windowSize": 128,
    "failClosed": True,
}


def test_runbooks_example_rolls_back_to_the_runbooks_document():
    plan = plan_safe_defaults(snapshot(PROBLEMATIC), risk=RiskChoice.UNCHANGED)
    assert plan.before == PROBLEMATIC
    assert plan.after == RUNBOOK_AFTER


@pytest.mark.parametrize(
    ("choice", "risk"),
    [
        ("runbook_document", RUNBOOK_RISK),
        ("scoring_defaults", RUNBOOK_RISK | {"enabled": True}),
        ("disabled", {"alpha": 0.2, "enforce": False, "enabled": False}),
        ("unchanged", {"alpha": 0.2, "enforce": False}),
    ],
)
def test_each_risk_choice_gives_its_document(choice, risk):
    before = PROBLEMATIC | {"extensionRisk": {"alpha": 0.2, "enforce": False}}
    plan = plan_safe_defaults(snapshot(before), risk=RiskChoice(choice))
    assert plan.after == RUNBOOK_AFTER | {"extensionRisk": risk}


@pytest.mark.parametrize("choice", RiskChoice)
def test_a_plan_states_that_the_controller_stops_scoring_where_it_does(choice):
    plan = plan_safe_defaults(snapshot(PROBLEMATIC), risk=choice)
    stops = plan.after.get("extensionRisk", {}).get("enabled") is False
    assert ("stops scoring" in " ".join(plan.notes)) is stops
    assert ("ledger entries are preserved" in " ".join(plan.notes)) is stops


def test_plan_has_the_runbooks_commands():
    plan = plan_safe_defaults(snapshot(PROBLEMATIC), risk=RiskChoice.UNCHANGED)
    assert [(c.command, c.purpose) for c in plan.commands] == [
        ("pi --explain-extension-policy", "Confirm safe profile active"),
        (
            "cargo test --test security_conformance_benign -- --nocapture",
            "Confirm compatibility",
        ),
    ]


def test_plan_lists_its_effect_on_decisions():
    plan = plan_safe_defaults(snapshot(PROBLEMATIC), risk=RiskChoice.UNCHANGED)
    assert "exec: allow → deny for all extensions" in [
        group.text for group in plan.effects.groups
    ]
    exec_plan = next(p for p in plan.planned if p.capability == "exec")
    assert exec_plan.extension is None
    assert exec_plan.decision.decision is Verdict.DENY


OVERRIDES = {
    "held": {"deny": ["http"], "allow": ["ui"], "quota": {"maxMemoryMb": 64}},
    "loose": {"mode": "permissive", "quota": {"maxMemoryMb": 1024}},
    "tight": {"mode": "strict"},
}


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        (
            "keep_tightening",
            {
                "held": {"deny": ["http"], "quota": {"maxMemoryMb": 64}},
                "tight": {
                    "mode": "strict",
                    "deny": ["events", "http", "read", "session", "write"],
                },
            },
        ),
        ("keep", OVERRIDES),
        ("drop", None),
    ],
)
def test_overrides_are_treated_as_chosen(choice, kept):
    policy = PROBLEMATIC["extensionPolicy"] | {"perExtension": OVERRIDES}
    plan = plan_safe_defaults(
        snapshot({"extensionPolicy": policy}),
        risk=RiskChoice.UNCHANGED,
        overrides=OverrideChoice(choice),
    )
    assert plan.after["extensionPolicy"].get("perExtension") == kept


def test_safe_defaults_loosen_nothing_for_anybody_by_themselves():
    """From any profile, no capability is decided more openly than safe has it."""
    rank = {Verdict.DENY: 0, Verdict.PROMPT: 1, Verdict.ALLOW: 2}
    policy = PROBLEMATIC["extensionPolicy"] | {"perExtension": OVERRIDES}
    plan = plan_safe_defaults(
        snapshot({"extensionPolicy": policy}), risk=RiskChoice.UNCHANGED
    )
    safe = snapshot(RUNBOOK_AFTER).effective
    for name in OVERRIDES:
        for planned in plan.planned:
            got = evaluate(plan.target.effective, name, planned.capability).decision
            bound = evaluate(safe, None, planned.capability).decision
            assert rank[got] <= rank[bound]


def test_other_members_of_the_file_stay():
    before = PROBLEMATIC | {"theme": "dark", "token": "hush"}
    plan = plan_safe_defaults(snapshot(before), risk=RiskChoice.UNCHANGED)
    assert plan.after == RUNBOOK_AFTER | {"theme": "dark", "token": "[REDACTED]"}
    assert "keep what the live file has" in " ".join(plan.notes)


def test_planning_changes_no_snapshot():
    before = snapshot(PROBLEMATIC | {"extensionRisk": {"alpha": 0.2}})
    kept = json.dumps(before.settings.redacted_document)
    plan_safe_defaults(before, risk=RiskChoice.RUNBOOK_DOCUMENT)
    assert json.dumps(before.settings.redacted_document) == kept


@pytest.mark.parametrize(
    ("given", "note"),
    [({"env": "permissive"}, "unset it"), ({"cli": "permissive"}, "command line")],
)
def test_plan_warns_where_the_file_does_not_decide(given, note):
    plan = plan_safe_defaults(snapshot(PROBLEMATIC, **given), risk=RiskChoice.UNCHANGED)
    assert note in " ".join(plan.notes)
    deviations = find_deviations(plan.target, snapshot(plan.after, **given))
    assert "exec for all extensions" in [d.subject for d in deviations]


def test_a_broker_left_off_is_said():
    policy = PROBLEMATIC["extensionPolicy"] | {"secretBroker": {"enabled": False}}
    plan = plan_safe_defaults(
        snapshot({"extensionPolicy": policy}), risk=RiskChoice.UNCHANGED
    )
    assert "secret broker is off" in " ".join(plan.notes)


def test_earlier_snapshot_gives_back_its_sections_and_nothing_else():
    earlier = snapshot({"extensionPolicy": {"profile": "balanced"}, "theme": "light"})
    now = snapshot(PROBLEMATIC | {"extensionRisk": {"alpha": 0.2}, "theme": "dark"})
    plan = plan_earlier_snapshot(now, earlier)
    assert plan.after == {
        "extensionPolicy": {"profile": "balanced"},
        "theme": "dark",
    }
    assert find_deviations(plan.target, earlier) == []


def test_applied_plan_verifies():
    plan = plan_safe_defaults(snapshot(PROBLEMATIC), risk=RiskChoice.RUNBOOK_DOCUMENT)
    assert find_deviations(plan.target, snapshot(plan.after)) == []


def test_plan_that_was_stored_verifies_from_its_document():
    plan = plan_safe_defaults(snapshot(PROBLEMATIC), risk=RiskChoice.UNCHANGED)
    stored = json.loads(json.dumps(plan.after))
    target = SettingsSnapshot(interpret_settings(stored))
    assert find_deviations(target, snapshot(plan.after)) == []
    assert find_deviations(target, snapshot(PROBLEMATIC))


@pytest.mark.parametrize(
    ("new", "subjects"),
    [
        (
            PROBLEMATIC,
            [f"{name} for all extensions" for name in ("ui", "exec", "env")]
            + [f"{name} for all extensions" for name in ("tool", "log")],
        ),
        (
            {
                "extensionPolicy": {
                    "profile": "safe",
                    "perExtension": {"sneaky": {"allow": ["ui"]}},
                }
            },
            ["ui for sneaky"],
        ),
        (
            {
                "extensionPolicy": {
                    "profile": "safe",
                    "perExtension": {"big": {"quota": {"maxMemoryMb": 999}}},
                }
            },
            ["memory quota of big"],
        ),
        (
            RUNBOOK_AFTER | {"extensionRisk": {"failClosed": False}},
            ["$.extensionRisk.failClosed"],
        ),
        ({"extensionPolicy": {"profile": 5}}, ["$.extensionPolicy.profile"]),
    ],
)
def test_what_is_not_as_planned_is_named(new, subjects):
    plan = plan_safe_defaults(snapshot(PROBLEMATIC), risk=RiskChoice.UNCHANGED)
    deviations = find_deviations(plan.target, snapshot(new))
    assert [deviation.subject for deviation in deviations] == subjects
    assert all(deviation.message for deviation in deviations)


def test_a_member_of_another_type_is_replaced_by_the_plan():
    before = snapshot({"extensionPolicy": "safe", "extensionRisk": 5})
    plan = plan_safe_defaults(before, risk=RiskChoice.DISABLED)
    assert plan.after == RUNBOOK_AFTER | {"extensionRisk": {"enabled": False}}


LOOSENESS = [Verdict.DENY, Verdict.PROMPT, Verdict.ALLOW]
NAMES = st.lists(
    st.sampled_from(["read", "write", "http", "exec", "env", "ui", "custom"]),
    max_size=4,
)
MODES = st.sampled_from(["strict", "prompt", "permissive"])
OVERRIDE = st.fixed_dictionaries(
    {},
    optional={
        "mode": MODES,
        "allow": NAMES,
        "deny": NAMES,
        "quota": st.fixed_dictionaries({"maxMemoryMb": st.integers(1, 1024)}),
    },
)
POLICIES = st.fixed_dictionaries(
    {},
    optional={
        "profile": st.sampled_from(["safe", "balanced", "standard", "permissive", "?"]),
        "allowDangerous": st.booleans(),
        "perExtension": st.dictionaries(
            st.sampled_from(["a", "b", "c"]), OVERRIDE, max_size=3
        ),
    },
)
PROFILES = st.sampled_from([None, "safe", "balanced", "permissive"])


def loosened(plan, before):
    """Return what a plan lets through more of, as (extension, capability, was)."""
    names = named_capabilities(before.effective, plan.target.effective)
    extensions = before.effective.per_extension.keys()
    for extension in (None, *sorted(extensions)):
        for name in names:
            was = evaluate(before.effective, extension, name).decision
            becomes = evaluate(plan.target.effective, extension, name).decision
            if LOOSENESS.index(becomes) > LOOSENESS.index(was):
                yield extension, name, was


def is_said(plan, extension, name):
    scope = extension or "all extensions"
    return any(
        note.startswith(f"This plan loosens {scope}:") and name in note
        for note in plan.notes
    )


@given(POLICIES, PROFILES, PROFILES)
def test_keep_tightening_never_allows_what_was_denied(policy, cli, env):
    before = snapshot({"extensionPolicy": policy}, cli=cli, env=env)
    plan = plan_safe_defaults(before, risk=RiskChoice.UNCHANGED)
    for extension, name, was in loosened(plan, before):
        assert was is Verdict.PROMPT
        assert is_said(plan, extension, name)


@given(POLICIES, POLICIES, st.sampled_from(OverrideChoice))
def test_no_plan_loosens_without_saying_so(policy, earlier, choice):
    before = snapshot({"extensionPolicy": policy})
    plans = [
        plan_safe_defaults(before, risk=RiskChoice.UNCHANGED, overrides=choice),
        plan_earlier_snapshot(before, snapshot({"extensionPolicy": earlier})),
    ]
    for plan in plans:
        for extension, name, _ in loosened(plan, before):
            assert is_said(plan, extension, name)


def test_an_extension_held_by_its_own_strict_mode_stays_held():
    held = {"profile": "permissive", "perExtension": {"a": {"mode": "strict"}}}
    plan = plan_safe_defaults(
        snapshot({"extensionPolicy": held}), risk=RiskChoice.UNCHANGED
    )
    override = plan.after["extensionPolicy"]["perExtension"]["a"]
    assert override["deny"] == ["events", "http", "read", "session", "write"]
    assert evaluate(plan.target.effective, "a", "read").decision is Verdict.DENY
    assert not any("loosens" in note for note in plan.notes)


def test_what_keeping_or_dropping_overrides_lets_loose_is_said():
    held = {"profile": "permissive", "perExtension": {"a": {"mode": "strict"}}}
    for choice in (OverrideChoice.KEEP, OverrideChoice.DROP):
        plan = plan_safe_defaults(
            snapshot({"extensionPolicy": held}),
            risk=RiskChoice.UNCHANGED,
            overrides=choice,
        )
        assert (
            "This plan loosens a: read, write, http, events, session from deny to "
            "allow." in plan.notes
        )
