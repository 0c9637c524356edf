"""Holds over the API: read, filtered by, placed, and released by a second person."""

import pytest

from evidence.models import TokenScope
from incidents.services.lifecycle.holds import find_hold, place_hold
from tests.api.conftest import make_client
from tests.factories import make_incident

WORK = (TokenScope.READ, TokenScope.CASES_WRITE, TokenScope.CASES_REVIEW)
REASON = {"reason": "A court asked for it."}


@pytest.fixture
def case(db):
    return make_incident()


def url_of(case, what=""):
    return f"/api/v1/incidents/{case.reference}/{what}"


def test_a_case_tells_of_its_holds(case, responder, reviewer):
    client = make_client(responder, *WORK)
    answer = client.post(url_of(case, "hold/"), REASON, format="json")
    assert answer.status_code == 201
    assert (answer.json()["held_by"], answer.json()["released_at"]) == (
        "responder",
        None,
    )
    assert client.get(url_of(case)).json()["holds"] == [answer.json()]
    second = make_client(reviewer, TokenScope.READ, TokenScope.CASES_REVIEW)
    released = second.post(url_of(case, "release-hold/"), REASON, format="json")
    assert (released.status_code, released.json()["released_by"]) == (200, "reviewer")
    assert client.get(url_of(case)).json()["holds"] == [released.json()]


def test_cases_are_narrowed_by_hold(case, responder):
    other = make_incident()
    place_hold(actor=responder, incident_id=case.pk, reason="Kept.")
    client = make_client(responder, *WORK)
    found = {
        word: [
            row["id"]
            for row in client.get(f"/api/v1/incidents/?on_hold={word}").json()[
                "results"
            ]
        ]
        for word in ("true", "false")
    }
    assert found == {"true": [case.pk], "false": [other.pk]}
    assert client.get("/api/v1/incidents/?on_hold=perhaps").status_code == 400


def test_refusals_say_what_is_missing(case, responder, reviewer):
    client = make_client(reviewer, *WORK)

    def code(what, body=REASON, by=client):
        answer = by.post(url_of(case, what), body, format="json")
        return answer.status_code, answer.json()["code"]

    assert code("release-hold/") == (409, "not_on_hold")
    assert code("hold/", {}) == (422, "reason_missing")
    place_hold(actor=reviewer, incident_id=case.pk, reason="Kept.")
    assert code("hold/") == (409, "on_hold_already")
    assert code("release-hold/") == (403, "second_person_missing")
    by_responder = make_client(responder, *WORK)
    assert code("release-hold/", by=by_responder) == (403, "permission_refused")
    worker = make_client(reviewer, TokenScope.READ, TokenScope.CASES_WRITE)
    assert code("release-hold/", by=worker) == (403, "scope_missing")
    assert find_hold(case)
