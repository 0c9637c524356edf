"""Marks of handling over the API: read, filtered by, tightened, and asked to loosen."""

import pytest

from evidence.models import EvidenceItem, TokenScope
from incidents.models import Incident
from incidents.services.lifecycle.marks import set_mark
from tests.api.conftest import make_client
from tests.factories import make_evidence, make_incident

RED = {"tlp": "red"}
WORK = (TokenScope.READ, TokenScope.CASES_WRITE)


@pytest.fixture
def case(db):
    return make_incident()


def url_of(case):
    return f"/api/v1/incidents/{case.reference}/tlp/"


def read_all(client, path):
    return [row["id"] for row in client.get(path).json()["results"]]


def test_a_case_and_its_evidence_say_how_they_are_handled(case, responder):
    client = make_client(responder, *WORK)
    item = make_evidence(case)
    path = f"/api/v1/evidence/{item.pk}/"
    assert client.get(f"/api/v1/incidents/{case.reference}/").json()["tlp"] == "amber"
    assert client.get(path).json()["tlp"] == "amber"
    set_mark(actor=responder, incident_id=case.pk, tlp="red")
    assert client.get(path).json()["tlp"] == "red"


def test_lists_are_narrowed_by_the_mark_that_counts(case, responder):
    client = make_client(responder, *WORK)
    plain, own = make_evidence(case), make_evidence(case, vector="tampered-count")
    set_mark(actor=responder, incident_id=case.pk, tlp="red", item_id=own.pk)
    assert read_all(client, "/api/v1/evidence/?tlp=red") == [own.pk]
    assert read_all(client, "/api/v1/evidence/?tlp=amber") == [plain.pk]
    both = read_all(client, "/api/v1/evidence/?tlp=amber&tlp=red")
    assert sorted(both) == [plain.pk, own.pk]
    assert read_all(client, "/api/v1/incidents/?tlp=amber") == [case.pk]
    assert read_all(client, "/api/v1/incidents/?tlp=red") == []
    assert client.get("/api/v1/evidence/?tlp=pink").status_code == 400
    set_mark(actor=responder, incident_id=case.pk, tlp="red")
    red = read_all(client, "/api/v1/evidence/?tlp=red")
    assert sorted(red) == [plain.pk, own.pk]


def test_a_stricter_mark_counts_at_once(case, responder):
    client = make_client(responder, *WORK)
    answer = client.post(url_of(case), RED, format="json")
    assert (answer.status_code, answer.json()) == (
        200,
        {"tlp": "red", "asked_for": None},
    )
    assert Incident.objects.get(pk=case.pk).tlp == "red"


def test_a_looser_mark_waits_for_a_reviewer(case, reviewer):
    client = make_client(reviewer, *WORK)
    body = {"tlp": "clear"}
    refused = client.post(url_of(case), body, format="json")
    assert (refused.status_code, refused.json()["code"]) == (422, "reason_missing")
    body["reason"] = "It was published."
    answer = client.post(url_of(case), body, format="json")
    assert answer.status_code == 202
    assert answer.json() == {"tlp": "amber", "asked_for": "clear"}
    assert Incident.objects.get(pk=case.pk).tlp == "amber"


def test_one_item_is_marked(case, responder):
    item = make_evidence(case)
    client = make_client(responder, *WORK)
    body = {**RED, "item": item.pk}
    assert client.post(url_of(case), body, format="json").json() == {
        "tlp": "red",
        "asked_for": None,
    }
    assert EvidenceItem.objects.get(pk=item.pk).own_tlp == "red"


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        ("responder", [TokenScope.READ, TokenScope.EVIDENCE_WRITE]),
        ("auditor", [TokenScope.READ, TokenScope.CASES_WRITE]),
        ("machine", [TokenScope.READ, TokenScope.CASES_WRITE]),
    ],
)
def test_marking_takes_the_scope_and_the_right(case, request, role, scopes):
    client = make_client(request.getfixturevalue(role), *scopes)
    answer = client.post(url_of(case), RED, format="json")
    assert answer.status_code == 403
    assert Incident.objects.get(pk=case.pk).tlp == "amber"
