"""INC-2: which known names passed, to whom, by which path, and what let them."""

from __future__ import annotations

from typing import Any

import pytest

from policy.rules.secrets import hash_name
from tests.incidents.findings.bundles import (
    CLEAR,
    FOUND,
    START_MS,
    UNKNOWN,
    ask,
    calls,
    corrupted,
    entry,
    make_bundle,
    redacted,
    verdicts,
    without,
)

EXPOSED, OFF, GAP = "secret-exposed", "broker-off", "pattern-gap"


def settings(**broker: Any) -> dict[str, Any]:
    return {"extensionPolicy": {"profile": "safe", "secretBroker": broker}}


def passed(
    name: str = "DATABASE_URL", number: int = 3, **members: Any
) -> dict[str, Any]:
    return {
        "ts_ms": START_MS + number * 1000,
        "extension_id": "ext",
        "call_id": f"call-{number}",
        "name_hash": hash_name(name),
        "exposure_path": "env.read",
        "redacted": False,
        "reason": "unclassified",
        **members,
    }


def bundle_of(*records: dict[str, Any], **members: Any) -> dict[str, Any]:
    return make_bundle(secret_broker=list(records), **members)


@pytest.mark.parametrize(
    ("name", "caught"),
    [
        ("DATABASE_URL", "exact name DATABASE_URL"),
        ("database_url", "exact name DATABASE_URL"),
        ("STRIPE_SECRET_KEY", "suffix _SECRET_KEY"),
        ("AWS_SESSION_TOKEN", "suffix _TOKEN"),
        ("AWS_SECRET_ID", "prefix AWS_SECRET_"),
    ],
)
def test_a_listed_name_that_passed_is_found_by_its_hash(name: str, caught: str) -> None:
    found = ask("INC-2", bundle_of(passed(name)), settings=settings())[EXPOSED]
    assert found.verdict is FOUND
    assert calls(found) == {"call-3"}
    for words in (name, "ext", "env.read", caught, f"Rotate {name}"):
        assert words in found.sentence


def test_first_last_and_how_often_are_told() -> None:
    records = [passed(number=n) for n in (2, 3, 4)]
    found = ask("INC-2", bundle_of(*records), settings=settings())[EXPOSED]
    assert "3 times, first 2026-08-17" in found.sentence


@pytest.mark.parametrize(
    ("record", "options"),
    [
        (passed(redacted=True), {}),
        (passed("HOME", reason="not_secret"), {}),
        (passed("HOME"), {}),
        (passed("SOMETHING_ODD", reason="not_secret"), {}),
        (passed(reason="allowlisted"), {"disclosureAllowlist": ["DATABASE_URL"]}),
        (passed(), {"disclosureAllowlist": ["database_url"]}),
    ],
)
def test_withheld_harmless_and_disclosed_on_purpose_are_clear(
    record: dict[str, Any], options: dict[str, Any]
) -> None:
    answers = ask("INC-2", bundle_of(record), settings=settings(**options))
    assert set(verdicts(answers).values()) == {CLEAR}


def test_the_entry_that_disclosed_on_purpose_is_named() -> None:
    answers = ask(
        "INC-2",
        bundle_of(passed(reason="allowlisted")),
        settings=settings(disclosureAllowlist=["DATABASE_URL"]),
    )
    assert "entry of disclosureAllowlist" in answers[GAP].sentence
    assert "DATABASE_URL" in answers[GAP].sentence


def test_what_the_record_calls_allowlisted_and_the_settings_do_not_is_found() -> None:
    bundle = bundle_of(passed(reason="allowlisted"))
    assert ask("INC-2", bundle, settings=settings())[EXPOSED].verdict is FOUND
    alone = ask("INC-2", bundle)
    assert alone[EXPOSED].verdict is CLEAR
    assert alone[GAP].verdict is UNKNOWN


