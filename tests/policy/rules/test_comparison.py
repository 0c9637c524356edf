"""Two snapshots side by side: the patch, and what it does to decisions."""

import json
from itertools import product

import jsonpatch
import pytest

from policy.rules.comparison import compare_snapshots
from policy.rules.precedence import evaluate
from policy.rules.settings_document import SettingsSnapshot, parse_settings


def snapshot(policy=None, risk=None, **given):
    document = {"extensionPolicy": policy or {}}
    if risk is not None:
        document["extensionRisk"] = risk
    return SettingsSnapshot(parse_settings(json.dumps(document).encode()), **given)


SAFE = {"profile": "safe", "allowDangerous": False}
PERMISSIVE = {"profile": "permissive", "allowDangerous": True}


def texts(before, after):
    return [group.text for group in compare_snapshots(before, after).groups]


def test_same_snapshot_has_no_difference():
    comparison = compare_snapshots(snapshot(SAFE), snapshot(SAFE))
    assert comparison.patch == comparison.decisions == comparison.groups == ()
    assert comparison.settings == ()


def test_effect_reads_as_a_sentence():
    assert "exec: deny → allow for all extensions" in texts(
        snapshot(SAFE), snapshot(PERMISSIVE)
    )


def test_each_capability_that_changes_is_in_one_group():
    assert texts(snapshot(PERMISSIVE), snapshot(SAFE)) == [
        f"{name}: allow → deny for all extensions"
        for name in ("env", "exec", "log", "tool", "ui")
    ]


def test_extensions_that_differ_are_named():
    own = {
        "perExtension": {
            "held": {"deny": ["exec"]},
            "asked": {"mode": "prompt"},
        }
    }
    found = texts(snapshot(SAFE | own), snapshot(PERMISSIVE | own))
    assert "exec: deny → allow for all extensions except asked, held" in found
    assert "exec: deny → prompt for asked" in found
    assert "ui: deny → allow for all extensions except asked" in found


def test_change_of_one_override_names_the_extensions_only():
    own = {"perExtension": {"a": {"allow": ["ui"]}, "b": {"allow": ["ui"]}}}
    assert texts(snapshot(SAFE), snapshot(SAFE | own)) == ["ui: deny → allow for a, b"]


def test_changed_reason_alone_is_an_effect_and_no_group():
    after = SAFE | {"allowDangerous": True}
    comparison = compare_snapshots(snapshot(SAFE), snapshot(after))
    assert comparison.groups == ()
    assert [
        (e.extension, e.capability, e.before.reason.value, e.after.reason.value)
        for e in comparison.decisions
    ] == [
        (None, "exec", "deny_caps", "not_in_default_caps"),
        (None, "env", "deny_caps", "not_in_default_caps"),
    ]


PROFILES = ["safe", "balanced", "permissive"]
OVERRIDES = [{}, {"x": {"mode": "prompt", "deny": ["read"]}}, {"y": {"allow": ["ui"]}}]
VARIANTS = [
    {"profile": profile, "allowDangerous": dangerous, "perExtension": own}
    for profile, dangerous, own in product(PROFILES, [False, True], OVERRIDES)
]


def test_patch_leads_from_every_snapshot_to_every_other():
    for before, after in product(map(snapshot, VARIANTS), map(snapshot, VARIANTS)):
        patch = jsonpatch.JsonPatch(compare_snapshots(before, after).patch)
        document = json.loads(json.dumps(before.settings.redacted_document))
        assert patch.apply(document) == after.settings.redacted_document


@pytest.mark.parametrize("before_policy", VARIANTS)
def test_groups_say_exactly_what_changes_for_whom(before_policy):
    """Expand the groups again: they give the changed decisions, no more, no less."""
    before = snapshot(before_policy)
    for after in map(snapshot, VARIANTS):
        said = set()
        for group in compare_snapshots(before, after).groups:
            named = group.extensions
            if group.for_all:
                named = {None, "x", "y", "unheard-of"} - set(group.except_for)
            said |= {(n, group.capability, group.before, group.after) for n in named}
        changed = set()
        for name, capability in product([None, "x", "y", "unheard-of"], CAPABILITIES):
            was = evaluate(before.effective, name, capability).decision
            becomes = evaluate(after.effective, name, capability).decision
            if was is not becomes:
                changed.add((name, capability, was, becomes))
        known = {*before.effective.per_extension, *after.effective.per_extension}
        unnamed = {None, "x", "y", "unheard-of"} - known
        # An extension without an override on either side goes with all the others.
        assert {s for s in said if s[0] in known} == {
            c for c in changed if c[0] in known
        }
        assert {s for s in said if s[0] in unnamed} == {
            c for c in changed if c[0] in unnamed
        }


CAPABILITIES = ["read", "write", "http", "events", "session"]
CAPABILITIES += ["ui", "exec", "env", "tool", "log"]


def test_settings_that_no_capability_shows_are_compared():
    before = snapshot(
        {"perExtension": {"x.y": {"quota": {"maxMemoryMb": 128}}}},
        {"enabled": True, "alpha": 0.01},
    )
    after = snapshot(
        {
            "perExtension": {"x.y": {"quota": {"maxMemoryMb": 512}}},
            "secretBroker": {"enabled": False, "disclosureAllowlist": ["GH_TOKEN"]},
        },
        {"enabled": False, "alpha": 0.05},
    )
    found = [
        (e.path, e.before, e.after) for e in compare_snapshots(before, after).settings
    ]
    assert found == [
        ("$.extensionRisk.enabled", "true", "false"),
        ("$.extensionRisk.alpha", "0.01", "0.05"),
        ('$.extensionPolicy.perExtension["x.y"].quota.maxMemoryMb', "128", "512"),
        ("$.extensionPolicy.secretBroker.enabled", "true", "false"),
        ("$.extensionPolicy.secretBroker.disclosureAllowlist", "none", "GH_TOKEN"),
    ]


def test_profile_given_outside_the_file_decides():
    same = snapshot(PERMISSIVE)
    comparison = compare_snapshots(snapshot(PERMISSIVE, env="safe"), same)
    assert comparison.patch == ()
    assert "exec: deny → allow for all extensions" in [
        group.text for group in comparison.groups
    ]


def test_secrets_stay_out_of_the_patch():
    before = SettingsSnapshot(parse_settings(b'{"token": "first"}'))
    after = SettingsSnapshot(parse_settings(b'{"token": "second"}'))
    assert compare_snapshots(before, after).patch == ()
