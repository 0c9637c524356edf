"""INC-3: the break, the diagnosis, and what still holds."""

from __future__ import annotations

import pytest

from incidents.findings import FindingSeverity, find_ledger_faults
from tests.incidents.findings.bundles import by_key, load_vector

BROKEN = [
    "corrupt-one-entry",
    "corrupt-two-entries",
    "hole-no-filter",
    "ledger-corrupt",
    "malformed-entries",
    "malformed-entry",
    "prev-null-midway",
    "tampered-count",
    "tampered-duplicate",
    "tampered-head-tail",
    "tampered-inserted",
    "tampered-rehashed-entry",
    "tampered-removed-entry",
    "tampered-removed-relinked",
    "tampered-swapped",
    "ledger-schema",
]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_ledger_is_explained_from_its_report(name: str) -> None:
    document, report = load_vector(name)
    assert report["chain_valid"] is False
    found = by_key(find_ledger_faults(document, ledger_report=report))
    assert found["verification-errors"].count == len(report["verification_errors"])
    assert f"diagnosis-{report['diagnosis']}" in found
    if name in ("tampered-count", "tampered-head-tail", "ledger-schema"):
        assert "own members contradict" in found["break-point"].title
    else:
        assert f"entry {report['break_index']} " in found["break-point"].title
    assert found["trusted-prefix"].count == report["trusted_prefix"]


def test_corruption_weighs_less_than_tampering() -> None:
    severities = {}
    for name in ("corrupt-one-entry", "tampered-swapped"):
        document, report = load_vector(name)
        found = by_key(find_ledger_faults(document, ledger_report=report))
        severities[name] = found[f"diagnosis-{report['diagnosis']}"].severity
    assert severities == {
        "corrupt-one-entry": FindingSeverity.ERROR,
        "tampered-swapped": FindingSeverity.CRITICAL,
    }


def test_entries_from_the_break_on_are_to_be_evaluated_again() -> None:
    document, report = load_vector("corrupt-one-entry")
    found = by_key(find_ledger_faults(document, ledger_report=report))
    assert found["break-point"].evidence_refs == ("$.risk_ledger.entries[37]",)
    assert "(sequence 38)" in found["break-point"].title
    assert found["trusted-prefix"].evidence_refs == ("$.risk_ledger.entries[36]",)
    assert found["untrusted-entries"].count == 83
    assert found["untrusted-entries"].detail.endswith("executed: 54, blocked: 29")


def test_ledger_by_itself_is_pointed_at_by_its_own_paths() -> None:
    document, report = load_vector("ledger-corrupt")
    found = by_key(find_ledger_faults(document, ledger_report=report))
    assert found["break-point"].evidence_refs[0].startswith("$.entries[")


def test_wrong_artifact_members_are_pointed_at_themselves() -> None:
    document, report = load_vector("tampered-head-tail")
    found = by_key(find_ledger_faults(document, ledger_report=report))
    refs = found["verification-errors"].evidence_refs
    assert set(refs) <= {
        "$.risk_ledger.head_ledger_hash",
        "$.risk_ledger.tail_ledger_hash",
    }


def test_break_at_the_first_entry_leaves_nothing() -> None:
    report = {
        "chain_valid": False,
        "verification_errors": [
            {"index": 0, "sequence": 1, "code": "hash_mismatch"},
        ],
        "break_index": 0,
        "trusted_prefix": 0,
        "diagnosis": "corruption",
    }
    document = {"risk_ledger": {"entries": [{"outcome": "executed"}]}}
    found = by_key(find_ledger_faults(document, ledger_report=report))
    assert found["trusted-prefix"].evidence_refs == ()
    assert "no history holds" in found["trusted-prefix"].detail
    assert found["untrusted-entries"].count == 1


def test_flag_of_the_document_is_not_asked() -> None:
    document, report = load_vector("summary-claims-valid")
    assert document["summary"]["ledger_chain_valid"] is True
    assert report["chain_valid"] is False
    assert "ledger-intact" not in by_key(
        find_ledger_faults(document, ledger_report=report)
    )


def test_intact_ledger_says_so() -> None:
    document, report = load_vector("plain")
    (finding,) = find_ledger_faults(document, ledger_report=report)
    assert (finding.key, finding.count) == ("ledger-intact", 120)
