"""Secrets are removed from a document, noted by path, and never left in clear."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.rules.redaction import PLACEHOLDER, is_secret_member, redact_document
from tests.work import at_most

# Built here, so that no scanner takes a line of this file for a leaked key.
RANDOM = "q7Zr4Xn2Vb8Lw5Kc9Jt3Hs6Gd1Fp0Ma"
TOKENS = {
    "openai": "sk-" + RANDOM,
    "openai project": "sk-proj-" + RANDOM,
    "anthropic": "sk-ant-api03-" + RANDOM,
    "stripe": "sk_live_" + RANDOM,
    "github": "ghp_" + RANDOM,
    "github app": "ghs_" + RANDOM,
    "github fine-grained": "github_pat_" + RANDOM,
    "gitlab": "glpat-" + RANDOM,
    "npm": "npm_" + RANDOM,
    "hugging face": "hf_" + RANDOM,
    "slack": "xoxb-" + RANDOM,
    "aws": "AKIA" + "ABCDEFGH12345678",
    "google": "AIza" + RANDOM,
    "sendgrid": f"SG.{RANDOM}.{RANDOM}",
    "json web token": f"eyJ{RANDOM}.eyJ{RANDOM}.{RANDOM}",
}


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("shape", ["{}", "use {} here", "x={}", '"{}"'])
def test_tokens_are_redacted_wherever_they_stand(kind, shape):
    text = shape.format(TOKENS[kind])
    redacted, redactions = redact_document({"notes": [{"plain": text}]})
    assert redacted == {"notes": [{"plain": PLACEHOLDER}]}
    assert [(r.path, r.kind.value) for r in redactions] == [
        ("$.notes[0].plain", "token")
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nabc", "private_key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "private_key"),
        ("postgres://app:hunter2@db.internal/app", "credential_in_text"),
        ("https://:pw@host/", "credential_in_text"),
        ("Bearer abcdefgh12345", "credential_in_text"),
        ("authorization: basic QWxhZGRpbg==", "credential_in_text"),
        ("https://api.test/v1?api_key=short", "credential_in_text"),
        ("--token=short", "credential_in_text"),
        ("MY_PASSWORD=short", "credential_in_text"),
    ],
)
def test_credentials_inside_text_are_redacted(text, kind):
    redacted, redactions = redact_document({"plain": text})
    assert redacted == {"plain": PLACEHOLDER}
    assert [r.kind.value for r in redactions] == [kind]


@pytest.mark.parametrize(
    "name",
    [
        "apiKey",
        "api_key",
        "API-KEY",
        "openaiApiKey",
        "password",
        "dbPasswd",
        "secret",
        "clientSecret",
        "token",
        "GH_TOKEN",
        "authorization",
        "passphrase",
        "DATABASE_URL",
        "privateKey",
        "AWS_SESSION_ID",
    ],
)
def test_values_under_secret_names_are_redacted_whatever_they_look_like(name):
    assert is_secret_member(name)
    redacted, redactions = redact_document({name: "short", "n": {name: 1234}})
    assert redacted == {name: PLACEHOLDER, "n": {name: PLACEHOLDER}}
    assert {r.kind.value for r in redactions} == {"secret_name"}


@pytest.mark.parametrize(
    "name",
    ["profile", "tokens", "secretBroker", "author", "keyboard", "monkey", "path", ""],
)
def test_other_names_are_left_alone(name):
    document = {name: "short", "n": 5, "off": None}
    assert redact_document(document) == (document, ())


def test_booleans_null_and_empty_texts_under_secret_names_give_nothing_away():
    document = {"token": True, "password": None, "secret": ""}
    assert redact_document(document) == (document, ())


def test_everything_below_a_secret_name_is_redacted():
    redacted, _ = redact_document({"credentials": {"user": "me", "more": ["a", 1]}})
    assert redacted == {
        "credentials": {"user": PLACEHOLDER, "more": [PLACEHOLDER, PLACEHOLDER]}
    }


def test_random_text_is_redacted_under_suspicious_names_only():
    document = {"signing_key_id": RANDOM, "commit": RANDOM}
    redacted, redactions = redact_document(document)
    assert redacted == {"signing_key_id": PLACEHOLDER, "commit": RANDOM}
    assert [r.kind.value for r in redactions] == ["high_entropy"]


@pytest.mark.parametrize(
    "text", ["the quick brown fox jumps", "aaaaaaaaaaaaaaaaaaaaaaaaaa", "Zr4Xn2Vb8"]
)
def test_words_and_short_texts_under_suspicious_names_are_kept(text):
    assert redact_document({"keys": text}) == ({"keys": text}, ())


def test_value_after_a_secret_option_is_redacted():
    redacted, _ = redact_document({"args": ["--verbose", "yes", "--api-key", "abc"]})
    assert redacted == {"args": ["--verbose", "yes", "--api-key", PLACEHOLDER]}


def test_member_names_that_are_tokens_are_replaced_and_lose_no_sibling():
    token, other = TOKENS["github"], TOKENS["openai"]
    document = {token: 1, "[REDACTED]-1": 2, other: 3}
    redacted, redactions = redact_document(document)
    assert sorted(redacted.values()) == [1, 2, 3]
    assert token not in json.dumps(redacted)
    assert all(token not in r.path and other not in r.path for r in redactions)


def test_extension_names_and_broker_lists_make_nothing_a_secret():
    document = {
        "extensionPolicy": {
            "perExtension": {"my-token": {"mode": "strict", "deny": ["exec"]}},
            "secretBroker": {"disclosureAllowlist": ["GH_TOKEN", "OPENAI_API_KEY"]},
        }
    }
    assert redact_document(document) == (document, ())


def test_redacting_twice_changes_nothing_more():
    document = {"token": "abc", TOKENS["aws"]: [TOKENS["slack"]]}
    once, _ = redact_document(document)
    assert redact_document(once) == (once, ())


def test_document_given_is_not_changed():
    document = {"a": [{"token": "abc"}]}
    redact_document(document)
    assert document == {"a": [{"token": "abc"}]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values, st.sampled_from(sorted(TOKENS)), st.text(max_size=5))
def test_a_token_never_survives_wherever_it_is_put(value, kind, name):
    token = TOKENS[kind]
    redacted, redactions = redact_document({name: [value, token, {token: value}]})
    assert token not in json.dumps(redacted, ensure_ascii=False)
    assert len(redactions) >= 2
    assert all(token not in redaction.path for redaction in redactions)


@pytest.mark.parametrize(
    "piece",
    ["eyJ-", "SG.", "a", "://", "a://", "-----BEGIN ", "api_", "--a ", "sk-", "x://:"],
)
def test_a_long_hostile_text_is_redacted_in_line_with_its_length(piece):
    size = 250_000
    # A pattern that goes over the text once a place would not end in an hour.
    with at_most(10 * size):
        redact_document({"plain": piece * (size // len(piece))})
