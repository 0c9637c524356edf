"""What an open page of a case asks: cheap where nothing changed, and who did what."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from evidence.accounts.access import Role
from incidents.models import ChecklistItem, Finding, Incident
from incidents.services.checklists.answers import answer_item
from incidents.workflow.incident_states import ItemState
from tests.factories import NOON, make_incident, make_user


@pytest.fixture
def case(db: None) -> Incident:
    incident: Incident = make_incident()
    return incident


def ask(client: Client, case: Incident, mark: str = "") -> Any:
    url = reverse("admin:incidents_incident_changes", args=[case.pk])
    return client.get(url, headers={"If-None-Match": f'"{mark}"'})


def mark_of(client: Client, case: Incident) -> str:
    """Return the mark that a page of the case is drawn with."""
    page = client.get(reverse("admin:incidents_incident_change", args=[case.pk]))
    found = re.search(r'data-mark="([0-9-]+)"', page.content.decode())
    assert found
    return found[1]


def answer(case: Incident, actor: User) -> None:
    item = ChecklistItem.objects.get(cycle__incident=case, key="disable-all-extensions")
    answer_item(
        actor=actor, item_id=item.pk, state=ItemState.NOT_APPLICABLE, note="One only."
    )


def test_where_nothing_changed_one_query_of_the_case_answers(
    client: Client, case: Incident, responder: User
) -> None:
    client.force_login(responder)
    mark = mark_of(client, case)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = ask(client, case, mark)
    assert (response.status_code, response.content) == (304, b"")
    of_case = [q for q in queries if "incidents_incident" in q["sql"]]
    # One finds out whether any case is hidden from who asks.
    assert len([q for q in of_case if "EXISTS" not in q["sql"]]) == 1
    assert len(of_case) <= 2
    assert not [q for q in queries if q["sql"].startswith(("UPDATE", "INSERT"))]


def test_who_did_what_since_the_page_was_drawn(
    client: Client, case: Incident, responder: User, reviewer: User
) -> None:
    client.force_login(responder)
    mark = mark_of(client, case)
    answer(case, reviewer)
    response = ask(client, case, mark)
    told = response.json()
    assert response["ETag"] == f'"{told["mark"]}"'
    assert told["mark"] == mark_of(client, case)
    assert {change["who"] for change in told["changes"]} == {"reviewer"}
    assert told["changes"][0]["what"].startswith("Checklist item answered: ")
    assert not any(change["is_mine"] for change in told["changes"])
    assert ask(client, case, told["mark"]).status_code == 304


def test_ones_own_doing_is_told_as_such(
    client: Client, case: Incident, responder: User
) -> None:
    client.force_login(responder)
    mark = mark_of(client, case)
    answer(case, responder)
    changes = ask(client, case, mark).json()["changes"]
    assert changes
    assert all(change["is_mine"] for change in changes)


def test_a_new_finding_is_a_change_too(
    client: Client, case: Incident, responder: User
) -> None:
    client.force_login(responder)
    mark = mark_of(client, case)
    Finding.objects.create(
        incident=case,
        code="INC-2",
        key="exposure",
        version=1,
        item_key="identify-exposure",
        verdict="clear",
        sentence="None.",
        answered_at=NOON,
    )
    assert ask(client, case, mark).json()["changes"] == []


@pytest.mark.parametrize("mark", ["", "x", "1", "1-2-3", "9" * 30 + "-1", "-1--1"])
def test_a_mark_that_no_page_has_is_answered_in_full(
    client: Client, case: Incident, responder: User, mark: str
) -> None:
    client.force_login(responder)
    assert ask(client, case, mark).json()["changes"]


def test_who_may_not_see_the_case_learns_nothing(
    client: Client, case: Incident
) -> None:
    assert "/login/" in ask(client, case)["Location"]
    outsider = make_user(None)
    client.force_login(outsider)
    assert ask(client, case).status_code == 404
    client.force_login(make_user(Role.AUDITOR))
    assert ask(client, case).status_code == 200
    url = reverse("admin:incidents_incident_changes", args=[10**17])
    assert client.get(url).status_code == 404
    assert client.post(url).status_code == 405


def send(client: Client, case: Incident, *, in_place: bool, note: str) -> HttpResponse:
    item = ChecklistItem.objects.get(cycle__incident=case, key="disable-all-extensions")
    url = reverse("admin:incidents_incident_do", args=[case.pk, "answer"])
    headers = {"X-Casefile-In-Place": "1"} if in_place else {}
    data = {"item": item.pk, "state": "not_applicable", "note": note}
    response: Any = client.post(url, data, headers=headers)
    return response


def test_a_script_is_told_where_an_answer_leads_and_reads_its_message_there(
    client: Client, case: Incident, responder: User
) -> None:
    client.force_login(responder)
    response: Any = send(client, case, in_place=True, note="One only.")
    page = reverse("admin:incidents_incident_change", args=[case.pk])
    assert response.json() == {"location": page}
    assert "Marked not applicable." in client.get(page).content.decode()


def test_without_the_script_the_same_address_answers_as_ever(
    client: Client, case: Incident, responder: User
) -> None:
    client.force_login(responder)
    response = send(client, case, in_place=False, note="One only.")
    assert response.status_code == 302


def test_a_refused_answer_is_the_page_for_both(
    client: Client, case: Incident, responder: User
) -> None:
    client.force_login(responder)
    for in_place in (True, False):
        response = send(client, case, in_place=in_place, note="")
        assert response.status_code == 200
        assert "data-refused" in response.content.decode()
