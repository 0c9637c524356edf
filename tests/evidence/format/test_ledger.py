"""Ledger verification: each fault by itself, and the corners between the rules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from evidence.format import (
    PLACEHOLDER,
    DocumentRefused,
    RuntimeRiskLedgerVerificationReport,
    hash_value,
    seal_ledger_entries,
    verify_document,
    verify_runtime_risk_ledger_artifact,
)
from evidence.format.names import ENTRY_MEMBERS
from tests.work import at_most

from .samples import hex_of, make_entry, make_ledger, reseal

Ledger = dict[str, Any]


def verify(ledger: Ledger, **options: bool) -> RuntimeRiskLedgerVerificationReport:
    return verify_runtime_risk_ledger_artifact(ledger, **options)


def faults(ledger: Ledger, **options: bool) -> list[tuple[int, str]]:
    report = verify(ledger, **options)
    return [(error.index, error.code.value) for error in report.verification_errors]


def rehash(entry: dict[str, Any], **members: Any) -> None:
    """Change an entry and give it the hash of its new content."""
    entry.update(members)
    unsealed = {name: item for name, item in entry.items() if name != "ledger_hash"}
    entry["ledger_hash"] = hash_value(unsealed)


def test_sound_ledger_is_intact():
    report = verify(make_ledger())
    assert report.chain_valid
    assert (report.diagnosis, report.trusted_prefix) == ("intact", 6)
    assert report.verified_entries == 6


def test_ring_buffer_that_dropped_its_oldest_entries_is_intact():
    assert verify(make_ledger(first=41)).diagnosis == "intact"


@pytest.mark.parametrize("member", ENTRY_MEMBERS)
def test_missing_member_is_malformed(member):
    ledger = make_ledger()
    del ledger["entries"][2][member]
    assert (2, "malformed_entry") in faults(ledger)
    assert verify(ledger).break_index == 2


WRONG_TYPES = {
    "sequence": [0, -1, 1.5, True, "1", None],
    "ts_ms": [1.5, True, "1", None],
    "risk_score": [True, "0.5", None],
    "triggers": ["x", None, [1], ["x", None]],
    "prev_ledger_hash": [1, False, []],
    "ledger_hash": [None, 1],
    "extension_id": [None, 1],
    "params_hash": [None, 1],
    "policy_decision": ["harden", "Allow", None, ["deny"]],
    "selected_action": ["prompt", "", 1],
    "outcome": ["allowed", None],
}


@pytest.mark.parametrize(
    ("member", "value"),
    [(member, value) for member, values in WRONG_TYPES.items() for value in values],
)
def test_member_of_another_type_is_malformed(member, value):
    ledger = make_ledger()
    ledger["entries"][2][member] = value
    assert faults(ledger)[0] == (2, "malformed_entry")


@pytest.mark.parametrize("value", [None, 1, "x", []])
def test_entry_that_is_no_object_is_malformed_tampering(value):
    ledger = make_ledger()
    ledger["entries"][2] = value
    report = verify(ledger)
    assert faults(ledger) == [(2, "malformed_entry")]
    assert report.diagnosis == "tampering"
    assert report.verification_errors[0].sequence is None


@pytest.mark.parametrize("index", [0, 2, 5])
def test_one_changed_entry_with_sound_links_is_corruption(index):
    ledger = make_ledger()
    ledger["entries"][index]["risk_score"] = 0.123
    assert faults(ledger) == [(index, "hash_mismatch")]
    assert verify(ledger).diagnosis == "corruption"


@pytest.mark.parametrize("index", [0, 2, 5])
def test_one_malformed_entry_with_sound_links_is_corruption(index):
    ledger = make_ledger()
    ledger["entries"][index]["risk_score"] = "high"
    assert faults(ledger) == [(index, "malformed_entry")]
    assert verify(ledger).diagnosis == "corruption"


@pytest.mark.parametrize(
    "breaking",
    [
        {"prev_ledger_hash": "0" * 64},
        {"prev_ledger_hash": None},
        {"ledger_hash": "0" * 64},
    ],
)
def test_one_malformed_entry_with_a_broken_link_is_tampering(breaking):
    ledger = make_ledger()
    ledger["entries"][2].update(breaking, risk_score="high")
    assert faults(ledger) == [(2, "malformed_entry")]
    assert verify(ledger).diagnosis == "tampering"


def test_entry_after_a_malformed_one_is_not_judged_for_order_holes_or_link():
    ledger = make_ledger()
    ledger["entries"][2]["risk_score"] = "high"
    rehash(ledger["entries"][3], sequence=50, prev_ledger_hash="elsewhere")
    found = [fault for fault in faults(ledger) if fault[0] == 3]
    assert found == []


def test_entry_after_a_malformed_one_still_is_found_to_be_a_duplicate():
    ledger = make_ledger()
    ledger["entries"][2]["risk_score"] = "high"
    rehash(ledger["entries"][3], sequence=1)
    assert (3, "duplicate_entry") in faults(ledger)


def test_sequence_of_a_malformed_entry_counts_as_seen():
    ledger = make_ledger()
    ledger["entries"][2]["risk_score"] = "high"
    ledger["entries"].append(copy.deepcopy(ledger["entries"][2]))
    ledger["entries"][-1]["risk_score"] = 0.5
    assert (6, "duplicate_entry") in faults(ledger)


def test_rewritten_and_rehashed_entry_breaks_the_next_link():
    ledger = make_ledger()
    rehash(ledger["entries"][2], outcome="executed")
    assert faults(ledger) == [(3, "prev_hash_mismatch")]
    assert verify(ledger).diagnosis == "tampering"


def test_removed_entry_leaves_a_hole():
    ledger = make_ledger()
    del ledger["entries"][2]
    ledger["entry_count"] = 5
    assert faults(ledger) == [(2, "missing_entries")]


def test_hole_is_a_gap_where_the_filter_names_an_extension():
    ledger = make_ledger()
    del ledger["entries"][2:4]
    ledger["entry_count"] = 4
    report = verify(ledger, filtered_by_extension=True)
    assert report.diagnosis == "intact"
    assert [gap.as_dict() for gap in report.gaps] == [
        {"after_sequence": 2, "before_sequence": 5}
    ]


def test_filter_explains_no_broken_link_and_no_wrong_order():
    ledger = make_ledger()
    entries = ledger["entries"]
    entries[1], entries[4] = entries[4], entries[1]
    entries[2]["prev_ledger_hash"] = "0" * 64
    codes = {code for _, code in faults(ledger, filtered_by_extension=True)}
    assert {"sequence_out_of_order", "hash_mismatch"} <= codes


def test_swapped_entries_are_a_hole_and_a_step_back():
    ledger = make_ledger()
    entries = ledger["entries"]
    entries[2], entries[3] = entries[3], entries[2]
    assert faults(ledger) == [(2, "missing_entries"), (3, "sequence_out_of_order")]


def test_link_at_sequence_1_must_be_null_and_only_there():
    first = seal_ledger_entries([make_entry(1)], prev_ledger_hash="x" * 64)
    later = seal_ledger_entries([make_entry(7)])
    assert faults(first) == faults(later) == [(0, "prev_hash_mismatch")]


def test_relinked_ledger_with_a_change_is_sound_by_itself():
    ledger = make_ledger()
    ledger["entries"][2]["outcome"] = "failed"
    assert verify(reseal(ledger)).diagnosis == "intact"


ARTIFACT_FAULTS: dict[str, tuple[Callable[[Ledger], Any], list[tuple[int, str]]]] = {
    "schema": (lambda ledger: ledger.update(schema="x"), [(0, "schema_mismatch")]),
    "no schema": (lambda ledger: ledger.pop("schema"), [(0, "schema_mismatch")]),
    "count": (
        lambda ledger: ledger.update(entry_count=7),
        [(6, "entry_count_mismatch")],
    ),
    "count is a boolean": (
        lambda ledger: ledger.update(entry_count=True),
        [(6, "entry_count_mismatch")],
    ),
    "no count": (
        lambda ledger: ledger.pop("entry_count"),
        [(6, "entry_count_mismatch")],
    ),
    "head": (
        lambda ledger: ledger.update(head_ledger_hash=None),
        [(0, "head_hash_mismatch")],
    ),
    "tail": (
        lambda ledger: ledger.update(tail_ledger_hash="x"),
        [(5, "tail_hash_mismatch")],
    ),
    "no tail": (
        lambda ledger: ledger.pop("tail_ledger_hash"),
        [(5, "tail_hash_mismatch")],
    ),
}


@pytest.mark.parametrize("name", ARTIFACT_FAULTS)
def test_artifact_member_that_lies_is_tampering(name):
    spoil, expected = ARTIFACT_FAULTS[name]
    ledger = make_ledger()
    spoil(ledger)
    assert faults(ledger) == expected
    assert verify(ledger).diagnosis == "tampering"


def test_empty_ledger_that_claims_entries_is_tampering():
    ledger = make_ledger(0) | {"entry_count": 3, "tail_ledger_hash": "x"}
    assert faults(ledger) == [(0, "entry_count_mismatch"), (0, "tail_hash_mismatch")]


def test_break_is_that_of_the_entries_where_an_artifact_member_lies_too():
    ledger = make_ledger() | {"head_ledger_hash": "x"}
    ledger["entries"][4]["risk_score"] = 0.123
    report = verify(ledger)
    assert report.break_index == 4
    assert report.diagnosis == "corruption"


def test_redacted_entries_keep_their_links():
    ledger = make_ledger()
    for entry in ledger["entries"]:
        entry["params_hash"] = PLACEHOLDER
    report = verify(ledger)
    assert (report.verified_entries, report.redacted_entries) == (0, 6)
    assert report.diagnosis == "intact"
    ledger["entries"][3]["prev_ledger_hash"] = "0" * 64
    assert faults(ledger) == [(3, "prev_hash_mismatch")]


@pytest.mark.parametrize("member", [*ENTRY_MEMBERS, "note"])
def test_change_of_any_member_is_found(member):
    ledger = make_ledger()
    for entry in ledger["entries"]:
        entry["note"] = "kept and hashed"
    ledger = reseal(ledger)
    entry = ledger["entries"][3]
    entry[member] = {
        "sequence": 9,
        "ts_ms": 1,
        "risk_score": 0.9,
        "triggers": ["x"],
        "policy_decision": "allow",
        "selected_action": "terminate",
        "outcome": "failed",
    }.get(member, "changed")
    assert not verify(ledger).chain_valid


def test_integral_float_is_the_integer_it_equals():
    ledger = make_ledger()
    ledger["entries"][1]["sequence"] = 2.0
    ledger["entry_count"] = 6.0
    assert verify(ledger).diagnosis == "intact"


@pytest.mark.parametrize("second", [10**15, 2**53, 1e300])
def test_sequence_chosen_to_make_loops_long_costs_nothing(second):
    ledger = seal_ledger_entries([make_entry(1), make_entry(2)])
    rehash(ledger["entries"][1], sequence=second)
    ledger["tail_ledger_hash"] = ledger["entries"][1]["ledger_hash"]
    with at_most(5_000):
        assert faults(ledger) == [(1, "missing_entries")]


def test_text_that_looks_like_structure_does_not_mislead_the_splice():
    entries = [
        make_entry(1, note='},{"ledger_hash":"' + hex_of("x") + '"'),
        make_entry(2, note={"a": 1, "ledger_hash": hex_of("y")}),
        make_entry(3, note=[{"a": 1}, {"b": 2}]),
        make_entry(4, call_id=',"ledger_hash":"'),
    ]
    ledger = seal_ledger_entries(entries)
    report = verify_document(serialized(ledger)).report
    assert isinstance(report, RuntimeRiskLedgerVerificationReport)
    assert report.diagnosis == "intact"
    ledger["entries"][1]["note"]["ledger_hash"] = hex_of("z")
    again = verify_document(serialized(ledger)).report
    assert isinstance(again, RuntimeRiskLedgerVerificationReport)
    assert [error.index for error in again.verification_errors] == [1]


def test_pieces_are_not_mixed_up_where_an_entry_is_no_object():
    ledger = make_ledger()
    ledger["entries"][1] = [1]
    ledger["entries"][3]["call_id"] = "},{"
    report = verify_document(serialized(ledger)).report
    assert isinstance(report, RuntimeRiskLedgerVerificationReport)
    assert report.as_dict() == verify(ledger).as_dict()
    assert report.verified_entries == 4


def serialized(ledger: Ledger) -> bytes:
    from evidence.format import serialize_document

    return serialize_document(ledger)


@pytest.mark.parametrize("entries", [None, {}, "x", 1])
def test_ledger_without_an_array_of_entries_is_refused(entries):
    with pytest.raises(DocumentRefused) as caught:
        verify(make_ledger() | {"entries": entries})
    assert caught.value.path == "$.entries"


def test_every_fault_is_reported_and_in_order():
    ledger = make_ledger(12) | {"schema": "x", "entry_count": 1}
    entries = ledger["entries"]
    entries[1]["risk_score"] = 0.9
    entries[3]["outcome"] = None
    entries[6], entries[8] = entries[8], entries[6]
    entries.append(copy.deepcopy(entries[0]))
    found = faults(ledger)
    assert found == sorted(found, key=lambda fault: fault[0])
    assert found[0] == (0, "schema_mismatch")
    assert {code for _, code in found} >= {
        "hash_mismatch",
        "malformed_entry",
        "missing_entries",
        "sequence_out_of_order",
        "duplicate_entry",
        "entry_count_mismatch",
        "tail_hash_mismatch",
    }
