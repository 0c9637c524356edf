"""The precedence chain, against an oracle written from the facts alone."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.rules.precedence import (
    DEFAULT_MAX_MEMORY_MB,
    EffectivePolicy,
    ExtensionOverride,
    ExtensionPolicy,
    Layer,
    Mode,
    Profile,
    ProfileSource,
    Reason,
    Verdict,
    choose_profile_name,
    evaluate,
    evaluate_all,
    find_profile,
    resolve_policy,
)

EVERYTHING = [
    "read",
    "write",
    "http",
    "events",
    "session",
    "ui",
    "exec",
    "env",
    "tool",
    "log",
]
DEFAULTS = ["read", "write", "http", "events", "session"]


def oracle(profile, allow_dangerous, override, capability):
    """Say (decision, reason) for a capability, slowly, line by line of the facts."""
    if profile.lower() in ("balanced", "standard"):
        mode, default, deny = "prompt", list(DEFAULTS), ["exec", "env"]
    elif profile.lower() == "permissive":
        mode, default, deny = "permissive", [], []
    else:
        mode, default, deny = "strict", list(DEFAULTS), ["exec", "env"]
    if allow_dangerous:
        deny = [name for name in deny if name not in ("exec", "env")]
    name = capability.lower()
    if name == "":
        return "deny", "empty_capability"
    own = override or {}
    if name in [n.lower() for n in own.get("deny", [])]:
        return "deny", "extension_deny"
    if name in deny:
        return "deny", "deny_caps"
    if name in [n.lower() for n in own.get("allow", [])]:
        return "allow", "extension_allow"
    mode = own.get("mode") or mode
    if name in default:
        return "allow", "permissive" if mode == "permissive" else "default_caps"
    if mode == "strict":
        return "deny", "not_in_default_caps"
    if mode == "prompt":
        return "prompt", "prompt_required"
    return "allow", "permissive"


def make_policy(profile, allow_dangerous=False, override=None):
    per_extension = {}
    if override is not None:
        mode = override.get("mode")
        per_extension["thing"] = ExtensionOverride(
            mode=Mode(mode) if mode else None,
            allow=frozenset(override.get("allow", [])),
            deny=frozenset(override.get("deny", [])),
        )
    return resolve_policy(
        ExtensionPolicy(
            profile=profile,
            allow_dangerous=allow_dangerous,
            per_extension=per_extension,
        )
    )


PROFILES = ["safe", "balanced", "standard", "permissive", "SAFE", "nonsense"]
MODES = [None, "strict", "prompt", "permissive"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("allow_dangerous", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_every_pair_of_profile_mode_lists_and_override(profile, allow_dangerous, mode):
    for capability in [*EVERYTHING, "EXEC", "other", ""]:
        # The lists name the capability, its upper case, another one, or nothing.
        named = [[], [capability], [capability.upper()], ["ui"], ["ui", capability]]
        for allow, deny in product(named, named):
            override = {"mode": mode, "allow": allow, "deny": deny}
            policy = make_policy(profile, allow_dangerous, override)
            decided = evaluate(policy, "thing", capability)
            expected = oracle(profile, allow_dangerous, override, capability)
            assert (decided.decision, decided.reason) == expected, (
                capability,
                override,
            )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("allow_dangerous", [False, True])
def test_an_extension_without_an_override_is_decided_by_the_profile(
    profile, allow_dangerous
):
    override = {"mode": "permissive", "allow": EVERYTHING, "deny": ["read"]}
    policy = make_policy(profile, allow_dangerous, override)
    for extension in (None, "another", "THING", ""):
        for capability in EVERYTHING:
            decided = evaluate(policy, extension, capability)
            expected = oracle(profile, allow_dangerous, None, capability)
            assert (decided.decision, decided.reason) == expected


capability_lists = st.lists(st.sampled_from([*EVERYTHING, "Exec", "HTTP", "odd"]))


@given(
    st.sampled_from(PROFILES),
    st.booleans(),
    st.sampled_from(MODES),
    capability_lists,
    capability_lists,
    st.sampled_from([*EVERYTHING, "Exec", "odd", ""]),
)
def test_any_override_is_decided_as_the_oracle_does(
    profile, allow_dangerous, mode, allow, deny, capability
):
    override = {"mode": mode, "allow": allow, "deny": deny}
    policy = make_policy(profile, allow_dangerous, override)
    decided = evaluate(policy, "thing", capability)
    expected = oracle(profile, allow_dangerous, override, capability)
    assert (decided.decision, decided.reason) == expected


@pytest.mark.parametrize(
    ("layer", "profile", "override", "capability"),
    [
        (Layer.INPUT, "permissive", {}, " "),
        (Layer.EXTENSION_DENY, "permissive", {"deny": ["log"]}, "log"),
        (Layer.DENY_CAPS, "safe", {"allow": ["exec"]}, "exec"),
        (Layer.EXTENSION_ALLOW, "safe", {"allow": ["ui"]}, "ui"),
        (Layer.DEFAULT_CAPS, "safe", {"mode": "permissive"}, "read"),
        (Layer.MODE, "safe", {"mode": "permissive"}, "ui"),
    ],
)
def test_the_deciding_layer_is_named(layer, profile, override, capability):
    policy = make_policy(profile, override=override)
    assert evaluate(policy, "thing", capability).layer is layer


def test_a_layer_above_beats_every_layer_below():
    """With a capability in every list at once, removing lists walks down the chain."""
    lists = {"deny": ["exec"], "allow": ["exec"], "mode": "prompt"}
    policy = make_policy("safe", override=lists)
    assert evaluate(policy, "thing", "exec").reason is Reason.EXTENSION_DENY
    policy = make_policy("safe", override=lists | {"deny": []})
    assert evaluate(policy, "thing", "exec").reason is Reason.DENY_CAPS
    policy = make_policy("safe", True, lists | {"deny": []})
    assert evaluate(policy, "thing", "exec").reason is Reason.EXTENSION_ALLOW
    policy = make_policy("safe", True, {"mode": "prompt"})
    assert evaluate(policy, "thing", "exec").reason is Reason.PROMPT_REQUIRED


def test_allow_dangerous_alone_does_not_allow_exec_under_safe():
    decided = evaluate(make_policy("safe", True), None, "exec")
    assert decided.decision is Verdict.DENY
    assert decided.reason is Reason.NOT_IN_DEFAULT_CAPS


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("safe", Profile.SAFE),
        (" Balanced ", Profile.BALANCED),
        ("STANDARD", Profile.BALANCED),
        ("permissive", Profile.PERMISSIVE),
        ("strict", None),
        ("", None),
    ],
)
def test_profiles_are_found_by_present_and_older_name(name, profile):
    assert find_profile(name) is profile


def test_unknown_profile_falls_back_to_safe_and_says_so():
    policy = make_policy("paranoid")
    assert policy.effective_profile is Profile.SAFE
    assert policy.requested_profile == "paranoid"
    assert not policy.profile_known


def test_policy_without_settings_is_safe_and_allows_nothing_dangerous():
    policy = resolve_policy(ExtensionPolicy())
    assert policy.effective_profile is Profile.SAFE
    assert not policy.allow_dangerous
    assert policy.deny_caps == {"exec", "env"}


def test_profiles_have_the_facts_lists():
    safe, balanced, permissive = map(make_policy, ["safe", "balanced", "permissive"])
    assert (safe.mode, balanced.mode, permissive.mode) == tuple(Mode)
    assert safe.default_caps == balanced.default_caps == frozenset(DEFAULTS)
    assert safe.deny_caps == balanced.deny_caps == {"exec", "env"}
    assert permissive.default_caps == permissive.deny_caps == frozenset()
    assert {p.max_memory_mb for p in (safe, balanced, permissive)} == {256}
    assert DEFAULT_MAX_MEMORY_MB == 256


SOURCES = ["cli", "env", "config"]


@pytest.mark.parametrize(
    "given_in", [c for n in range(4) for c in combinations(SOURCES, n)]
)
def test_first_source_that_is_set_gives_the_profile(given_in):
    names = {source: f"from-{source}" for source in given_in}
    chosen = choose_profile_name(**({"cli": None, "env": None, "config": None} | names))
    if given_in:
        assert chosen == (f"from-{given_in[0]}", ProfileSource(given_in[0]))
    else:
        assert chosen == ("safe", ProfileSource.DEFAULT)


def test_blank_profile_counts_as_not_set():
    chosen = choose_profile_name(cli="", env="  ", config="balanced")
    assert chosen == ("balanced", ProfileSource.CONFIG)


def test_command_line_wins_over_the_settings_file():
    policy = resolve_policy(ExtensionPolicy(profile="permissive"), cli="safe", env="x")
    assert policy.effective_profile is Profile.SAFE
    assert policy.profile_source is ProfileSource.CLI


def test_all_capabilities_are_evaluated_in_their_order():
    policy: EffectivePolicy = make_policy("safe")
    assert list(evaluate_all(policy, None)) == EVERYTHING
