"""What a check of everything found is told without what is hidden."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.models import HistoryCheck, RecordCheck, TokenScope
from incidents.models import Incident
from tests.api.conftest import make_client
from tests.factories import make_user
from tests.incidents.restricted.conftest import ORDINARY, stranger

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
Browse = Callable[[User], Client]


def plant_faults(hidden: Incident) -> None:
    """Have checks that found faults in a hidden case, and in what everybody sees."""
    now = timezone.now()
    open_case = Incident.everything.get(title=ORDINARY).pk
    made = {"started_at": now, "finished_at": now, "fault_count": 3}
    where = (f"incident:{hidden.pk}", f"reads:{hidden.pk}", f"incident:{open_case}")
    HistoryCheck.objects.create(
        **made,
        stream_count=3,
        entry_count=9,
        reached=where[0],
        faults=[
            {"stream": stream, "sequence": 1, "code": "hash", "message": "differs"}
            for stream in where
        ],
    )
    tables = ("incidents_incident", "incidents_incident_readers", "incidents_team")
    RecordCheck.objects.create(
        **made,
        table_count=3,
        row_count=9,
        faults=[
            {"table": name, "key": "1", "code": "changed", "message": f"{name} changed"}
            for name in tables
        ],
    )


def test_what_a_check_found_is_told_without_what_is_hidden(
    hidden: Incident, browse: Browse
) -> None:
    plant_faults(hidden)
    person, sees_all = stranger(Role.REVIEWER), make_user("auditor", "sees-all")
    open_case = Incident.everything.get(title=ORDINARY)
    told = {}
    for who in (person, sees_all):
        program = make_client(who, TokenScope.READ)
        lists = ("history-checks", "record-checks")
        rows = [program.get(f"/api/v1/{name}/").json()["results"] for name in lists]
        newest = [max(found, key=lambda row: row["id"]) for found in rows]
        told[who] = [check["faults"] for check in newest]
    streams, tables = told[person]
    assert [fault["stream"] for fault in streams] == [f"incident:{open_case.pk}"]
    assert [fault["table"] for fault in tables] == ["incidents_team"]
    assert [len(found) for found in told[sees_all]] == [3, 3]
    for model in (HistoryCheck, RecordCheck):
        url = f"/admin/evidence/{model._meta.model_name}/{model.objects.all()[0].pk}"
        page = browse(person).get(f"{url}/change/").content.decode()
        assert ("differs" if model is HistoryCheck else "incidents_team") in page
        assert "incidents_incident" not in page
        assert not re.search(rf"\b(incident:|reads:|Case ){hidden.pk}\b", page)
