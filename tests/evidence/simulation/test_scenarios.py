"""Each scenario tells its story, and verifying it finds what it is about."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from evidence.format import serialize_document, verify_document
from evidence.simulation import SCENARIOS, UnknownScenario, simulate_document

CALLS = 300
SOUND = ("clean", "inc-1", "inc-2", "inc-4", "inc-5", "inc-6")
ALERT_OF = {
    "inc-1": "policy_violation",
    "inc-2": "secret_exposure",
    "inc-3": "ledger_integrity",
    "inc-4": "scanner_bypass",
    "inc-5": "quarantine_escape",
    "inc-6": "quota_breach",
}
DIAGNOSIS_OF = {
    "inc-3": "tampering",
    "tampered-entry": "tampering",
    "tampered-removed": "tampering",
    "tampered-swapped": "tampering",
    "corrupt-entry": "corruption",
    "corrupt-member": "corruption",
}


def verify(scenario: str, *, calls: int = CALLS, seed: int = 7) -> dict[str, Any]:
    document = simulate_document(calls=calls, seed=seed, scenario=scenario)
    return verify_document(serialize_document(document)).report.as_dict()


@pytest.mark.parametrize("scenario", SOUND)
def test_sound_scenario_verifies_in_every_step(scenario: str) -> None:
    report = verify(scenario)
    assert report["valid"], report["steps"]
    assert report["ledger"]["entry_count"] == CALLS


@pytest.mark.parametrize("scenario", SOUND)
@pytest.mark.parametrize("calls", [1, 2, 10])
def test_shortest_runs_are_sound_too(scenario: str, calls: int) -> None:
    assert verify(scenario, calls=calls)["valid"]


@pytest.mark.parametrize(("scenario", "diagnosis"), DIAGNOSIS_OF.items())
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_spoiled_ledger_gets_its_diagnosis(
    scenario: str, diagnosis: str, seed: int
) -> None:
    report = verify(scenario, seed=seed)
    assert not report["valid"]
    assert report["ledger"]["diagnosis"] == diagnosis
    assert 0 < report["ledger"]["trusted_prefix"] < CALLS


def test_false_summary_fails_only_the_summary() -> None:
    steps = verify("tampered-summary")["steps"]
    assert [name for name, result in steps.items() if result == "fail"] == [
        "summary_counts"
    ]


def test_change_after_sealing_fails_only_the_seal() -> None:
    steps = verify("tampered-seal")["steps"]
    assert [name for name, result in steps.items() if result == "fail"] == [
        "bundle_hash"
    ]


@pytest.mark.parametrize(("scenario", "category"), ALERT_OF.items())
def test_incident_raises_the_alert_of_its_class(scenario: str, category: str) -> None:
    document = simulate_document(calls=CALLS, seed=3, scenario=scenario)
    assert category in {alert["category"] for alert in document["security_alerts"]}


def test_unauthorized_use_shows_a_denied_call_executed() -> None:
    document = simulate_document(calls=CALLS, seed=3, scenario="inc-1")
    assert any(
        entry["policy_decision"] == "deny" and entry["outcome"] == "executed"
        for entry in document["risk_ledger"]["entries"]
    )


def test_clean_run_executes_nothing_that_was_denied() -> None:
    document = simulate_document(calls=2_000, seed=3)
    assert not any(
        entry["policy_decision"] == "deny" and entry["outcome"] == "executed"
        for entry in document["risk_ledger"]["entries"]
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_same_seed_gives_the_same_bytes_and_another_other_ones(scenario: str) -> None:
    def made(seed: int) -> bytes:
        return serialize_document(
            simulate_document(calls=60, seed=seed, scenario=scenario)
        )

    assert made(5) == made(5)
    assert made(5) != made(6)


def test_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(UnknownScenario, match="choose one of clean, inc-1"):
        simulate_document(calls=5, scenario="inc-9")


def test_command_writes_a_document_that_verifies(tmp_path: Path) -> None:
    output = tmp_path / "bundle.json.gz"
    call_command("simulate", "--calls", "50", "--seed", "4", "-o", str(output))
    document = json.loads(gzip.decompress(output.read_bytes()))
    assert len(document["risk_ledger"]["entries"]) == 50


def test_command_refuses_no_calls_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="at least 1 call"):
        call_command("simulate", "--calls", "0", "-o", str(tmp_path / "x.json"))
    with pytest.raises(CommandError, match="Cannot write"):
        call_command("simulate", "-o", str(tmp_path / "none" / "x.json"))
