"""Bundles: the five steps by themselves, filters, building, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from evidence.format import (
    DocumentRefused,
    IncidentBundleFilter,
    IncidentBundleRedactionPolicy,
    IncidentEvidenceBundleReport,
    canonical_bytes,
    hash_value,
    seal_bundle,
    serialize_document,
    verify_document,
    verify_incident_evidence_bundle,
)

from .samples import FULL, GENERATED_AT_MS, build, make_source, reseal

SOURCE = make_source()


def source_copy(**members: Any) -> dict[str, Any]:
    return copy.deepcopy(SOURCE) | members


def failed(document: dict[str, Any]) -> set[str]:
    report = verify_incident_evidence_bundle(seal_bundle(document))
    return {name for name, step in report.steps.items() if step.status == "fail"}


def test_sound_bundle_passes_all_steps():
    report = verify_incident_evidence_bundle(SOURCE)
    assert report.valid
    assert list(report.steps) == [
        "bundle_hash",
        "ledger_chain",
        "summary_counts",
        "schema",
        "redaction",
    ]


@pytest.mark.parametrize("name", [name for name in SOURCE if name != "bundle_hash"])
def test_change_of_any_member_breaks_the_seal(name):
    document = source_copy()
    held = document[name]
    if isinstance(held, dict):
        held["added"] = 1
    elif isinstance(held, list):
        held.append({})
    else:
        document[name] = held + (1 if isinstance(held, int) else "x")
    report = verify_incident_evidence_bundle(document)
    assert report.steps["bundle_hash"].status == "fail"


def test_unknown_member_is_kept_and_hashed():
    document = seal_bundle(source_copy(note={"kept": [1.5, None]}))
    assert verify_incident_evidence_bundle(document).valid
    assert build(document)["note"] == {"kept": [1.5, None]}
    assert document["bundle_hash"] == hash_value(
        {name: item for name, item in document.items() if name != "bundle_hash"}
    )


@pytest.mark.parametrize(
    "figure",
    [
        "distinct_extensions",
        "peak_risk_score",
        "blocked_count",
        "first_ts_ms",
        "last_ts_ms",
        "ledger_chain_valid",
    ],
)
@pytest.mark.parametrize("value", [None, 0, 1, True, False, "x", 12345.5])
def test_figure_that_is_not_the_recomputed_one_fails(figure, value):
    document = source_copy()
    same = canonical_bytes(document["summary"][figure]) == canonical_bytes(value)
    document["summary"][figure] = value
    assert failed(document) == (set() if same else {"summary_counts"})


def test_missing_figure_fails_and_an_unknown_one_does_not():
    document = source_copy()
    document["summary"]["figure_of_a_later_version"] = 1
    assert failed(document) == set()
    del document["summary"]["counts"]["quota_breaches"]
    assert failed(document) == {"summary_counts"}


def test_details_list_every_figure_stored_and_recomputed():
    document = source_copy()
    document["summary"]["blocked_count"] = 99
    report = verify_incident_evidence_bundle(document)
    figures = report.steps["summary_counts"].details["figures"]
    assert len(figures) == 13
    wrong = [figure for figure in figures if not figure["ok"]]
    assert wrong == [
        {"name": "blocked_count", "stored": 99, "recomputed": 3, "ok": False}
    ]


REPLAY_LIES = {
    "step_count": lambda replay: replay.update(step_count=5),
    "trusted_steps": lambda replay: replay.update(trusted_steps=True),
    "tail": lambda replay: replay.update(source_tail_ledger_hash=None),
    "member too many": lambda replay: replay.update(note=1),
    "no steps": lambda replay: replay.pop("steps"),
    "steps of another type": lambda replay: replay.update(steps={}),
    "step missing": lambda replay: replay["steps"].pop(),
    "step twice": lambda replay: replay["steps"].append(replay["steps"][-1]),
    "step is no object": lambda replay: replay["steps"].__setitem__(1, None),
    "index": lambda replay: replay["steps"][1].update(index=True),
    "trusted": lambda replay: replay["steps"][1].update(trusted=1),
    "outcome": lambda replay: replay["steps"][1].update(outcome="executed"),
    "sequence": lambda replay: replay["steps"][0].update(sequence=True),
    "member of a step": lambda replay: replay["steps"][1].update(note=1),
    "member left out": lambda replay: replay["steps"][1].pop("method"),
    "triggers": lambda replay: replay["steps"][1].update(triggers=[]),
}


@pytest.mark.parametrize("name", REPLAY_LIES)
def test_replay_that_tells_another_story_fails(name):
    document = source_copy()
    REPLAY_LIES[name](document["risk_replay"])
    assert failed(document) == {"summary_counts"}


def test_replay_trusts_nothing_from_the_break_on():
    source = source_copy()
    source["risk_ledger"]["entries"][3]["risk_score"] = 0.9
    built = build(source)
    assert [step["trusted"] for step in built["risk_replay"]["steps"]] == (
        [True] * 3 + [False] * 3
    )
    assert built["summary"]["ledger_chain_valid"] is False
    assert failed(built) == {"ledger_chain"}


def test_other_schema_fails_its_step_alone():
    assert failed(source_copy(schema="x.v2")) == {"schema"}


BUNDLE_TYPES = {
    "schema": [1, None],
    "generated_at_ms": ["x", 1.5, True, None],
    "filter": [None, []],
    "redaction": [None, "full"],
    "risk_ledger": [None, []],
    "security_alerts": [None, {}],
    "hostcall_telemetry": [{}],
    "exec_mediation": [1],
    "secret_broker": ["x"],
    "quota_breaches": [False],
    "risk_replay": [[], "x"],
    "summary": [None, []],
    "bundle_hash": [None, 1],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BUNDLE_TYPES.items() for value in values],
)
def test_member_of_another_type_is_refused_with_its_path(name, value):
    with pytest.raises(DocumentRefused) as caught:
        verify_document(serialize_document(source_copy(**{name: value})))
    assert (caught.value.code, caught.value.path) == ("wrong_type", f"$.{name}")


@pytest.mark.parametrize("name", BUNDLE_TYPES)
def test_missing_member_is_refused_with_its_path(name):
    document = source_copy()
    del document[name]
    with pytest.raises(DocumentRefused) as caught:
        verify_document(serialize_document(document))
    assert (caught.value.code, caught.value.path) == ("missing_member", f"$.{name}")


def test_bundle_without_entries_is_refused_with_the_path():
    document = source_copy()
    del document["risk_ledger"]["entries"]
    with pytest.raises(DocumentRefused) as caught:
        verify_document(serialize_document(document))
    assert caught.value.path == "$.risk_ledger.entries"


def test_records_of_any_shape_are_counted_and_nothing_breaks():
    document = source_copy()
    for name in ("security_alerts", "quota_breaches", "secret_broker"):
        document[name] = [None, 1, "x", [], {}, {"ts_ms": "x", "extension_id": 5}]
    document["risk_ledger"]["entries"].append(7)
    built = build(document)
    assert built["summary"]["counts"]["security_alerts"] == 6
    assert failed(built) == {"ledger_chain"}


def test_progress_grows_to_one():
    seen: list[float] = []
    verify_document(serialize_document(SOURCE), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_size_limit_is_kept():
    with pytest.raises(DocumentRefused, match="at most 10 bytes"):
        verify_document(serialize_document(SOURCE), max_bytes=10)


# --- Filter and building ---------------------------------------------------------


def test_moments_are_inclusive():
    built = build(
        SOURCE, start_ms=GENERATED_AT_MS + 2000, end_ms=GENERATED_AT_MS + 4000
    )
    entries = built["risk_ledger"]["entries"]
    assert [entry["sequence"] for entry in entries] == [2, 3, 4]
    assert verify_incident_evidence_bundle(built).valid


def test_extension_leaves_gaps_and_a_valid_bundle():
    built = build(SOURCE, extension_id="pi-weather")
    report = verify_incident_evidence_bundle(built)
    assert report.valid
    assert len(report.ledger.gaps) == 2
    assert built["summary"]["distinct_extensions"] == 1


def test_category_and_severity_apply_to_alerts_alone():
    source = source_copy()
    source["security_alerts"][0] |= {"severity": "critical"}
    source["security_alerts"][1] |= {"severity": "unheard of"}
    source["security_alerts"][2] |= {"category": "new_kind", "severity": "critical"}
    source["security_alerts"][3] |= {"severity": "info"}
    built = build(
        source, alert_categories=("policy_violation",), min_severity="critical"
    )
    kept = [alert["alert_id"] for alert in built["security_alerts"]]
    assert kept == ["alert-1", "alert-2"]
    assert len(built["hostcall_telemetry"]) == 6


def test_record_without_the_member_is_kept():
    source = source_copy(quota_breaches=[{}, None, {"ts_ms": "x"}, {"extension_id": 5}])
    built = build(source, start_ms=GENERATED_AT_MS * 2, extension_id="nobody")
    assert built["quota_breaches"] == source["quota_breaches"]
    assert built["risk_ledger"]["entries"] == []


BAD_FILTERS: dict[str, tuple[object, str]] = {
    "no object": ([], "$"),
    "unknown limit": ({"start": 1}, "$.start"),
    "text for a moment": ({"start_ms": "1"}, "$.start_ms"),
    "boolean for a moment": ({"end_ms": True}, "$.end_ms"),
    "fraction of a moment": ({"end_ms": 1.5}, "$.end_ms"),
    "number for an extension": ({"extension_id": 1}, "$.extension_id"),
    "text for categories": ({"alert_categories": "x"}, "$.alert_categories"),
    "number among categories": (
        {"alert_categories": ["x", 1]},
        "$.alert_categories[1]",
    ),
    "unknown severity": ({"min_severity": "fatal"}, "$.min_severity"),
    "severity of another type": ({"min_severity": ["info"]}, "$.min_severity"),
    "end before start": ({"start_ms": 2, "end_ms": 1}, "$.start_ms"),
}


@pytest.mark.parametrize("name", BAD_FILTERS)
def test_bad_filter_is_refused_naming_the_member(name):
    members, path = BAD_FILTERS[name]
    with pytest.raises(DocumentRefused) as caught:
        IncidentBundleFilter.from_dict(members)
    assert (caught.value.code, caught.value.path) == ("invalid_filter", path)


def test_filter_reads_what_it_writes():
    scope = IncidentBundleFilter(1, 2, "x", ("a", "b"), "error")
    assert IncidentBundleFilter.from_dict(scope.as_dict()) == scope
    assert IncidentBundleFilter.from_dict({}) == IncidentBundleFilter()
    assert IncidentBundleFilter.from_dict({"start_ms": None}) == IncidentBundleFilter()


def test_policy_reads_what_it_writes_and_refuses_the_rest():
    assert IncidentBundleRedactionPolicy.from_dict(FULL.as_dict()) == FULL
    for members in ({"redact_all": True}, {"redact_name_hash": 1}, []):
        with pytest.raises(DocumentRefused) as caught:
            IncidentBundleRedactionPolicy.from_dict(members)
        assert caught.value.code == "invalid_redaction"


def test_building_from_what_is_no_bundle_is_refused():
    with pytest.raises(DocumentRefused):
        build({"schema": "x"})


def test_resealed_ledger_in_a_bundle_is_told_by_the_bundle_hash_alone():
    document = source_copy()
    document["risk_ledger"] = reseal(document["risk_ledger"])
    report = verify_incident_evidence_bundle(document)
    assert isinstance(report, IncidentEvidenceBundleReport)
    assert report.valid
