"""*My items* comes in pages, what is due first on the first."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from evidence.accounts.access import Role
from incidents.admin.overview_pages import PAGE
from incidents.models import ChecklistItem
from tests.factories import make_incident, make_user

pytestmark = pytest.mark.django_db


def test_my_items_come_in_pages_soonest_first(client: Client) -> None:
    url, person = (
        reverse("admin:incidents_incident_my_items"),
        make_user(Role.RESPONDER),
    )
    while ChecklistItem.objects.count() <= PAGE:
        make_incident()
    ChecklistItem.objects.update(assignee=person)
    client.force_login(person)
    first, last = client.get(url), client.get(url, {"page": "99"})
    rows = [row for page in (first, last) for row in page.context["rows"]]
    moments = [row["view"].phase.due_at for row in rows]
    there = [moment for moment in moments if moment is not None]
    assert len(first.context["rows"]) == PAGE
    assert {row["item"].pk for row in rows} == {
        one.pk for one in ChecklistItem.objects.all()
    }
    assert moments == sorted(there) + [None] * (len(moments) - len(there))
    assert "Page 1 of 2" in first.content.decode()
    assert client.get(url, {"page": "x"}).status_code == 200
