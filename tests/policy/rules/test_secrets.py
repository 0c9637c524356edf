"""The secret broker's lists at the runbook's count, and names found by hash."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.rules.secrets import (
    DEFAULT_BROKER,
    DEFAULT_EXACT_NAMES,
    DEFAULT_PREFIXES,
    DEFAULT_SUFFIXES,
    SecretBrokerPolicy,
    hash_name,
    is_allowlisted,
    is_listed_name,
    name_for_hash,
)


def is_secret_name(name, broker=DEFAULT_BROKER):
    """A secret by its name: on a list, and not let through on purpose."""
    return is_listed_name(name, broker) and not is_allowlisted(name, broker)


def sha256_hex(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_default_lists_have_the_runbooks_count():
    counts = (len(DEFAULT_EXACT_NAMES), len(DEFAULT_SUFFIXES), len(DEFAULT_PREFIXES))
    assert counts == (26, 11, 2)


@pytest.mark.parametrize(
    "name",
    [
        "DATABASE_URL",
        "REDIS_URL",
        "MONGODB_URI",
        "PRIVATE_KEY",
        "HF_TOKEN",
        "AZURE_OPENAI_API_KEY",
        "MY_THING_PASSWD",
        "BASIC_AUTH",
        "AWS_SECRET_ANYTHING",
        "AWS_SESSION_ID",
        "_TOKEN",
    ],
)
@pytest.mark.parametrize("spelling", [str.upper, str.lower, str.title])
def test_listed_names_are_secret_in_any_case(name, spelling):
    assert is_secret_name(spelling(name))


@pytest.mark.parametrize(
    "name",
    ["PATH", "HOME", "", "  ", "TOKEN", "API_KEY", "TOKENS", "AWS_REGION", "MY_TOKENS"],
)
def test_other_names_are_no_secret(name):
    assert not is_secret_name(name)


def test_disclosure_allowlist_wins_over_every_list():
    allowed = ["database_url", "My_Api_Key", "AWS_SECRET_X"]
    broker = SecretBrokerPolicy(disclosure_allowlist=frozenset(allowed))
    for name in allowed:
        assert is_listed_name(name, broker)
        assert not is_secret_name(name, broker)
    assert is_secret_name("OTHER_API_KEY", broker)


def test_configuration_replaces_each_list():
    broker = SecretBrokerPolicy(
        exact_names=frozenset({"only_this"}),
        suffixes=frozenset({"_hush"}),
        prefixes=frozenset(),
    )
    assert is_secret_name("ONLY_THIS", broker)
    assert is_secret_name("my_HUSH", broker)
    assert not is_secret_name("GH_TOKEN", broker)
    assert not is_secret_name("AWS_SECRET_X", broker)


def test_empty_suffix_or_prefix_does_not_match_everything():
    broker = SecretBrokerPolicy(suffixes=frozenset({""}), prefixes=frozenset({" "}))
    assert not is_secret_name("PATH", broker)


@pytest.mark.parametrize("name", sorted(DEFAULT_EXACT_NAMES))
def test_every_listed_name_is_found_by_its_hash(name):
    assert name_for_hash(sha256_hex(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        "SLACK_BOT_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "STRIPE_SECRET_KEY",
        "POSTGRES_PASSWORD",
        "DJANGO_SECRET_KEY",
        "github_token",
    ],
)
def test_common_names_are_found_by_their_hash(name):
    assert name_for_hash(sha256_hex(name)) == name
    assert name_for_hash(sha256_hex(name).upper()) == name


@pytest.mark.parametrize("name_hash", ["", "[REDACTED]", sha256_hex("PATH"), "é"])
def test_unknown_hashes_stand_for_no_name(name_hash):
    assert name_for_hash(name_hash) is None


def test_a_brokers_own_names_are_found_by_their_hash():
    broker = SecretBrokerPolicy(
        exact_names=frozenset({"HOUSE_KEY"}),
        disclosure_allowlist=frozenset({"PASSED_ON"}),
    )
    assert name_for_hash(sha256_hex("HOUSE_KEY"), broker) == "HOUSE_KEY"
    assert name_for_hash(sha256_hex("PASSED_ON"), broker) == "PASSED_ON"
    assert name_for_hash(sha256_hex("HOUSE_KEY")) is None


def test_dictionary_knows_thousands_of_names_and_each_is_listed():
    from policy.rules import secrets

    names = secrets._name_dictionary(DEFAULT_BROKER)
    assert len(names) > 5_000
    assert all(is_listed_name(name) for name in names.values())


@given(st.text(max_size=40))
def test_hash_is_that_of_the_evidence_format(name):
    assert hash_name(name) == sha256_hex(name)
