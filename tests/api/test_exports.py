"""Asking for copies over the API: redacted ones, and what unredacted ones take."""

import pytest

from evidence.format import REDACTION_FLAGS
from evidence.models import ExportRequest, TokenScope
from evidence.services import run_export
from tests.api.conftest import make_client
from tests.evidence.helpers import read_vector, receive
from tests.factories import make_incident

URL = "/api/v1/exports/"
FULL = dict.fromkeys(REDACTION_FLAGS, True)
WRITE = (TokenScope.READ, TokenScope.EVIDENCE_WRITE)
ALL = (*WRITE, TokenScope.UNREDACTED)


@pytest.fixture
def item(db):
    name = "redaction.source"
    return receive(make_incident().pk, read_vector(name), f"{name}.json")


def ask(client, source, **body):
    return client.post(URL, {"item": source.pk, **body}, format="json")


def test_a_redacted_copy_is_asked_for(item, responder):
    answer = ask(make_client(responder, *WRITE), item, redaction=FULL)
    assert answer.status_code == 202
    body = answer.json()
    assert (body["source"], body["state"], body["tlp"]) == (item.pk, "queued", "amber")
    assert ExportRequest.objects.get(pk=body["id"]).redaction == FULL


def test_a_deeply_redacted_copy_is_asked_for_and_lists_what_it_replaced(
    item, responder
):
    source = receive(item.incident_id, read_vector("leak.source"), "leak.json")
    client = make_client(responder, *WRITE)
    body = ask(client, source, redaction=FULL, deep=True).json()
    assert (body["deep"], body["copy"]) == (True, "deeply-redacted")
    run_export(request_id=body["id"])
    made = client.get(f"{URL}{body['id']}/").json()
    assert (made["state"], made["leaks"], made["carried_over"]) == ("done", [], 0)
    assert made["source_fails"] == []
    assert {"path", "kind", "count"} == set(made["replaced"][0])


def test_deep_redaction_of_nothing_is_refused(item, reviewer):
    answer = ask(make_client(reviewer, *ALL), item, deep=True)
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_redacted")
    assert ask(make_client(reviewer, *ALL), item, deep="x").status_code == 400


def test_nothing_redacted_takes_the_scope_and_the_right(item, reviewer, responder):
    no_scope = ask(make_client(reviewer, *WRITE), item)
    assert (no_scope.status_code, no_scope.json()["code"]) == (403, "scope_missing")
    no_right = ask(make_client(responder, *ALL), item)
    assert (no_right.status_code, no_right.json()["code"]) == (
        403,
        "permission_refused",
    )
    assert not ExportRequest.objects.exists()
    assert ask(make_client(reviewer, *ALL), item).status_code == 202


def test_an_unredacted_copy_is_not_asked_for_again_without_the_scope(item, reviewer):
    made = ask(make_client(reviewer, *ALL), item).json()
    answer = make_client(reviewer, *WRITE).post(f"{URL}{made['id']}/again/")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    "body",
    [
        {"redaction": {"redact_everything": True}},
        {"redaction": {"redact_name_hash": "perhaps"}},
        {"filter": {"min_severity": "loud"}, "redaction": FULL},
        {"filter": [], "redaction": FULL},
        {"item": 9_223_372_036_854_775_808},
        {"item": "x"},
    ],
)
def test_what_the_format_does_not_know_is_refused(item, reviewer, body):
    answer = ask(make_client(reviewer, *ALL), item, **body)
    assert answer.status_code in (400, 422), answer.content
    assert not ExportRequest.objects.exists()


def test_an_item_that_is_not_there_is_not_found(item, reviewer):
    answer = ask(make_client(reviewer, *ALL), item, item=item.pk + 1000)
    assert answer.status_code == 404
