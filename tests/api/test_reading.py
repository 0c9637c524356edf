"""What holds for everything that is read: fields, tags, and how often one may ask."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from rest_framework.test import APIClient

from incidents.models import Team
from tests.api.conftest import make_client
from tests.factories import make_incident

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/"


def test_only_the_fields_that_were_asked_for(reader: APIClient) -> None:
    case = make_incident()
    row = reader.get(f"{ROOT}incidents/?fields=reference,status").json()["results"][0]
    assert row == {"reference": case.reference, "status": "open"}
    detail = reader.get(f"{ROOT}incidents/{case.reference}/?fields=title")
    assert detail.json() == {"title": case.title}
    entry = reader.get(f"{ROOT}audit-entries/?fields=stream,entry_hash").json()
    assert set(entry["results"][0]) == {"stream", "entry_hash"}


@pytest.mark.parametrize("fields", ["", ",", "nothing", "id,nothing", "id;title"])
def test_a_field_that_there_is_not_is_refused(reader: APIClient, fields: str) -> None:
    make_incident()
    response = reader.get(f"{ROOT}incidents/?fields={fields}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "fields"


def test_a_tag_changes_with_what_is_read(reader: APIClient) -> None:
    team = Team.objects.create(name="Night watch")
    url = f"{ROOT}teams/{team.pk}/"
    tag = reader.get(url)["ETag"]
    assert reader.get(url, HTTP_IF_NONE_MATCH='"other"').status_code == 200
    Team.objects.filter(pk=team.pk).update(name="Day watch")
    response = reader.get(url, HTTP_IF_NONE_MATCH=tag)
    assert (response.status_code, response.json()["name"]) == (200, "Day watch")


def test_a_case_whose_clock_ran_out_is_not_taken_for_unchanged(
    reader: APIClient, editor: APIClient
) -> None:
    """Its revision counts edits; what is read moves on without one."""
    case = make_incident()
    url = f"{ROOT}incidents/{case.reference}/"
    tag = reader.get(url)["ETag"]
    phase = case.cycles.get().phases.get(phase="contain")
    phase.due_reason = "agreed"
    phase.save(update_fields=["due_reason"])
    assert reader.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 200
    edited = editor.patch(url, {"title": "Another"}, HTTP_IF_MATCH=tag)
    assert (edited.status_code, edited["ETag"]) == (200, '"2"')


def test_a_refusal_has_no_tag(reader: APIClient) -> None:
    assert "ETag" not in reader.get(f"{ROOT}incidents/SEC-INC-2026-9999/")


@override_settings(
    API_RATES_PER_MINUTE={"read": 2, "write": 9, "evidence": 9, "alerts": 9}
)
def test_every_answer_says_how_often_one_may_still_ask(auditor: User) -> None:
    client = make_client(auditor, "read")
    answers = [client.get(f"{ROOT}teams/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer["RateLimit-Limit"] for answer in answers] == ["2"] * 3
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert all(0 < int(answer["RateLimit-Reset"]) <= 60 for answer in answers)
    assert "RateLimit-Limit" not in APIClient().get(f"{ROOT}teams/")


def test_who_wants_another_state_than_there_is_is_told_so(
    reader: APIClient,
) -> None:
    url = f"{ROOT}incidents/{make_incident().reference}/"
    tag = reader.get(url)["ETag"]
    assert reader.get(url, HTTP_IF_MATCH=tag).status_code == 200
    refused = reader.get(url, HTTP_IF_MATCH='"another"')
    assert refused.status_code == 412
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "precondition_failed"


def test_an_answer_without_a_body_says_how_the_limit_stands(
    reader: APIClient,
) -> None:
    url = f"{ROOT}incidents/{make_incident().reference}/"
    tag = reader.get(url)["ETag"]
    unchanged = reader.get(url, HTTP_IF_NONE_MATCH=tag)
    assert unchanged.status_code == 304
    assert "RateLimit-Remaining" in unchanged
    assert unchanged["Cache-Control"] == "no-store"
