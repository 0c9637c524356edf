"""Findings of a case: read by a worker, kept, confirmed, overruled."""

from __future__ import annotations

import json

import pytest
from django.db import DatabaseError, connection, transaction

from evidence.accounts.access import Role
from evidence.errors import PermissionRefused
from evidence.models import AuditEntry
from evidence.services.exports import request_export, run_export
from evidence.services.verification import run_verification
from incidents.errors import IncidentError, ReasonMissing
from incidents.models import EvidenceReading, Finding, FindingReview, Incident
from incidents.services.checklists.finding_reviews import (
    confirm_findings,
    confirm_shown,
    findings_of,
    overrule_finding,
)
from incidents.services.findings.gathering import (
    current_findings,
    gather_findings,
)
from incidents.services.lifecycle.shown_classes import (
    open_shown_case,
    other_classes,
)
from tests.factories import (
    make_evidence,
    make_incident,
    make_playbooks,
    make_user,
)
from tests.incidents.findings.bundles import entry, make_bundle
from tests.incidents.findings.test_secret_exposure import passed
from tests.incidents.services.readings import is_up_to_date

pytestmark = [pytest.mark.django_db, pytest.mark.long]
BUNDLE = json.dumps(make_bundle(secret_broker=[passed()])).encode()


@pytest.fixture
def incident() -> Incident:
    case = make_incident()
    make_evidence(case, content=BUNDLE, name="bundle.json")
    gather_findings(incident_id=case.pk)
    return case


def item_of(incident: Incident, key: str = "identify-exposure") -> int:
    return incident.current_cycle.checklist.get(key=key).pk


def test_answers_are_kept_with_item_and_digest(incident: Incident) -> None:
    found = findings_of(incident)["identify-exposure"][0]
    item = incident.evidence_items.get()
    assert found.verdict == "found"
    assert "DATABASE_URL reached ext" in found.sentence
    assert found.pointers[0]["item_id"] == item.pk
    assert found.inputs == {"bundle.json": item.sha256_hex}


def test_every_class_is_asked_and_nothing_is_read_twice(incident: Incident) -> None:
    codes = {finding.code for finding in current_findings(incident)}
    assert codes == {f"INC-{number}" for number in range(1, 7)}
    assert is_up_to_date(incident)
    assert gather_findings(incident_id=incident.pk) == 0
    assert EvidenceReading.objects.count() == 1


def test_a_newer_answer_takes_the_place_and_the_older_stays(incident: Incident) -> None:
    before = findings_of(incident)["identify-exposure"][0]
    make_evidence(incident, content=BUNDLE + b"\n", name="again.json")
    assert not is_up_to_date(incident)
    assert gather_findings(incident_id=incident.pk)
    after = findings_of(incident)["identify-exposure"][0]
    assert after.pk != before.pk
    assert Finding.objects.filter(pk=before.pk).exists()


def test_exports_of_the_cases_own_evidence_are_not_read(incident: Incident) -> None:
    source = incident.evidence_items.get()
    request = request_export(
        item_id=source.pk,
        filter={},
        redaction={"redact_name_hash": True},
        actor=make_user(),
    )
    done = run_export(request_id=request.pk)
    assert done is not None
    assert done.result is not None
    verification = done.result.verification_requests.get()
    run_verification(request_id=verification.pk)
    assert is_up_to_date(incident)
    assert gather_findings(incident_id=incident.pk) == 0


def test_confirming_answers_the_item_with_the_finding(incident: Incident) -> None:
    actor = make_user()
    item = confirm_findings(actor=actor, item_id=item_of(incident))
    assert item.state == "done"
    assert "DATABASE_URL reached ext" in item.note
    assert FindingReview.objects.get().choice == "confirmed"
    assert AuditEntry.objects.filter(action="finding.confirmed").count() == 1
    with pytest.raises(IncidentError, match="nothing to confirm"):
        confirm_findings(actor=actor, item_id=item_of(incident))


def shown(incident: Incident) -> list[int]:
    """Return what a page of ANALYZE shows to be confirmed."""
    return [
        finding.pk
        for findings in findings_of(incident).values()
        for finding in findings
        if finding.verdict != "unknown"
    ]


def test_what_a_page_showed_is_confirmed_at_once(incident: Incident) -> None:
    ids = shown(incident)
    assert len(ids) > 1
    items = confirm_shown(actor=make_user(), incident_id=incident.pk, finding_ids=ids)
    assert {item.state for item in items} == {"done"}
    assert all(item.note for item in items)
    reviewed = FindingReview.objects.values_list("finding_id", flat=True)
    assert sorted(reviewed) == sorted(ids)