def test_a_blocked_call_got_nothing() -> None:
    calls_of = [entry(n) for n in range(1, 6)]
    calls_of[2] = entry(3, outcome="blocked", selected_action="deny")
    bundle = make_bundle(calls_of, secret_broker=[passed()])
    assert ask("INC-2", bundle, settings=settings())[EXPOSED].verdict is CLEAR


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (
            passed(name_hash="0" * 64),
            "which names are behind the name_hash 000000000000",
        ),
        (passed(name_hash=None), "without a name_hash"),
        (passed(redacted="false"), "cannot be read"),
        (passed(redacted=None), "cannot be read"),
    ],
)
def test_a_name_that_nobody_can_tell_is_unknown(
    record: dict[str, Any], why: str
) -> None:
    found = ask("INC-2", bundle_of(record), settings=settings())[EXPOSED]
    assert found.verdict is UNKNOWN
    assert why in found.sentence


def test_a_name_that_an_alert_spells_is_known() -> None:
    name = "ACME_INTERNAL_THING_SECRET"
    bundle = bundle_of(passed(name))
    assert ask("INC-2", bundle, settings=settings())[EXPOSED].verdict is UNKNOWN
    alert = {"category": "secret_exposure", "summary": f"{name} reached it."}
    bundle = bundle_of(passed(name), security_alerts=[alert])
    assert name in ask("INC-2", bundle, settings=settings())[EXPOSED].sentence


def test_redacted_names_are_unknown_and_other_redactions_change_nothing() -> None:
    bundle = bundle_of(passed())
    hidden = ask("INC-2", redacted(bundle, "redact_name_hash"), settings=settings())
    assert hidden[EXPOSED].verdict is UNKNOWN
    assert "redacted" in hidden[EXPOSED].sentence
    for flag in ("redact_params_hash", "redact_context_hash", "redact_remediation"):
        found = ask("INC-2", redacted(bundle, flag), settings=settings())[EXPOSED]
        assert found.verdict is FOUND
    withheld = bundle_of(passed(redacted=True))
    assert (
        ask("INC-2", redacted(withheld), settings=settings())[EXPOSED].verdict is CLEAR
    )


def test_a_broker_that_was_off_is_found_at_the_setting() -> None:
    answers = ask("INC-2", bundle_of(), settings=settings(enabled=False))
    found = answers[OFF]
    assert found.verdict is FOUND
    assert found.pointers[0].item == "settings.json"
    assert answers[EXPOSED].verdict is CLEAR
    assert ask("INC-2", bundle_of())[OFF].verdict is UNKNOWN


@pytest.mark.parametrize("word", [True, False])
def test_the_runtimes_own_word_on_the_broker_counts(word: bool) -> None:
    explanation = {"secret_broker_enabled": word}
    found = ask("INC-2", bundle_of(), settings=settings(), explanation=explanation)
    assert found[OFF].verdict is (CLEAR if word else FOUND)


def test_lists_of_the_broker_that_do_not_cover_a_name_are_found() -> None:
    answers = ask(
        "INC-2",
        bundle_of(passed(reason="not_secret")),
        settings=settings(secretExact=["OTHER"]),
    )
    assert answers[EXPOSED].verdict is FOUND
    assert answers[GAP].verdict is FOUND
    assert "DATABASE_URL: of the default lists, the exact name" in answers[GAP].sentence
    own = ask(
        "INC-2",
        bundle_of(passed("MY_OWN_THING")),
        settings=settings(secretExact=["MY_OWN_THING"]),
    )
    assert own[EXPOSED].verdict is FOUND


def test_a_missing_section_and_untrusted_records_are_unknown() -> None:
    gone = ask("INC-2", without(bundle_of(passed()), "secret_broker"))
    assert gone[EXPOSED].verdict is UNKNOWN
    after = ask("INC-2", corrupted(bundle_of(passed()), 1), settings=settings())
    assert after[EXPOSED].verdict is UNKNOWN
    before = ask("INC-2", corrupted(bundle_of(passed()), 3), settings=settings())
    assert before[EXPOSED].verdict is FOUND
    changed = {**bundle_of(passed()), "generated_at_ms": 5}
    assert ask("INC-2", changed, settings=settings())[EXPOSED].verdict is UNKNOWN


def test_an_alert_by_itself_is_not_found() -> None:
    alert = {"ts_ms": 1, "category": "secret_exposure", "call_id": "call-3"}
    answers = ask("INC-2", bundle_of(security_alerts=[alert]), settings=settings())
    assert set(verdicts(answers).values()) == {CLEAR}
