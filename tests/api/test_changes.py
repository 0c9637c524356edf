"""What changed since an earlier reading: nothing is lost, whenever it was committed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from evidence.database.horizon import COMPARABLE, Horizon, read_horizon
from incidents.models import Team
from tests.api.conftest import make_client
from tests.factories import make_incident

pytestmark = pytest.mark.django_db(transaction=True)
TEAMS = "/api/v1/teams/"


@pytest.fixture
def auditor_client(auditor: User) -> APIClient:
    return make_client(auditor, "read")


def just_now() -> str:
    """Return what a reading would give if nobody else used this server.

    Transactions of others, of other databases too, hold back what it gives: rows come
    again then.
    """
    now = read_horizon()
    return Horizon(now.place, now.newest).encode()


def read(client: APIClient, since: str, **more: str) -> tuple[list[str], str]:
    """Return the names of all pages, and what to give next time."""
    query = {"modified_since": since, "ordering": "id", "page_size": "2", **more}
    response = client.get(TEAMS, query)
    names: list[str] = []
    while True:
        assert response.status_code == 200, response.content
        body = response.json()
        names += [row["name"] for row in body["results"]]
        if not body["next"]:
            return names, body["as_of"]
        response = client.get(body["next"])


def test_what_was_committed_late_comes_with_the_next_reading(
    auditor_client: APIClient,
) -> None:
    late = connection.copy()
    late.set_autocommit(False)
    try:
        with late.cursor() as cursor:
            cursor.execute("INSERT INTO incidents_team (name) VALUES ('late')")
        Team.objects.create(name="early")
        names, as_of = read(auditor_client, "")
        assert names == ["early"]
        names, as_of = read(auditor_client, as_of)
        assert "late" not in names
        late.commit()
    finally:
        late.close()
    assert "late" in read(auditor_client, as_of)[0]
    assert read(auditor_client, just_now())[0] == []


def test_a_changed_row_comes_again_and_an_unchanged_one_does_not(
    auditor_client: APIClient,
) -> None:
    first = Team.objects.create(name="first")
    Team.objects.create(name="second")
    assert read(auditor_client, "")[0] == ["first", "second"]
    since = just_now()
    assert read(auditor_client, since)[0] == []
    Team.objects.filter(pk=first.pk).update(name="renamed")
    assert read(auditor_client, since)[0] == ["renamed"]


def test_what_is_written_between_two_pages_comes_next_time(
    auditor_client: APIClient,
) -> None:
    teams = [Team.objects.create(name=f"team {number}") for number in range(5)]
    url = f"{TEAMS}?modified_since=&ordering=id&page_size=2"
    page = auditor_client.get(url).json()
    as_of = page["as_of"]
    Team.objects.filter(pk=teams[0].pk).update(name="passed already")
    while page["next"]:
        page = auditor_client.get(page["next"]).json()
        assert page["as_of"] == as_of
    assert "passed already" in read(auditor_client, as_of)[0]


def test_filters_and_joins_go_with_it(auditor_client: APIClient) -> None:
    case = make_incident(extension_ids=("ext.weather", "ext.mail"))
    url, since = "/api/v1/timeline/", just_now()
    for path in ("timeline/", "phases/", "incidents/", "audit-entries/", "findings/"):
        answer = auditor_client.get(f"/api/v1/{path}", {"modified_since": since})
        assert (path, answer.json()["results"]) == (path, [])
    query = {"modified_since": "", "incident": case.reference}
    assert auditor_client.get(url, query).json()["results"]
    query = {"modified_since": "", "extension": "ext.mail"}
    rows = auditor_client.get("/api/v1/incidents/", query).json()["results"]
    assert [row["reference"] for row in rows] == [case.reference]


def text_of(*values: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def test_what_another_database_gave_is_refused(auditor_client: APIClient) -> None:
    now = read_horizon()
    unusable = [
        Horizon("7000000000000000000-00000001-5", now.number).encode(),
        Horizon(now.place, now.number + 1_000_000).encode(),
        Horizon(now.place, now.number - COMPARABLE).encode(),
        text_of(now.place, "5"),
        text_of(now.place),
        "2026-03-10T12:00:00Z",
        "x" * 500,
        "W1tbW1tb",
    ]
    for text in unusable:
        response = auditor_client.get(TEAMS, {"modified_since": text})
        assert (text, response.status_code) == (text, 400)
        assert response.json()["errors"][0]["field"] == "modified_since"
        assert response.json()["errors"][0]["code"] == "start_anew"


def test_a_later_page_without_its_as_of_is_refused(auditor_client: APIClient) -> None:
    for number in range(3):
        Team.objects.create(name=f"team {number}")
    page = auditor_client.get(f"{TEAMS}?modified_since=&page_size=1").json()
    address = page["next"].replace(f"as_of={page['as_of']}", "as_of=")
    response = auditor_client.get(address)
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "as_of"
    first = {"modified_since": "", "as_of": page["as_of"]}
    assert auditor_client.get(TEAMS, first).status_code == 400


def test_without_it_a_list_says_nothing_of_it(auditor_client: APIClient) -> None:
    assert set(auditor_client.get(TEAMS).json()) == {"next", "previous", "results"}
