"""Closing a case through the API asks for what the page asks for."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.models import TokenScope
from incidents.models import Incident
from tests.api.conftest import make_client
from tests.factories import OUTCOME, make_incident, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def case() -> Incident:
    return make_incident()


def close(case: Incident, role: Role = Role.REVIEWER, **body: Any) -> Any:
    scopes = (TokenScope.CASES_WRITE, TokenScope.CASES_REVIEW)
    return send(case, make_client(make_user(role), *scopes), body)


def send(case: Incident, client: APIClient, body: dict[str, Any]) -> Any:
    url = f"/api/v1/incidents/{case.reference}/close/"
    return client.post(url, body, format="json")


def false_alarm(**body: Any) -> dict[str, Any]:
    return {
        "status": "closed_false_alarm",
        "reason": "noise",
        "lead": "reviewer",
        **OUTCOME,
        **body,
    }


def test_false_alarm_is_closed_with_its_outcome(case: Incident) -> None:
    response = close(case, **false_alarm(recoverability="regular"))
    assert response.status_code == 200, response.json()
    body = response.json()
    assert (body["status"], body["resolution"]) == (
        "closed_false_alarm",
        "false_positive",
    )
    assert body["cycles"][0]["ending"]["recoverability"] == "regular"


def test_all_that_is_missing_is_said_at_once(case: Incident) -> None:
    response = close(case, status="closed_false_alarm")
    assert response.status_code == 400
    said = str(response.json()["errors"])
    assert all(field in said for field in (*OUTCOME, "reason"))


def test_true_positive_is_no_false_alarm(case: Incident) -> None:
    response = close(case, **false_alarm(resolution="true_positive"))
    assert (response.status_code, response.json()["code"]) == (422, "outcome_refused")


def test_case_without_a_lead_is_not_closed(case: Incident) -> None:
    response = close(case, **false_alarm(lead=None))
    assert response.json()["code"] == "lead_missing"


def test_responder_does_not_call_a_false_alarm(case: Incident) -> None:
    make_user(Role.REVIEWER)
    assert close(case, Role.RESPONDER, **false_alarm()).status_code == 403


def test_ending_a_case_early_takes_the_scope_of_reviews(case: Incident) -> None:
    client = make_client(make_user(Role.REVIEWER), TokenScope.CASES_WRITE)
    refused = send(case, client, false_alarm())
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    duplicate = {
        "status": "closed_duplicate",
        "reason": "x",
        "original": case.reference,
    }
    assert send(case, client, duplicate).json()["code"] == "scope_missing"
    case.refresh_from_db()
    assert case.status == "open"
    # What is closed after its postmortem is everybody's who works it.
    whole = send(case, client, {"status": "closed", **OUTCOME, "lead": "reviewer"})
    assert whole.json()["code"] != "scope_missing"


def test_list_is_narrowed_by_the_resolution(case: Incident) -> None:
    close(case, **false_alarm())
    make_incident()
    client = make_client(make_user(Role.AUDITOR), TokenScope.READ)
    found = client.get("/api/v1/incidents/?resolution=false_positive").json()
    assert [row["reference"] for row in found["results"]] == [case.reference]
