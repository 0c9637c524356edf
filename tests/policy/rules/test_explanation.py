"""The runtime's explanation: read strictly, compared with our own reading."""

import json

import pytest

from policy.rules.errors import DocumentError
from policy.rules.explanation import compare_with_explanation, parse_explanation
from policy.rules.precedence import (
    PROFILE_PRESETS,
    ExtensionPolicy,
    Verdict,
    evaluate,
    resolve_policy,
)
from tests.policy.explaining import CAPABILITIES, make_explanation


def parse(document):
    return parse_explanation(json.dumps(document).encode())


def policies():
    names = [*PROFILE_PRESETS, "standard", "nonsense"]
    return [
        resolve_policy(ExtensionPolicy(profile=name, allow_dangerous=dangerous))
        for name in names
        for dangerous in (False, True)
    ]


@pytest.mark.parametrize("policy", policies(), ids=lambda p: p.requested_profile)
def test_explanation_of_the_same_policy_agrees(policy):
    explanation = parse(make_explanation(policy))
    assert explanation.faults == explanation.unknown == ()
    assert compare_with_explanation(policy, explanation) == []


SAFE = resolve_policy(ExtensionPolicy(profile="safe"))
PERMISSIVE = resolve_policy(ExtensionPolicy(profile="permissive", allow_dangerous=True))


def test_older_profile_name_agrees_with_the_present_one():
    balanced = resolve_policy(ExtensionPolicy(profile="standard"))
    explained = make_explanation(
        balanced, requested_profile="balanced", effective_profile="standard"
    )
    assert compare_with_explanation(balanced, parse(explained)) == []


@pytest.mark.parametrize(
    ("changes", "path", "ours", "theirs"),
    [
        ({"requested_profile": "balanced"}, "requested_profile", "safe", "balanced"),
        ({"effective_profile": "balanced"}, "effective_profile", "safe", "balanced"),
        ({"profile_source": "env"}, "profile_source", "config", "env"),
        ({"allow_dangerous": True}, "allow_dangerous", "false", "true"),
        ({"mode": "prompt"}, "mode", "strict", "prompt"),
        (
            {"default_caps": ["read"]},
            "default_caps",
            "events, http, read, session, write",
            "read",
        ),
        ({"deny_caps": []}, "deny_caps", "env, exec", "none"),
        ({"secret_broker_enabled": False}, "secret_broker_enabled", "true", "false"),
    ],
)
def test_each_member_that_differs_is_marked(changes, path, ours, theirs):
    (found,) = compare_with_explanation(SAFE, parse(make_explanation(SAFE, **changes)))
    assert (found.path, found.ours, found.theirs) == (f"$.{path}", ours, theirs)
    assert found.meaning


def test_decision_that_differs_is_marked_with_its_path():
    explained = make_explanation(SAFE)
    explained["capability_decisions"][6] |= {
        "decision": "allow",
        "reason": "permissive",
    }
    decision, reason = compare_with_explanation(SAFE, parse(explained))
    assert decision.path == "$.capability_decisions[6].decision"
    assert (decision.ours, decision.theirs) == ("deny", "allow")
    assert "exec: the runtime decides allow" in decision.meaning
    assert reason.path == "$.capability_decisions[6].reason"
    assert (reason.ours, reason.theirs) == ("deny_caps", "permissive")


def test_capability_that_is_not_explained_is_marked():
    explained = make_explanation(SAFE)
    del explained["capability_decisions"][9]
    explained["dangerous_capabilities"] = []
    found = compare_with_explanation(SAFE, parse(explained))
    assert [(d.path, d.ours, d.theirs) for d in found] == [
        ("$.capability_decisions", "log", "absent"),
        ("$.dangerous_capabilities", "exec", "absent"),
        ("$.dangerous_capabilities", "env", "absent"),
    ]


def test_explanation_of_another_policy_disagrees_on_every_changed_decision():
    found = compare_with_explanation(SAFE, parse(make_explanation(PERMISSIVE)))
    marked = {d.path for d in found}
    for index, name in enumerate(CAPABILITIES):
        ours = evaluate(SAFE, None, name).decision
        path = f"$.capability_decisions[{index}].decision"
        assert (path in marked) is (ours is not Verdict.ALLOW)


REQUIRED = [
    "requested_profile",
    "effective_profile",
    "profile_source",
    "allow_dangerous",
    "mode",
    "default_caps",
    "deny_caps",
    "dangerous_capabilities",
    "capability_decisions",
]


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_member_is_a_fault(name):
    document = make_explanation(SAFE)
    del document[name]
    faults = [(fault.path, fault.code) for fault in parse(document).faults]
    assert faults == [(f"$.{name}", "missing")]


@pytest.mark.parametrize("name", REQUIRED)
def test_member_of_another_type_is_a_fault(name):
    faults = [
        (f.path, f.code) for f in parse(make_explanation(SAFE) | {name: 5}).faults
    ]
    assert faults == [(f"$.{name}", "wrong_type")]


def test_faults_inside_decisions_are_named():
    document = make_explanation(SAFE)
    document["capability_decisions"] = [
        5,
        {"capability": "exec", "decision": "maybe", "reason": 1, "note": "?"},
        {},
    ]
    explanation = parse(document)
    base = "$.capability_decisions"
    assert [(f.path, f.code) for f in explanation.faults] == [
        (f"{base}[0]", "wrong_type"),
        (f"{base}[1].decision", "unknown_value"),
        (f"{base}[1].reason", "wrong_type"),
        (f"{base}[2].capability", "missing"),
        (f"{base}[2].decision", "missing"),
        (f"{base}[2].reason", "missing"),
    ]
    assert explanation.unknown == (f"{base}[1].note",)


def test_guidance_is_kept_and_unknown_members_are_listed():
    explanation = parse(make_explanation(SAFE, extra=1))
    assert explanation.unknown == ("$.extra",)
    assert explanation.guidance["profile_aliases"] == {"standard": "balanced"}
    assert explanation.redacted_document["extra"] == 1


def test_no_secret_of_an_explanation_is_kept():
    secret = "ghp_" + "q7Zr4Xn2Vb8Lw5Kc9Jt3Hs6Gd1Fp"
    explanation = parse(make_explanation(SAFE, mode=secret, note=secret))
    assert secret not in repr(explanation)
    assert [r.path for r in explanation.redactions] == ["$.mode", "$.note"]


def test_output_that_is_no_json_object_is_refused():
    with pytest.raises(DocumentError):
        parse_explanation(b"Extension policy: safe")
