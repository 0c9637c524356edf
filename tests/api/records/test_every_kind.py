"""Every kind of record is read through the API, or it is stated here why it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.api.base.records import RecordKind
from evidence.api.records import EVIDENCE_KINDS
from incidents.api.records import INCIDENT_KINDS
from policy.api.records import POLICY_KINDS
from tests.api.conftest import make_client
from tests.pages import hostile

pytestmark = [pytest.mark.django_db, pytest.mark.long]
ROOT = "/api/v1/"
APPS = ("evidence", "policy", "incidents")
KINDS = (*EVIDENCE_KINDS, *POLICY_KINDS, *INCIDENT_KINDS)
NOT_LISTED = {
    "evidence.AuthenticatorApp": "a sealed seed; its changes stand in the history",
    "evidence.Passkey": "public keys; their changes stand in the history",
    "evidence.SignInIdentity": "links; making them stands in the history",
    "evidence.RecoveryCode": "digests of codes; their use stands in the history",
    "evidence.LogLeaf": "hashes that every entry's proof and the log's tiles give",
    "evidence.LogSubtree": "hashes that the log's tiles give",
    "evidence.NotedRead": "noted until its batch is recorded; then it is in reads",
    "evidence.ReaderSettings": "in which zone a person reads pages",
    "evidence.SentForm": "keys of forms, so that none is taken twice; soon forgotten",
    "incidents.FrozenCase": "what an archive is made from: rows that are listed, as "
    "they stood",
    "incidents.NotificationPreference": "a person's own wishes; what became of them "
    "stands in notifications",
    "incidents.ReferenceCounter": "the last number given; references show it",
    "incidents.ReminderCheckState": "how far a check has come, worked out anew",
    "incidents.ReminderCursor": "how far reminders were planned, worked out anew",
}
SECRETS = {"digest", "sealed_url", "password", "token_key", "place"}
READERS = (Role.RESPONDER, Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR)


def listed_models() -> set[str]:
    """Return the models whose rows some list of the API gives out."""
    found = set()
    for pattern in _patterns(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None)
        if "list" in getattr(pattern.callback, "actions", {}).values():
            found.add(view.queryset.model._meta.label)
    return found


def _patterns(patterns: list[Any]) -> Iterator[Any]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _patterns(pattern.url_patterns)
        else:
            yield pattern


def test_every_model_is_listed_or_stated_with_its_reason() -> None:
    ours = {
        model._meta.label
        for app in APPS
        for model in apps.get_app_config(app).get_models()
    }
    unstated = ours - listed_models() - set(NOT_LISTED)
    assert unstated == set(), "Add a RecordKind, or state here why there is none."
    assert set(NOT_LISTED) <= ours - listed_models()
    assert all(NOT_LISTED.values())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)
def test_no_kind_gives_out_a_secret(kind: RecordKind) -> None:
    assert SECRETS.isdisjoint(kind.fields)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)
def test_no_kind_leaves_out_a_case_that_it_has(kind: RecordKind) -> None:
    """A row that leads to a case is narrowed by who may see that case."""
    names = {field.name for field in kind.model._meta.concrete_fields}
    to_a_case = names & {"incident", "item", "cycle", "phase", "kill_switch", "report"}
    assert bool(to_a_case) <= bool(kind.incident_lookup)


@pytest.mark.walk
def test_every_reader_reads_every_kind_as_it_is_stored(everything: Any) -> None:
    """Rows, details and filters of every kind, for every role that reads."""
    clients = [
        make_client(User.objects.get(username=role.value), "read") for role in READERS
    ]
    for kind in KINDS:
        ids = set(kind.model._default_manager.values_list("pk", flat=True))
        for client in clients:
            rows = read_all(client, f"{ROOT}{kind.path}/?page_size=500")
            assert {row["id"] for row in rows} == ids, kind.path
        for row in rows[:1]:
            detail = clients[0].get(f"{ROOT}{kind.path}/{row['id']}/").json()
            assert detail == row
            assert set(row) >= {"id", *kind.fields}, kind.path


def read_all(client: APIClient, url: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    address: str | None = url
    while address:
        response = client.get(address)
        assert response.status_code == 200, (url, response.content)
        rows += response.json()["results"]
        address = response.json()["next"]
    return rows


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.path)
def test_others_read_no_kind(kind: RecordKind, everything: Any) -> None:
    url = f"{ROOT}{kind.path}/"
    assert APIClient().get(url).status_code == 401
    machine = User.objects.get(username="machine")
    for person in (User.objects.get(username="outsider"), machine):
        refused = make_client(person, "read").get(url)
        assert (refused.status_code, refused.json()["code"]) == (
            403,
            "permission_refused",
        )
    unscoped = make_client(machine, "alerts:write").get(url)
    assert unscoped.json()["code"] == "scope_missing"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_kind_is_changed_here(everything: Any, method: str) -> None:
    responder = User.objects.get(username="responder")
    client = make_client(responder, "read", "cases:write", "evidence:write")
    for kind in KINDS:
        response = getattr(client, method)(f"{ROOT}{kind.path}/")
        assert (kind.path, response.status_code) == (kind.path, 405)


def test_every_kind_is_narrowed_by_its_case(everything: Any) -> None:
    reader = make_client(User.objects.get(username="auditor"), "read")
    tried = 0
    for kind in KINDS:
        if not kind.incident_lookup:
            continue
        lookup = f"{kind.incident_lookup}__reference"
        rows = kind.model._default_manager.filter(**{lookup: everything.reference})
        url = f"{ROOT}{kind.path}/?incident={everything.reference}&page_size=500"
        found = read_all(reader, url)
        assert {row["id"] for row in found} == set(rows.values_list("pk", flat=True))
        assert {row["incident"] for row in found} <= {everything.reference}
        tried += bool(found)
    assert tried > 10


@pytest.mark.walk
def test_a_row_is_found_by_what_it_holds(everything: Any) -> None:
    reader = make_client(User.objects.get(username="auditor"), "read")
    tried = 0
    for kind in KINDS:
        url = f"{ROOT}{kind.path}/"
        for row in reader.get(f"{url}?page_size=1").json()["results"]:
            for name in hostile.resource_parameters(url.lstrip("/")):
                value = row.get(name)
                if value is None or isinstance(value, list) or value == "":
                    continue
                word = str(value).lower() if isinstance(value, bool) else str(value)
                query = urlencode({name: word, "page_size": 500})
                found = read_all(reader, f"{url}?{query}")
                assert row in found, (kind.path, name)
                assert {other[name] for other in found} == {value}
                tried += 1
    assert tried > 60


def test_a_filter_refuses_a_word_that_no_row_can_hold(everything: Any) -> None:
    reader = make_client(User.objects.get(username="auditor"), "read")
    for query in ("kind=nothing", "entered_after=yesterday", "cycle=one", "knid=note"):
        response = reader.get(f"{ROOT}timeline/?{query}")
        assert response.status_code == 400
        assert response.json()["code"] == "validation_failed"


@pytest.mark.walk
def test_a_list_costs_the_same_however_many_rows(everything: Any) -> None:
    reader = make_client(User.objects.get(username="auditor"), "read")
    reader.get(f"{ROOT}teams/")
    for kind in KINDS:
        costs = []
        for size in (1, 500):
            with CaptureQueriesContext(connection) as queries:
                reader.get(f"{ROOT}{kind.path}/?page_size={size}")
            costs.append(len(queries))
        assert costs[1] <= costs[0] + 1, kind.path


def test_streams_of_the_history_end_where_they_end(everything: Any) -> None:
    reader = make_client(User.objects.get(username="auditor"), "read")
    streams = read_all(reader, f"{ROOT}audit-streams/?page_size=3")
    names = [stream["stream"] for stream in streams]
    assert len(set(names)) == len(names) > 3
    for stream in streams:
        url = f"{ROOT}audit-entries/?stream={stream['stream']}&ordering=-sequence"
        newest = reader.get(f"{url}&page_size=1").json()["results"][0]
        found = (newest["sequence"], newest["entry_hash"])
        assert found == (stream["length"], stream["newest_hash"])
