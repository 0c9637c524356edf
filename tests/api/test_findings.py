"""Findings over the API: the newest and the superseded, by case, item and class."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.models import EvidenceItem
from incidents.models import Finding, Incident
from incidents.services.checklists.finding_reviews import (
    confirm_findings,
    findings_of,
    overrule_finding,
)
from incidents.services.findings.gathering import gather_findings
from tests.api.conftest import make_client
from tests.factories import make_evidence, make_incident, make_user
from tests.incidents.services.test_finding_reviews import BUNDLE, item_of

pytestmark = [pytest.mark.django_db, pytest.mark.long]
URL = "/api/v1/findings/"
ASKED = "class=INC-2&question=secret-exposed"


@pytest.fixture
def incident() -> Incident:
    """A case whose bundle passes a secret; a second bundle superseded the answer."""
    case = make_incident()
    make_evidence(case, content=BUNDLE, name="bundle.json")
    gather_findings(incident_id=case.pk)
    make_evidence(case, content=BUNDLE + b"\n", name="again.json")
    gather_findings(incident_id=case.pk)
    return case


def rows(client: APIClient, query: str) -> list[dict[str, Any]]:
    response = client.get(f"{URL}?page_size=500&{query}")
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def test_a_finding_is_written_as_the_command_writes_it(
    reader: APIClient, incident: Incident
) -> None:
    listed = rows(reader, f"{ASKED}&is_current=true")
    assert len(listed) == 1
    found = reader.get(f"{URL}{listed[0]['id']}/").json()
    assert found == listed[0]
    assert found["incident"] == incident.reference
    assert (found["class"], found["question"]) == ("INC-2", "secret-exposed")
    assert found["checklist_item"] == "identify-exposure"
    assert (found["verdict"], found["is_current"]) == ("found", True)
    assert "DATABASE_URL reached ext" in found["sentence"]
    assert set(found["inputs"]) == {"bundle.json", "again.json"}
    first = found["pointers"][0]
    assert first["section"] == "secret_broker"
    assert incident.evidence_items.filter(pk=first["item_id"]).exists()


def test_the_superseded_answer_stays_and_says_so(
    reader: APIClient, incident: Incident
) -> None:
    older = rows(reader, f"{ASKED}&is_current=false")
    assert [row["is_current"] for row in older] == [False]
    assert set(older[0]["inputs"]) == {"bundle.json"}
    both = rows(reader, ASKED)
    assert [row["is_current"] for row in both] == [True, False]
    assert len(rows(reader, "")) == Finding.objects.count()


def test_what_people_said_comes_with_it(reader: APIClient, incident: Incident) -> None:
    who, item = make_user(), item_of(incident)
    confirm_findings(actor=who, item_id=item)
    finding = findings_of(incident)["identify-exposure"][0]
    overrule_finding(actor=who, item_id=item, finding_id=finding.pk, reason="A test.")
    reviews = rows(reader, f"{ASKED}&is_current=true")[0]["reviews"]
    assert [(one["choice"], one["reason"]) for one in reviews] == [
        ("confirmed", ""),
        ("overruled", "A test."),
    ]
    assert {one["reviewed_by"] for one in reviews} == {who.username}


def test_findings_are_filtered_by_case_item_class_and_verdict(
    reader: APIClient, incident: Incident
) -> None:
    other = make_incident()
    again = incident.evidence_items.get(original_name="again.json")
    mine = rows(reader, f"incident={incident.reference}")
    assert {row["incident"] for row in mine} == {incident.reference}
    assert rows(reader, f"incident={other.reference}") == []
    of_item = rows(reader, f"item={again.pk}")
    assert of_item
    assert all("again.json" in row["inputs"] for row in of_item)
    assert len(of_item) < len(mine)
    two = rows(reader, "class=INC-1&class=INC-6")
    assert {row["class"] for row in two} == {"INC-1", "INC-6"}
    assert {row["verdict"] for row in rows(reader, "verdict=unknown")} == {"unknown"}
    assert rows(reader, "checklist_item=identify-exposure&verdict=clear") == []
    assert rows(reader, "answered_before=2020-01-01T00:00:00Z") == []


def test_an_item_of_the_same_name_is_told_apart(reader: APIClient) -> None:
    case = make_incident()
    one = make_evidence(case, content=BUNDLE, name="bundle.json")
    two = make_evidence(case, content=BUNDLE + b"\n", name="bundle.json")
    other = make_incident()
    third = make_evidence(other, content=BUNDLE, name="bundle.json")
    for each in (case, other):
        gather_findings(incident_id=each.pk)
    for item, reference in ((one, case), (two, case), (third, other)):
        found = rows(reader, f"item={item.pk}")
        assert {row["incident"] for row in found} == {reference.reference}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("item=0", 200),
        ("item=1.5", 400),
        ("item=999999999999999999999999", 200),
        ("item=x", 400),
        ("verdict=maybe", 400),
        ("class=INC-9", 400),
        ("is_current=perhaps", 400),
        ("clas=INC-1", 400),
    ],
)
def test_a_filter_that_means_nothing_is_named(
    reader: APIClient, incident: Incident, query: str, status: int
) -> None:
    response = reader.get(f"{URL}?{query}")
    assert response.status_code == status
    if status == 200:
        assert response.json()["results"] == []
    else:
        assert response.json()["code"] == "validation_failed"


def test_nobody_reads_findings_of_cases_they_may_not_see(
    incident: Incident, machine: User, outsider: User
) -> None:
    pk = Finding.objects.latest("pk").pk
    for user in (machine, outsider):
        client = make_client(user, "read")
        assert client.get(URL).status_code == 403
        assert client.get(f"{URL}{pk}/").status_code == 403


def test_findings_are_only_read(incident: Incident) -> None:
    client = make_client(make_user(Role.REVIEWER), "read", "cases:write")
    pk = Finding.objects.latest("pk").pk
    for method in ("post", "put", "patch", "delete"):
        for url in (URL, f"{URL}{pk}/"):
            assert getattr(client, method)(url).status_code == 405
    assert EvidenceItem.objects.count() == 2
