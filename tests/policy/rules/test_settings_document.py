"""Settings files: read strictly, every fault named, secrets never kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.rules.errors import DocumentError, PolicyError
from policy.rules.precedence import Mode, Profile, ProfileSource, Verdict, evaluate
from policy.rules.risk import RiskSettings
from policy.rules.settings_document import SettingsSnapshot, parse_settings

WHOLE = {
    "extensionPolicy": {
        "profile": "safe",
        "allowDangerous": False,
        "perExtension": {
            "some-extension": {
                "mode": "strict",
                "allow": ["http"],
                "deny": ["write"],
                "quota": {"maxMemoryMb": 128},
            }
        },
        "secretBroker": {"enabled": True, "disclosureAllowlist": []},
    },
    "extensionRisk": {
        "enabled": True,
        "enforce": True,
        "alpha": 0.01,
        "windowSize": 128,
        "failClosed": True,
    },
}


def parse(document):
    return parse_settings(json.dumps(document).encode())


def faults_of(document):
    return [(fault.path, fault.code) for fault in parse(document).faults]


def test_whole_settings_file_is_read_without_a_fault():
    settings = parse(WHOLE)
    assert settings.faults == settings.unknown == settings.redactions == ()
    override = settings.policy.per_extension["some-extension"]
    assert override.mode is Mode.STRICT
    assert (override.allow, override.deny) == ({"http"}, {"write"})
    assert override.quota.max_memory_mb == 128
    assert settings.policy.profile == "safe"
    assert settings.policy.secret_broker.enabled
    assert settings.risk == RiskSettings()
    assert settings.redacted_document == WHOLE


def test_empty_settings_file_is_the_default_policy():
    snapshot = SettingsSnapshot(parse({}))
    assert snapshot.effective.effective_profile is Profile.SAFE
    assert snapshot.effective.profile_source is ProfileSource.DEFAULT
    assert snapshot.settings.risk == RiskSettings()


def test_members_beside_the_sections_are_kept_and_not_judged():
    document = WHOLE | {"theme": "dark", "models": {"default": 5}}
    settings = parse(document)
    assert settings.other_members == ("theme", "models")
    assert settings.redacted_document == document
    assert settings.faults == settings.unknown == ()


def test_unknown_members_of_the_sections_are_kept_and_listed():
    document = {
        "extensionPolicy": {
            "colour": 1,
            "perExtension": {"a.b": {"x": 1, "quota": {"y": 2}}},
            "secretBroker": {"z": 3},
        },
        "extensionRisk": {"beta": 0.5},
    }
    settings = parse(document)
    assert set(settings.unknown) == {
        "$.extensionPolicy.colour",
        '$.extensionPolicy.perExtension["a.b"].x',
        '$.extensionPolicy.perExtension["a.b"].quota.y',
        "$.extensionPolicy.secretBroker.z",
        "$.extensionRisk.beta",
    }
    assert settings.redacted_document == document


def test_every_fault_is_named_by_its_path():
    document = {
        "extensionPolicy": {
            "profile": "paranoid",
            "allowDangerous": "yes",
            "perExtension": {
                "one": {"mode": "lenient", "allow": "http", "deny": ["exec", 5, "fly"]},
                "two": [],
                "three": {"quota": {"maxMemoryMb": 0}},
            },
            "secretBroker": {"enabled": 1, "disclosureAllowlist": {}},
        },
        "extensionRisk": {
            "enabled": None,
            "enforce": 0,
            "alpha": 1,
            "windowSize": 12.5,
            "failClosed": "true",
        },
    }
    base = "$.extensionPolicy"
    assert sorted(faults_of(document)) == sorted(
        [
            (f"{base}.profile", "unknown_profile"),
            (f"{base}.allowDangerous", "wrong_type"),
            (f"{base}.perExtension.one.mode", "unknown_value"),
            (f"{base}.perExtension.one.allow", "wrong_type"),
            (f"{base}.perExtension.one.deny[1]", "wrong_type"),
            (f"{base}.perExtension.one.deny[2]", "unknown_capability"),
            (f"{base}.perExtension.two", "wrong_type"),
            (f"{base}.perExtension.three.quota.maxMemoryMb", "out_of_range"),
            (f"{base}.secretBroker.enabled", "wrong_type"),
            (f"{base}.secretBroker.disclosureAllowlist", "wrong_type"),
            ("$.extensionRisk.enabled", "wrong_type"),
            ("$.extensionRisk.enforce", "wrong_type"),
            ("$.extensionRisk.alpha", "out_of_range"),
            ("$.extensionRisk.windowSize", "out_of_range"),
            ("$.extensionRisk.failClosed", "wrong_type"),
        ]
    )


@pytest.mark.parametrize("section", ["extensionPolicy", "extensionRisk"])
@pytest.mark.parametrize("value", [None, [], "safe", 5, True])
def test_section_of_another_type_is_a_fault(section, value):
    assert faults_of({section: value}) == [(f"$.{section}", "wrong_type")]


NAMES = """extensionPolicy extensionRisk profile allowDangerous perExtension mode allow
deny quota maxMemoryMb secretBroker enabled disclosureAllowlist alpha windowSize x"""
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["safe", "strict", "exec", "GH_TOKEN", "", "é"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=5)
    ),
    max_leaves=20,
)
sections = st.fixed_dictionaries(
    {},
    optional={"extensionPolicy": anything, "extensionRisk": anything, "x": anything},
)


@given(sections)
def test_any_json_object_gives_a_report_and_a_policy_that_decides(document):
    snapshot = SettingsSnapshot(parse(document))
    for extension in (None, "x", "mode"):
        assert evaluate(snapshot.effective, extension, "exec").decision in Verdict
    again = parse(dict(snapshot.settings.redacted_document))
    assert again.redactions == ()
    assert again.policy == snapshot.settings.policy


def test_faulty_member_counts_as_absent_and_the_rest_is_read():
    document = {
        "extensionPolicy": {
            "profile": 5,
            "allowDangerous": True,
            "perExtension": {"x": {"mode": 1, "deny": ["log", 2]}},
        }
    }
    effective = SettingsSnapshot(parse(document)).effective
    assert effective.effective_profile is Profile.SAFE
    assert effective.allow_dangerous
    assert evaluate(effective, "x", "log").decision is Verdict.DENY


def test_broker_lists_are_replaced_by_the_file():
    broker = {
        "secretExact": ["HOUSE"],
        "secretSuffixes": ["_HUSH"],
        "secretPrefixes": [],
        "disclosureAllowlist": ["MY_HUSH"],
    }
    settings = parse({"extensionPolicy": {"secretBroker": broker}})
    policy = settings.policy.secret_broker
    assert policy.exact_names == {"HOUSE"}
    assert policy.suffixes == {"_HUSH"}
    assert policy.prefixes == frozenset()
    assert policy.disclosure_allowlist == {"MY_HUSH"}
    assert settings.faults == settings.unknown == settings.redactions == ()


SECRET = "ghp_" + "q7Zr4Xn2Vb8Lw5Kc9Jt3Hs6Gd1Fp"


@pytest.mark.parametrize(
    "document",
    [
        {"extensionPolicy": {"profile": SECRET}},
        {"extensionPolicy": {SECRET: 1}},
        {"extensionPolicy": {"perExtension": {SECRET: {"mode": SECRET}}}},
        {"extensionPolicy": {"perExtension": {"x": {"deny": [SECRET]}}}},
        {"extensionPolicy": {"secretBroker": {"disclosureAllowlist": [SECRET]}}},
        {"extensionRisk": {"alpha": SECRET, SECRET: SECRET}},
        {"mcpServers": {"x": {"env": {"GH_TOKEN": SECRET}, "args": [SECRET]}}},
        {SECRET: SECRET},
    ],
)
def test_no_secret_is_left_in_anything_that_is_returned(document):
    settings = parse(document)
    assert settings.redactions
    assert SECRET.lower() not in repr(settings).lower()


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"", None),
        (b"[]", "$"),
        (b'"text"', "$"),
        (b"{", None),
        (b'{"extensionPolicy": {}, "extensionPolicy": {}}', "$.extensionPolicy"),
        (
            b'{"extensionPolicy": {"profile": "safe", "profile": "permissive"}}',
            "$.extensionPolicy.profile",
        ),
        (b'{"extensionRisk": {"alpha": NaN}}', None),
        (b'{"a": "\xff"}', None),
        (b'{"a": ' + b"[" * 80 + b"]" * 80 + b"}", None),
        (b'{"a": "\\ud800"}', None),
        (b'// comment\n{"extensionPolicy": {}}', None),
    ],
)
def test_what_is_no_strict_json_object_is_refused(data, path):
    with pytest.raises(DocumentError) as refused:
        parse_settings(data)
    assert isinstance(refused.value, PolicyError)
    assert refused.value.code == "document_refused"
    assert refused.value.path == path or path is None
    assert refused.value.reason


def test_refusal_never_repeats_a_secret():
    data = f'{{"{SECRET}": 1, "{SECRET}": 2}}'.encode()
    with pytest.raises(DocumentError) as refused:
        parse_settings(data)
    assert SECRET not in f"{refused.value.message} {refused.value.path}"
    assert SECRET not in str(refused.value)


def test_byte_order_mark_is_no_fault():
    settings = parse_settings(b"\xef\xbb\xbf" + json.dumps(WHOLE).encode())
    assert settings.faults == ()


def test_a_file_that_is_no_settings_file_by_its_size_is_refused():
    data = b'{"a": "' + b"x" * 4_194_304 + b'"}'
    with pytest.raises(DocumentError, match="4194304 are the most") as refused:
        parse_settings(data)
    assert refused.value.reason == "too_large"


def test_environment_and_command_line_win_over_the_file():
    settings = parse({"extensionPolicy": {"profile": "permissive"}})
    assert SettingsSnapshot(settings).effective.mode is Mode.PERMISSIVE
    by_env = SettingsSnapshot(settings, env="balanced").effective
    assert (by_env.mode, by_env.profile_source) == (Mode.PROMPT, ProfileSource.ENV)
    by_cli = SettingsSnapshot(settings, cli="safe", env="balanced").effective
    assert (by_cli.mode, by_cli.profile_source) == (Mode.STRICT, ProfileSource.CLI)
