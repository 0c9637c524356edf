"""Editing a case through the API: nobody overwrites what somebody else saved."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from incidents.models import Incident
from tests.api.conftest import make_client
from tests.factories import OUTCOME, make_incident

pytestmark = pytest.mark.django_db


@pytest.fixture
def case(db: None) -> Incident:
    return make_incident()


def edit(
    client: APIClient, case: Incident, body: dict[str, Any], **headers: str
) -> Any:
    url = f"/api/v1/incidents/{case.reference}/"
    return client.patch(url, body, format="json", headers=headers)


@pytest.mark.parametrize("etag", ['"1"', 'W/"1"', ' "1" ', ""])
def test_edit_names_the_revision_it_read(
    editor: APIClient, case: Incident, etag: str
) -> None:
    body: dict[str, Any] = {"title": "Better title"}
    headers = {"If-Match": etag} if etag else {}
    body |= {} if etag else {"revision": 1}
    response = edit(editor, case, body, **headers)
    assert response.status_code == 200
    assert response["ETag"] == '"2"'
    assert response.json()["title"] == "Better title"


def test_second_to_save_is_told_what_changed(editor: APIClient, case: Incident) -> None:
    edit(editor, case, {"title": "First", "revision": 1})
    response = edit(editor, case, {"title": "Second", "revision": 1})
    body = response.json()
    assert response.status_code == 409
    assert response["Content-Type"] == "application/problem+json"
    assert (body["code"], body["revision"], body["changed_by"]) == (
        "edit_conflict",
        2,
        "responder",
    )
    change = body["changes"][0]
    assert (change["field"], change["current"], change["wanted"]) == (
        "title",
        "First",
        "Second",
    )
    case.refresh_from_db()
    assert case.title == "First"


def test_edit_without_a_revision_is_refused(editor: APIClient, case: Incident) -> None:
    response = edit(editor, case, {"title": "Blind"})
    assert (response.status_code, response.json()["code"]) == (
        428,
        "precondition_required",
    )


@pytest.mark.parametrize("header", ["*", "1", 'w/"1"', '"x"', 'W/"2"', '"2"'])
def test_header_that_names_no_revision_is_refused(
    editor: APIClient, case: Incident, header: str
) -> None:
    response = edit(editor, case, {"title": "x", "revision": 1}, **{"If-Match": header})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "If-Match"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"severity": "fatal"}, "severity"),
        ({"lead": "nobody"}, "lead"),
        ({"team": "nobody"}, "team"),
        ({"extensions": []}, "extensions"),
        ({"labels": "urgent"}, "labels"),
        ({"title": "a\x00b"}, "title"),
    ],
)
def test_value_that_cannot_be_used_is_named(
    editor: APIClient, case: Incident, changes: dict[str, Any], field: str
) -> None:
    response = edit(editor, case, {**changes, "revision": 1})
    assert response.status_code == 400
    assert field in {error["field"] for error in response.json()["errors"]}


def test_everything_that_can_be_edited_is_written(
    editor: APIClient, case: Incident, reviewer: User
) -> None:
    changes = {
        "severity": "critical",
        "lead": "reviewer",
        "labels": ["urgent"],
        "extensions": ["ext.weather", "ext.mail"],
    }
    body = edit(editor, case, {**changes, "revision": 1}).json()
    assert body["lead"] == "reviewer"
    assert body["labels"] == ["urgent"]
    assert body["extensions"] == ["ext.mail", "ext.weather"]
    assert body["severity"] == "critical"


def test_severity_falls_only_with_a_reason(editor: APIClient, case: Incident) -> None:
    lower = {"severity": "low", "revision": 1}
    refused = edit(editor, case, lower)
    assert (refused.status_code, refused.json()["code"]) == (422, "reason_missing")
    assert edit(editor, case, {**lower, "reason": "a test key"}).status_code == 200


def test_closed_case_is_not_edited(editor: APIClient, case: Incident) -> None:
    Incident.objects.filter(pk=case.pk).update(
        status="closed_false_alarm",
        closing_reason="r",
        closed_at=case.detected_at,
        **OUTCOME,
    )
    response = edit(editor, case, {"title": "x", "revision": 1})
    assert (response.status_code, response.json()["code"]) == (409, "incident_closed")


@pytest.mark.parametrize(
    ("role", "scopes", "status"),
    [
        ("responder", ["cases:write"], 200),
        ("reviewer", ["cases:write"], 200),
        ("auditor", ["cases:write"], 403),
        ("administrator", ["cases:write"], 403),
        ("machine", ["cases:write"], 403),
        ("outsider", ["cases:write"], 404),
        ("responder", ["read"], 403),
    ],
)
def test_only_those_who_work_cases_with_the_scope_edit(
    case: Incident,
    role: str,
    scopes: list[str],
    status: int,
    request: pytest.FixtureRequest,
) -> None:
    client = make_client(request.getfixturevalue(role), *scopes)
    response = edit(client, case, {"title": "New", "revision": 1})
    assert response.status_code == status
