"""Redaction: what is replaced, what still gives it away, and what searching costs."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.format import (
    PLACEHOLDER,
    REDACTION_FLAGS,
    DocumentRefused,
    IncidentBundleRedactionPolicy,
    serialize_document,
    verify_document,
)
from evidence.format.leaks import (
    _COMPARED_LENGTH,
    SEARCHED_LENGTH,
    HiddenMembers,
    _holds_value,
    _index,
    find_spelled_out,
)
from evidence.format.names import REDACTED_MEMBERS
from evidence.format.summary import sections_of
from tests.work import at_most

from . import reference
from .samples import FULL, build, hex_of, make_source

SOURCE = make_source()


def leaks_of(
    document: dict[str, Any], source: dict[str, Any] | None = SOURCE
) -> list[tuple[str, str]]:
    flags = tuple(flag for flag in REDACTION_FLAGS if document["redaction"][flag])
    members = HiddenMembers(flags)
    for section, records in sections_of(document).items():
        members.hear(section, records, 0)
    found = [*members.leaks(), *find_spelled_out(document, flags, source)]
    return [(leak.path, leak.kind.value) for leak in found]


@pytest.mark.parametrize("flag", REDACTION_FLAGS)
def test_flag_replaces_its_members_and_no_others(flag):
    built = build(SOURCE, IncidentBundleRedactionPolicy.from_flags([flag]))
    for each, places in REDACTED_MEMBERS.items():
        for section, member in places:
            ledger = section == "risk_ledger"
            records = built[section]["entries"] if ledger else built[section]
            hidden = [record[member] == PLACEHOLDER for record in records]
            assert hidden
            assert all(hidden) is (each == flag)


def test_fully_redacted_bundle_passes_with_its_source_at_hand():
    built = build(SOURCE, FULL)
    report = verify_document(
        serialize_document(built), source=serialize_document(SOURCE)
    )
    assert report.valid
    assert leaks_of(built) == []


def test_building_leaves_the_source_as_it_was():
    before = copy.deepcopy(SOURCE)
    build(SOURCE, FULL, extension_id="pi-weather")
    assert before == SOURCE


@pytest.mark.parametrize("flag", REDACTION_FLAGS)
def test_member_that_was_not_replaced_is_a_leak_even_without_the_source(flag):
    built = build(SOURCE, FULL)
    section, member = REDACTED_MEMBERS[flag][0]
    ledger = section == "risk_ledger"
    records = built[section]["entries"] if ledger else built[section]
    where = f"$.{section}.entries" if ledger else f"$.{section}"
    records[0][member] = "anything else"
    assert leaks_of(built, None) == [(f"{where}[0].{member}", "not_redacted")]


def test_value_inside_a_longer_text_is_a_leak():
    built = build(SOURCE, FULL)
    secret = SOURCE["security_alerts"][3]["context_hash"]
    built["security_alerts"][1]["summary"] = f"see {secret}."
    assert leaks_of(built) == [("$.security_alerts[1].summary", "raw_value")]


def test_name_spelled_as_a_word_is_a_leak_and_within_a_word_is_none():
    built = build(SOURCE, FULL)
    built["security_alerts"][0]["summary"] = "read $DATABASE_URL twice"
    built["security_alerts"][1]["summary"] = "MY_DATABASE_URL2 is another name"
    assert leaks_of(built) == [("$.security_alerts[0].summary", "name_spelled")]


def test_short_value_leaks_as_a_whole_string_only():
    source = copy.deepcopy(SOURCE)
    source["security_alerts"][0]["remediation"] = "revoke"
    built = build(source, FULL)
    built["security_alerts"][1]["summary"] = "revoke"
    built["security_alerts"][2]["summary"] = "revoke it"
    assert leaks_of(built, source) == [("$.security_alerts[1].summary", "raw_value")]


def test_value_of_eight_characters_is_looked_for_inside_text():
    source = copy.deepcopy(SOURCE)
    source["security_alerts"][0]["remediation"] = "12345678"
    built = build(source, FULL)
    built["security_alerts"][1]["summary"] = "x12345678x"
    assert leaks_of(built, source) == [("$.security_alerts[1].summary", "raw_value")]


def test_name_of_an_unknown_member_is_searched_and_of_a_known_one_is_not():
    source = copy.deepcopy(SOURCE)
    source["security_alerts"][0]["remediation"] = "remediation"
    source["secret_broker"][0]["name_hash"] = hex_of("resource")
    built = build(source, FULL)
    built["quota_breaches"][0][f"x {SOURCE['exec_mediation'][0]['command_hash']}"] = 1
    found = leaks_of(built, source)
    assert len(found) == 1
    assert found[0][0].startswith("$.quota_breaches[0]['x ")
    assert found[0][1] == "raw_value"


def test_placeholder_gives_nothing_away():
    source = copy.deepcopy(SOURCE)
    source["security_alerts"][0]["remediation"] = "REDACTED"
    source["secret_broker"][0]["name_hash"] = hex_of("REDACTED")
    assert leaks_of(build(source, FULL), source) == []


def test_value_of_a_record_outside_the_filter_still_is_a_leak():
    built = build(SOURCE, FULL, extension_id="pi-weather")
    theirs = [a for a in SOURCE["security_alerts"] if a["extension_id"] != "pi-weather"]
    built["security_alerts"][0]["summary"] = theirs[0]["context_hash"]
    assert leaks_of(built) == [("$.security_alerts[0].summary", "raw_value")]


def test_source_that_is_no_bundle_is_refused_as_the_source():
    with pytest.raises(DocumentRefused, match="in the source") as caught:
        verify_document(serialize_document(build(SOURCE, FULL)), source=b"{}")
    assert caught.value.code == "source_refused"


texts = st.text("abc_ ", max_size=14)


@settings(max_examples=300, deadline=None)
@given(st.lists(texts, max_size=8), st.lists(texts, min_size=1, max_size=6))
def test_search_finds_what_looking_one_by_one_finds(values, summaries):
    source = copy.deepcopy(SOURCE)
    hashes = [hashlib.sha256(value.encode()).hexdigest() for value in values[:2]]
    source["security_alerts"] = [
        {"remediation": value, "context_hash": 5} for value in values
    ]
    source["secret_broker"] = [{"name_hash": each} for each in hashes]
    source["exec_mediation"] = source["hostcall_telemetry"] = []
    built = build(source, FULL)
    built["quota_breaches"] = [{"resource": text} for text in summaries]
    replaced = {entry["params_hash"] for entry in source["risk_ledger"]["entries"]}
    wanted = reference.find_leaks(built, {*replaced, *values, *hashes}, set(hashes))
    assert leaks_of(built, source) == wanted


@pytest.mark.parametrize("shape", ["many values", "one beginning", "one letter"])
def test_search_costs_no_product_of_both_documents(shape):
    count = 20_000
    make = {
        "many values": lambda n: hex_of(str(n)),
        "one beginning": lambda n: f"same beginning {n:06}",
        "one letter": lambda n: "a" * (40 + n % 500) + f"{n:06}",
    }[shape]
    source = copy.deepcopy(SOURCE)
    source["security_alerts"] = [{"remediation": make(n)} for n in range(count)]
    built = build(source, FULL)
    near_misses = "same beginning x" * 10_000 + "a" * 100_000
    built["quota_breaches"] = [{"resource": near_misses}]
    with at_most(20 * (count + len(near_misses))):
        leaks_of(built, source)


def test_of_a_huge_value_of_one_letter_only_the_beginning_is_compared():
    by_head = _index(["a" * 3_000_000 + "b"])
    assert by_head == {"a" * SEARCHED_LENGTH: ["a" * _COMPARED_LENGTH]}
    assert not _holds_value("a" * 4000 + "c" * 100_000, by_head)
    assert _holds_value("a" * 3_000_000, by_head)
