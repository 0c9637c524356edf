"""INC-4: what ran, and what a line-reading scanner does not see."""

from __future__ import annotations

from incidents.findings import FindingSeverity, find_scanner_bypass
from policy.scanner.report import scan_source
from tests.incidents.findings.bundles import by_key, make_bundle, make_entry


def test_dangerous_calls_that_ran_are_pointed_at() -> None:
    bundle = make_bundle(
        [
            make_entry(),
            make_entry(outcome="executed"),
            make_entry(outcome="executed", capability="read"),
        ]
    )
    found = by_key(find_scanner_bypass(bundle))["executed-calls"]
    assert found.severity is FindingSeverity.ERROR
    assert found.title == "2 calls executed, 1 of a dangerous capability"
    assert found.evidence_refs == ("$.risk_ledger.entries[1]",)
    assert found.detail == "exec: 1, read: 1."


def test_nothing_executed_is_an_answer() -> None:
    found = by_key(find_scanner_bypass(make_bundle([make_entry()])))["executed-calls"]
    assert (found.severity, found.detail) == (FindingSeverity.INFO, "none.")


def test_command_of_a_dangerous_class_let_through_is_critical() -> None:
    command = {"extension_id": "e", "command_class": None, "decision": "allow"}
    shell = {**command, "command_class": "reverse_shell", "risk_tier": "critical"}
    denied = {**shell, "decision": "deny"}
    mild = by_key(find_scanner_bypass(make_bundle(exec_mediation=[command, denied])))
    assert mild["commands-allowed"].severity is FindingSeverity.WARNING
    assert mild["commands-allowed"].count == 1
    bad = by_key(
        find_scanner_bypass(make_bundle(exec_mediation=[command, shell, denied]))
    )
    assert bad["commands-allowed"].severity is FindingSeverity.CRITICAL
    assert bad["commands-allowed"].evidence_refs == ("$.exec_mediation[1]",)
    assert "reverse_shell, risk critical" in bad["commands-allowed"].detail


def test_alerts_of_the_scanner_are_listed() -> None:
    alert = {"category": "scanner_bypass", "extension_id": "e"}
    found = by_key(find_scanner_bypass(make_bundle(security_alerts=[alert])))
    assert found["scanner-bypass-alerts"].count == 1


def test_evasion_in_the_source_is_told_with_its_form() -> None:
    source = b"const name = 'child_' + 'process';\nrequire(name).exec('ls');\n"
    scan = scan_source(source, name="index.js")
    found = by_key(find_scanner_bypass(make_bundle(), scan=scan))
    missed = found["missed-by-line-scanner"]
    assert missed.severity is FindingSeverity.CRITICAL
    assert missed.playbook_item == "check-evasion"
    assert any(ref.startswith("index.js:2:") for ref in missed.evidence_refs)
    assert found["source-entries"].count >= 1


def test_plain_source_misses_nothing() -> None:
    scan = scan_source(b"export const answer = 42;\n", name="index.js")
    found = by_key(find_scanner_bypass(make_bundle(), scan=scan))
    assert found["nothing-missed"].severity is FindingSeverity.INFO
    assert found["source-entries"].detail == "None."
