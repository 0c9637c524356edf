"""What a machine has proved it answers itself, by report; people may contest."""

from __future__ import annotations

import pytest

from evidence.format import build_bundle, serialize_document
from evidence.format.filters import IncidentBundleFilter
from evidence.format.redaction import IncidentBundleRedactionPolicy
from incidents.models import ChecklistItem, Incident
from incidents.services.checklists.answers import undo_item
from incidents.services.checklists.proven_items import answer_proven_items
from tests.factories import (
    close_false_alarm,
    make_evidence,
    make_incident,
    make_snapshot,
    make_user,
)
from tests.incidents.findings.bundles import make_bundle
from tests.incidents.findings.test_secret_exposure import passed

pytestmark = pytest.mark.django_db
STEPS = ("bundle-hash", "ledger-chain", "summary-counts", "schema", "redaction")
BUNDLE = make_bundle(
    secret_broker=[passed()], security_alerts=[{"category": "secret_exposure"}]
)


def item(incident: Incident, key: str) -> ChecklistItem:
    return incident.current_cycle.checklist.get(key=key)


def states(incident: Incident) -> dict[str, str]:
    keys = [f"verify-{step}" for step in STEPS]
    rows = incident.current_cycle.checklist.filter(key__in=keys)
    return dict(rows.values_list("key", "state"))


@pytest.fixture
def incident() -> Incident:
    case = make_incident()
    make_evidence(case, content=serialize_document(BUNDLE), name="bundle.json")
    return case


def test_the_five_steps_are_answered_by_report(incident: Incident) -> None:
    assert answer_proven_items(incident_id=incident.pk)
    assert set(states(incident).values()) == {"done", "not_applicable"}
    assert states(incident)["verify-redaction"] == "not_applicable"
    checked = item(incident, "verify-bundle-hash")
    report = incident.evidence_items.get().reports.get()
    assert checked.note == f"Checked by report {report.pk} of bundle.json: passed."
    assert checked.answered_by is None
    assert answer_proven_items(incident_id=incident.pk) == 0


def test_expected_artifacts_that_are_there_are_linked(incident: Incident) -> None:
    make_snapshot(incident)
    answer_proven_items(incident_id=incident.pk)
    for key in (
        "export-evidence-bundle",
        "snapshot-configuration",
        "secret-broker-entry",
        "secret-broker-bundle",
        "secret-exposure-alert",
    ):
        answered = item(incident, key)
        assert answered.state == "done", key
        assert answered.links.get().linked_by is None


def test_a_step_that_fails_is_left_to_people() -> None:
    case = make_incident()
    make_evidence(case, vector="tampered-removed-entry")
    answer_proven_items(incident_id=case.pk)
    assert item(case, "verify-ledger-chain").is_open
    assert item(case, "verify-schema").state == "done"


def test_one_bundle_without_a_report_leaves_the_steps_open(incident: Incident) -> None:
    make_evidence(incident, vector="odd-text", verified=False)
    answer_proven_items(incident_id=incident.pk)
    assert set(states(incident).values()) == {"open"}


def test_a_contested_answer_is_not_given_again(incident: Incident) -> None:
    answer_proven_items(incident_id=incident.pk)
    contested = item(incident, "verify-bundle-hash")
    undo_item(actor=make_user(), item_id=contested.pk, note="Another one was sent.")
    assert answer_proven_items(incident_id=incident.pk) == 0
    assert item(incident, "verify-bundle-hash").is_open


def test_a_redacted_bundle_passes_the_fifth_step() -> None:
    case = make_incident()
    hidden = build_bundle(
        BUNDLE,
        filter=IncidentBundleFilter(),
        redaction=IncidentBundleRedactionPolicy.full(),
        generated_at_ms=BUNDLE["generated_at_ms"],
    )
    make_evidence(case, content=serialize_document(hidden), name="hidden.json")
    answer_proven_items(incident_id=case.pk)
    assert states(case)["verify-redaction"] == "done"


def test_a_closed_case_is_left_alone(incident: Incident) -> None:
    close_false_alarm(incident)
    assert answer_proven_items(incident_id=incident.pk) == 0
