"""The API reads postmortems and action items, and changes none."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from evidence.accounts.access import Role
from evidence.format import hash_value
from evidence.models import TokenScope
from incidents.services.postmortems.action_items import (
    ActionItemFields,
    add_action_item,
)
from incidents.services.postmortems.drafts import take_up_again
from incidents.workflow.postmortem import ActionItemType
from tests.api.conftest import make_client
from tests.factories import NOON, make_incident, make_user
from tests.incidents.postmortem.cases import make_signed, make_stages
from tests.shared import share

_kept, stages, _django_db_helper, evidence_folder = share(make_stages("signed"))
ROOT = "/api/v1/"
LISTS = ("postmortems/", "postmortem-versions/", "action-items/")


def add_item(incident, text="Watch the log"):
    return add_action_item(
        actor=make_user(),
        incident_id=incident.pk,
        item=ActionItemFields(
            text=text,
            item_type=ActionItemType.DETECTIVE,
            owner=make_user(),
            due_on=(NOON + dt.timedelta(days=9)).date(),
        ),
        now=NOON,
    )


@pytest.fixture
def reader():
    return make_client(make_user(Role.AUDITOR), TokenScope.READ)


def test_signed_version_can_be_hashed_again_by_its_reader(reader, signed):
    found = reader.get(f"{ROOT}postmortem-versions/{signed.pk}/").json()
    assert hash_value(found["document"]) == found["content_sha256"]
    review = found["reviews"][0]
    assert (review["verdict"], review["is_void"]) == ("signed", False)
    assert signed.content_sha256 in review["archived_sha256"]
    assert review["archive"]["failure"] == ""
    assert found["pdf"] is None
    assert found["incident"] == signed.postmortem.incident.reference


def test_voided_signature_says_so(reader, signed):
    take_up_again(actor=make_user(), postmortem_id=signed.postmortem_id, reason="x")
    found = reader.get(f"{ROOT}postmortem-versions/{signed.pk}/").json()
    assert found["reviews"][0]["is_void"] is True
    listed = reader.get(f"{ROOT}postmortems/?state=draft").json()["results"]
    assert [row["versions"] for row in listed] == [[1]]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_nothing_is_changed_here(reader, path, method):
    assert getattr(reader, method)(ROOT + path).status_code in (403, 405)


@pytest.mark.parametrize("path", LISTS)
def test_outsider_and_machine_read_nothing(path):
    for role in (None, Role.MACHINE):
        client = make_client(make_user(role), TokenScope.READ)
        assert client.get(ROOT + path).status_code == 403


def test_lists_cost_the_same_however_long(reader):
    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert reader.get(ROOT + path).status_code == 200
        return len(queries.captured_queries)

    first = make_incident()
    add_item(first)
    for path in LISTS:
        reader.get(ROOT + path)
    before = {path: cost(path) for path in LISTS}
    make_signed()
    make_signed()
    add_item(first, "Another")
    assert {path: cost(path) for path in LISTS} == before


def test_items_are_filtered(reader):
    incident = make_incident()
    add_item(incident)
    url = f"{ROOT}action-items/"
    assert len(reader.get(f"{url}?owner=responder&state=open").json()["results"]) == 1
    assert not reader.get(f"{url}?item_type=corrective").json()["results"]
    assert not reader.get(f"{url}?due_before=2026-01-01").json()["results"]
    assert reader.get(f"{url}?weather=fine").status_code == 400