def test_what_was_not_shown_is_confirmed_by_nobody(incident: Incident) -> None:
    who, ids = make_user(), shown(incident)
    reviewed = confirm_findings(actor=who, item_id=item_of(incident))
    unknown = findings_of(incident)["verify-broker-enabled"][0].pk
    for given in (ids, [unknown], [], [0], [*ids[1:], unknown]):
        with pytest.raises(IncidentError, match="read the page again"):
            confirm_shown(actor=who, incident_id=incident.pk, finding_ids=given)
    items = incident.current_cycle.checklist.filter(phase="analyze", state="done")
    assert [item.pk for item in items] == [reviewed.pk]


def test_a_finding_that_was_replaced_since_is_not_confirmed(incident: Incident) -> None:
    ids = shown(incident)
    make_evidence(incident, content=BUNDLE + b"\n", name="again.json")
    gather_findings(incident_id=incident.pk)
    with pytest.raises(IncidentError, match="Nothing was confirmed"):
        confirm_shown(actor=make_user(), incident_id=incident.pk, finding_ids=ids)
    assert not FindingReview.objects.exists()


def test_confirming_one_item_confirms_what_its_page_showed_of_it(
    incident: Incident,
) -> None:
    who, item = make_user(), item_of(incident)
    asked = findings_of(incident)["identify-exposure"]
    ids = [finding.pk for finding in asked if finding.verdict != "unknown"]
    for given in ([], [0], [*ids, 0], ids[1:]):
        with pytest.raises(IncidentError, match="Nothing was confirmed"):
            confirm_findings(actor=who, item_id=item, shown=given)
    assert not FindingReview.objects.exists()
    assert confirm_findings(actor=who, item_id=item, shown=ids).state == "done"


def test_who_only_looks_confirms_nothing_at_once(incident: Incident) -> None:
    with pytest.raises(PermissionRefused):
        confirm_shown(
            actor=make_user(Role.AUDITOR),
            incident_id=incident.pk,
            finding_ids=shown(incident),
        )


def test_what_is_unknown_cannot_be_confirmed(incident: Incident) -> None:
    with pytest.raises(IncidentError, match="nothing to confirm"):
        confirm_findings(
            actor=make_user(), item_id=item_of(incident, "verify-broker-enabled")
        )


def test_overruling_asks_why_and_leaves_the_item_open(incident: Incident) -> None:
    finding = findings_of(incident)["identify-exposure"][0]
    who, item = make_user(), item_of(incident)
    with pytest.raises(ReasonMissing):
        overrule_finding(actor=who, item_id=item, finding_id=finding.pk, reason=" ")
    overrule_finding(
        actor=who, item_id=item, finding_id=finding.pk, reason="A test value."
    )
    assert incident.current_cycle.checklist.get(pk=item).is_open
    assert FindingReview.objects.get().reason == "A test value."
    with pytest.raises(IncidentError, match="newer one"):
        overrule_finding(actor=who, item_id=item, finding_id=0, reason="x")


DENIED = {
    "capability": "exec",
    "method": "exec",
    "policy_decision": "deny",
    "policy_reason": "deny_caps",
}


def test_another_class_that_the_evidence_shows_gets_a_case_of_its_own(
    incident: Incident,
) -> None:
    assert other_classes(incident) == []
    bundle = make_bundle([entry(1, **DENIED), entry(2, **DENIED)])
    make_evidence(incident, content=json.dumps(bundle).encode(), name="more.json")
    gather_findings(incident_id=incident.pk)
    # The second bundle also gives sequence 1 another hash than the first.
    shown_codes = {shown.code: shown for shown in other_classes(incident)}
    assert set(shown_codes) == {"INC-1", "INC-3"}
    shown = shown_codes["INC-1"]
    assert shown.sentence.startswith("2 denied calls executed")
    actor = make_user()
    with pytest.raises(IncidentError, match="no playbook INC-1"):
        open_shown_case(actor=actor, incident_id=incident.pk, code="INC-1")
    make_playbooks()
    opened = open_shown_case(actor=actor, incident_id=incident.pk, code="INC-1")
    assert opened.playbook_version.playbook.code == "INC-1"
    assert list(opened.related.all()) == [incident]
    with pytest.raises(IncidentError, match="is about this already"):
        open_shown_case(actor=actor, incident_id=incident.pk, code="INC-1")
    with pytest.raises(IncidentError, match="shows no INC-4"):
        open_shown_case(actor=actor, incident_id=incident.pk, code="INC-4")


def test_an_auditor_reviews_nothing(incident: Incident) -> None:
    with pytest.raises(PermissionRefused):
        confirm_findings(actor=make_user(Role.AUDITOR), item_id=item_of(incident))


@pytest.mark.parametrize("table", ["finding", "findingreview", "evidencereading"])
@pytest.mark.parametrize(
    "verb", ["DELETE FROM incidents_{}", "TRUNCATE incidents_{} CASCADE"]
)
def test_rows_are_never_removed(incident: Incident, table: str, verb: str) -> None:
    confirm_findings(actor=make_user(), item_id=item_of(incident))
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute(verb.format(table))
