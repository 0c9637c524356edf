"""Rows are written out as Django REST framework would, and people read in one query."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework import serializers
from rest_framework.test import APIClient

from evidence.api.base.rows import RowSerializer
from incidents.models import Incident
from incidents.services.lifecycle.holds import place_hold
from tests.factories import make_incident

pytestmark = pytest.mark.django_db
CASES = "/api/v1/incidents/"


@pytest.fixture
def case(responder: Any) -> Incident:
    made = make_incident(lead=responder, actor=responder)
    made.related.add(make_incident())
    place_hold(actor=responder, incident_id=made.pk, reason="A court asked.")
    return made


def test_rows_are_written_as_the_framework_would(
    reader: APIClient, case: Incident, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = (CASES, f"{CASES}{case.reference}/", f"{CASES}?format=ndjson")
    addresses += ("/api/v1/phases/", "/api/v1/holds/", "/api/v1/audit-entries/")
    ours = [_read(reader, address) for address in addresses]
    theirs = serializers.ModelSerializer.to_representation
    monkeypatch.setattr(RowSerializer, "to_representation", theirs)
    assert [_read(reader, address) for address in addresses] == ours


def test_people_are_read_once_and_joined_nowhere(
    reader: APIClient, case: Incident
) -> None:
    reader.get(CASES)
    with CaptureQueriesContext(connection) as queries:
        row = reader.get(f"{CASES}{case.reference}/").json()
    assert row["lead"] == row["holds"][0]["held_by"] == case.lead.username
    asked = [query["sql"] or "" for query in queries if "auth_user" in query["sql"]]
    people = [sql for sql in asked if "apitoken" not in sql and "permission" not in sql]
    assert len(people) == 1
    assert "JOIN" not in people[0]


def _read(client: APIClient, address: str) -> bytes:
    answer: Any = client.get(address)
    assert answer.status_code == 200, address
    return b"".join(answer.streaming_content) if answer.streaming else answer.content
