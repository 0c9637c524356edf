"""What holds of the findings of every class, and of all classes together."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.simulation import simulate_document
from incidents.findings import CODES, QUESTIONS, answer_all, shown_classes
from tests.incidents.findings.bundles import (
    FOUND,
    SAFE,
    entry,
    make_bundle,
    read,
    redacted,
    telemetry,
)
from tests.incidents.findings.test_secret_exposure import passed
from tests.incidents.workflow.test_playbooks import CATEGORIES, load

JUNK = st.sampled_from([None, True, -1, 1e308, "", "x", [], [[]], {}, {"a": 1}])
SCENARIOS = ("clean", "inc-1", "inc-2", "inc-3", "inc-5", "inc-6")


@pytest.mark.parametrize("code", CODES)
def test_every_question_is_asked_by_its_playbook(code: str) -> None:
    assert set(CODES) == set(CATEGORIES)
    items = {item.key for item in load(code).checklist}
    asked = [one for one in QUESTIONS.values() if one.code == code]
    assert asked
    assert {one.item for one in asked} <= items


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("seed", [1, 7, 23])
def test_scenarios_show_their_class_and_pointers_name_their_records(
    scenario: str, seed: int
) -> None:
    document = simulate_document(calls=200, seed=seed, scenario=scenario)
    findings = answer_all(read(document))
    shown = [one.code for one in shown_classes(findings)]
    assert (scenario.upper() in shown) is (scenario != "clean")
    for finding in findings:
        assert finding.sentence
        for pointer in finding.pointers:
            assert_resolves(document, pointer.as_dict())


def assert_resolves(document: dict[str, Any], pointer: dict[str, Any]) -> None:
    if pointer["index"] is None:
        return
    section = document[pointer["section"]]
    records = section["entries"] if pointer["section"] == "risk_ledger" else section
    record = records[pointer["index"]]
    for name in ("sequence", "call_id"):
        if pointer[name] is not None:
            assert record[name] == pointer[name]


@pytest.mark.parametrize("seed", [1, 7])
def test_a_clean_run_is_clear_where_everything_is_at_hand(seed: int) -> None:
    document = simulate_document(calls=150, seed=seed)
    evidence = read(document, settings=SAFE, history=[NO_MOVE])
    verdicts = {
        finding.verdict
        for finding in answer_all(evidence)
        if finding.question.code not in ("INC-4", "INC-2")
    }
    assert verdicts == {"clear"}


NO_MOVE = {
    "extension": "pi-weather",
    "from": "unknown",
    "to": "probation",
    "reason": "new",
    "operator": "rita",
    "acknowledged": True,
    "time": 1_700_000_000_000,
}


def test_the_class_that_most_records_show_is_proposed_first() -> None:
    denied = [
        entry(
            n,
            capability="exec",
            method="exec",
            policy_decision="deny",
            policy_reason="deny_caps",
        )
        for n in range(1, 6)
    ]
    bundle = make_bundle(denied, secret_broker=[passed(number=1)])
    shown = shown_classes(answer_all(read(bundle, settings=SAFE)))
    assert [one.code for one in shown] == ["INC-1", "INC-2"]
    assert shown[1].record_count == 1


def test_digests_of_inputs_are_those_of_the_files() -> None:
    findings = answer_all(read(make_bundle(), settings=SAFE))
    digests = {d for finding in findings for d in finding.inputs.values()}
    assert all(len(digest) == 64 for digest in digests)
    by_name = {n: d for finding in findings for n, d in finding.inputs.items()}
    assert set(by_name) == {"bundle-1.json", "settings.json"}


def test_the_same_evidence_gives_the_same_answers() -> None:
    document = simulate_document(calls=80, seed=3, scenario="inc-2")
    one, other = (answer_all(read(document, settings=SAFE)) for _ in range(2))
    assert one == other


# Redaction hides a break that only an entry's own hash shows: INC-3 then says unknown.
@pytest.mark.parametrize("scenario", [one for one in SCENARIOS if one != "inc-3"])
def test_redaction_turns_answers_unknown_at_most(scenario: str) -> None:
    document = simulate_document(calls=120, seed=5, scenario=scenario)
    plain = answer_all(read(document, settings=SAFE))
    hidden = answer_all(read(redacted(document), settings=SAFE))
    for before, after in zip(plain, hidden, strict=True):
        assert after.verdict in (before.verdict, "unknown")
        if before.question.code in ("INC-1", "INC-5", "INC-6"):
            assert after.verdict == before.verdict


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for name in value:
            found += _places(value[name], (*path, name))
    elif isinstance(value, list):
        for index in range(min(len(value), 3)):
            found += _places(value[index], (*path, index))
    return found


CALL = entry(1, triggers=["quarantined_extension"])
SMALL = make_bundle(
    [CALL, entry(2)],
    hostcall_telemetry=[telemetry(CALL)],
    security_alerts=[{"category": "quota_breach", "extension_id": "ext"}],
    exec_mediation=[{"extension_id": "ext", "call_id": "call-1", "decision": "deny"}],
    secret_broker=[passed(number=1)],
    quota_breaches=[
        {"ts_ms": 1, "extension_id": "ext", "resource": "r", "limit": 1, "actual": 2}
    ],
)


@given(place=st.sampled_from(_places(SMALL)), junk=JUNK, is_gone=st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_a_member_holds_there_is_an_answer(
    place: tuple[Any, ...], junk: Any, is_gone: bool
) -> None:
    document = copy.deepcopy(SMALL)
    holder: Any = document
    for step in place[:-1]:
        holder = holder[step]
    if is_gone:
        del holder[place[-1]]
    else:
        holder[place[-1]] = junk
    findings = answer_all(read(document, settings=SAFE))
    assert len(findings) >= len(CODES)
    json.dumps([finding.as_dict() for finding in findings])


def test_found_names_records_or_settings() -> None:
    document = simulate_document(calls=200, seed=2, scenario="inc-1")
    for finding in answer_all(read(document, settings=SAFE)):
        assert bool(finding.pointers) is (finding.verdict is FOUND)
