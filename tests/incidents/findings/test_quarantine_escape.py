"""INC-5: calls in quarantine, by the trust history and by the runtime's own word."""

from __future__ import annotations

import json

import pytest

from incidents.findings import FindingSeverity, QuarantinePeriod, find_quarantine_escape
from policy.rules.runtime_history import parse_runtime_history
from policy.rules.trust_replay import replay_runtime_history
from tests.incidents.findings.bundles import (
    START_MS,
    by_key,
    load_vector,
    make_bundle,
    make_entry,
)

QUARANTINE = QuarantinePeriod("node-tools", START_MS)


def executed(ts_ms: object = START_MS, **members: object) -> dict[str, object]:
    return make_entry(ts_ms=ts_ms, outcome="executed", **members)


@pytest.mark.parametrize(
    ("ts_ms", "end_ms", "escaped"),
    [
        (START_MS - 1, None, False),
        (START_MS, None, True),
        (START_MS + 10**9, None, True),
        (START_MS + 999, START_MS + 1000, True),
        (START_MS + 1000, START_MS + 1000, False),
    ],
)
def test_call_counts_from_the_quarantine_to_the_promotion(
    ts_ms: int, end_ms: int | None, escaped: bool
) -> None:
    period = QuarantinePeriod("node-tools", START_MS, end_ms)
    found = by_key(
        find_quarantine_escape(make_bundle([executed(ts_ms)]), quarantines=[period])
    )
    assert ("executed-in-quarantine" in found) is escaped
    assert ("quarantine-held" in found) is not escaped


def test_other_extensions_are_not_in_quarantine() -> None:
    bundle = make_bundle([executed(extension_id="pi-weather")])
    found = by_key(find_quarantine_escape(bundle, quarantines=[QUARANTINE]))
    assert "executed-in-quarantine" not in found


def test_blocked_calls_are_the_gate_at_work() -> None:
    bundle = make_bundle([make_entry(), make_entry(), executed()])
    found = by_key(find_quarantine_escape(bundle, quarantines=[QUARANTINE]))
    escape = found["executed-in-quarantine"]
    assert escape.severity is FindingSeverity.CRITICAL
    assert escape.count == 1
    assert escape.evidence_refs == ("$.risk_ledger.entries[2]",)
    assert "2 others were not executed" in escape.detail


def test_second_quarantine_counts_as_well() -> None:
    periods = [
        QuarantinePeriod("node-tools", START_MS, START_MS + 10),
        QuarantinePeriod("node-tools", START_MS + 100),
    ]
    bundle = make_bundle([executed(START_MS + t) for t in (5, 50, 150)])
    found = by_key(find_quarantine_escape(bundle, quarantines=periods))
    assert found["executed-in-quarantine"].count == 2


def test_entry_without_a_time_is_not_placed() -> None:
    bundle = make_bundle([executed("soon")])
    found = by_key(find_quarantine_escape(bundle, quarantines=[QUARANTINE]))
    assert found["quarantine-held"].count == 0


def test_vector_escape_is_seen_both_ways() -> None:
    document, report = load_vector("quarantine-escape")
    entries = document["risk_ledger"]["entries"]
    marked = [e for e in entries if "quarantined_extension" in e["triggers"]]
    (extension,) = {entry["extension_id"] for entry in marked}
    period = QuarantinePeriod(extension, marked[0]["ts_ms"])
    found = by_key(
        find_quarantine_escape(document, quarantines=[period], ledger_report=report)
    )
    assert found["runtime-names-quarantine"].count == len(marked) == 18
    assert found["executed-in-quarantine"].count == 18
    assert found["quarantine-escape-alerts"].count == 18
    assert "untrusted" not in found["executed-in-quarantine"].detail


def test_moves_that_the_rules_refuse_are_findings() -> None:
    lines = [
        {"from": "unknown", "to": "quarantined", "reason": "r", "operator": "op"},
        {"from": "quarantined", "to": "active", "reason": "", "operator": ""},
        {"activated": False, "from": "quarantined", "to": "quarantined"},
    ]
    text = "\n".join(
        json.dumps({"extension": "node-tools", "time": START_MS + n, **line})
        for n, line in enumerate(lines)
    )
    history = parse_runtime_history(text.encode())
    trust_findings = replay_runtime_history(history.records)
    found = by_key(find_quarantine_escape(make_bundle(), trust_findings=trust_findings))
    escape = found["history-quarantine-escape"]
    assert escape.severity is FindingSeverity.CRITICAL
    assert escape.playbook_item == "check-trust-transitions"
    assert escape.evidence_refs == ("line 2",)
    lifted = [f for f in found.values() if f.playbook_item == "check-kill-switch"]
    assert lifted
    assert all(f.severity is FindingSeverity.ERROR for f in lifted)
