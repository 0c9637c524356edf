"""What holds of the findings of every class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.findings import CaseEvidence, FindingSeverity, findings_for
from tests.incidents.findings.bundles import (
    VECTORS,
    load_vector,
    make_bundle,
    make_entry,
    resolve,
)
from tests.incidents.workflow.test_playbooks import CATEGORIES, load

NAMES = [
    path.name.removesuffix(".json")
    for path in sorted(Path(VECTORS).glob("*.json"))
    if not path.name.startswith("refused-")
    and ".expected." not in path.name
    and (VECTORS / path.name.replace(".json", ".expected.json")).exists()
]
JUNK = st.sampled_from([None, True, -1, 1e308, "", "x", [], [[]], {}, {"a": 1}])


@pytest.mark.parametrize("code", CATEGORIES)
@pytest.mark.parametrize("name", NAMES)
def test_every_vector_gets_answers_that_point_at_its_records(
    code: str, name: str
) -> None:
    document, report = load_vector(name)
    findings = findings_for(CATEGORIES[code], CaseEvidence(document, report))
    assert findings
    items = {item.key for item in load(code).checklist}
    for finding in findings:
        assert finding.playbook_item in items
        assert finding.title
        assert finding.detail
        assert len(finding.evidence_refs) <= 50
        for path in finding.evidence_refs:
            resolve(document, path)


def test_category_of_a_teams_own_has_no_answers() -> None:
    assert findings_for("team_alert", CaseEvidence(make_bundle())) == []


def test_without_a_report_nothing_is_said_of_integrity() -> None:
    assert findings_for("ledger_integrity", CaseEvidence(make_bundle())) == []


@pytest.mark.parametrize("category", CATEGORIES.values())
def test_other_extensions_are_left_out(category: str) -> None:
    document, report = load_vector("plain")
    findings = findings_for(
        category,
        CaseEvidence(document, report, extension_ids=frozenset({"nobody"})),
    )
    if category != "ledger_integrity":
        assert {f.severity for f in findings} == {FindingSeverity.INFO}


@pytest.mark.parametrize("category", CATEGORIES.values())
def test_long_lists_are_cut_and_counted(category: str) -> None:
    bundle = make_bundle(
        [
            make_entry(call_id=f"c{n}", outcome="executed", triggers=["x"])
            for n in range(300)
        ],
        security_alerts=[
            {"category": category, "call_id": f"c{n}", "extension_id": f"e{n}"}
            for n in range(300)
        ],
    )
    report = {"chain_valid": True, "trusted_prefix": 300}
    findings = findings_for(category, CaseEvidence(bundle, report))
    assert max(finding.count for finding in findings) == 300
    assert all(len(finding.evidence_refs) <= 50 for finding in findings)
    assert all(len(finding.detail) < 1000 for finding in findings)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for name in value:
            found += _places(value[name], (*path, name))
    elif isinstance(value, list):
        for index in range(min(len(value), 4)):
            found += _places(value[index], (*path, index))
    return found


SMALL = make_bundle(
    [make_entry(outcome="executed", triggers=["quarantined_extension"])] * 2,
    security_alerts=[{"category": "quota_breach", "extension_id": "node-tools"}],
    hostcall_telemetry=[
        {
            "ts_ms": 1,
            "extension_id": "node-tools",
            "call_id": "call-1",
            "capability": "read",
            "method": "exec",
            "required_capability": "exec",
            "latency_ms": 3,
            "outcome": "executed",
            "memory_mb": 300.5,
        }
    ],
    exec_mediation=[{"extension_id": "node-tools", "decision": "allow"}],
    secret_broker=[
        {
            "extension_id": "node-tools",
            "name_hash": "0" * 64,
            "exposure_path": "exec",
            "redacted": False,
            "reason": "odd",
        }
    ],
    quota_breaches=[
        {
            "ts_ms": 1,
            "extension_id": "node-tools",
            "resource": "max_memory_mb",
            "limit": 256,
            "actual": 300,
        }
    ],
)
PLACES = _places(SMALL)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), JUNK), max_size=4),
    st.sampled_from(sorted(CATEGORIES.values())),
)
def test_no_faulty_record_raises(
    changes: list[tuple[tuple[Any, ...], Any]], category: str
) -> None:
    bundle = json.loads(json.dumps(SMALL))
    for path, junk in changes:
        place = bundle
        try:
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = junk
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    report = {"chain_valid": False, "trusted_prefix": 1, "break_index": 1}
    for finding in findings_for(category, CaseEvidence(bundle, report)):
        assert finding.detail
