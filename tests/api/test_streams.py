"""Lists in bulk: whole, a row a line, resumable, and told when they are refused."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from evidence.api.base.streams import BATCH_ROWS
from evidence.audit.chain import find_chain_faults
from evidence.models import StoreCheck
from incidents.models import Team
from tests.api.conftest import make_client
from tests.factories import NOON, make_incident

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/"
NEXT = re.compile(r'<([^>]+)>; rel="next"')


def read_stream(client: APIClient, url: str) -> tuple[bytes, str]:
    """Return what was streamed, and where the next begins."""
    response = client.get(url)
    assert response.status_code == 200, response.content
    assert response.streaming
    found = NEXT.fullmatch(response.get("Link", ""))
    return b"".join(response.streaming_content), found[1] if found else ""


def rows_of(client: APIClient, url: str) -> list[dict[str, Any]]:
    rows = []
    while url:
        data, url = read_stream(client, url)
        rows += [json.loads(line) for line in data.splitlines()]
    return rows


def make_checks(count: int) -> None:
    StoreCheck.objects.bulk_create(
        StoreCheck(sha256_hex=f"{number:064x}", checked_at=NOON)
        for number in range(count)
    )


@pytest.mark.parametrize("ordering", ["id", "-id", "checked_at", "-checked_at"])
def test_a_stream_holds_every_row_once_in_order(
    reader: APIClient, ordering: str
) -> None:
    make_checks(BATCH_ROWS * 2 + 7)
    url = f"{ROOT}store-checks/?format=ndjson&ordering={ordering}"
    ids = [row["id"] for row in rows_of(reader, url)]
    assert len(set(ids)) == len(ids) == BATCH_ROWS * 2 + 7
    assert ids == sorted(ids, reverse=ordering.startswith("-"))
    assert [row["id"] for row in rows_of(reader, f"{url}&page_size=600")] == ids


def test_a_row_is_the_same_in_every_form(reader: APIClient) -> None:
    case = make_incident(title="=1+1 is no formula, “but” a title\nof two lines")
    page = reader.get(f"{ROOT}incidents/").json()["results"]
    assert rows_of(reader, f"{ROOT}incidents/?format=ndjson") == page
    text = read_stream(reader, f"{ROOT}incidents/?format=csv")[0].decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert list(row) == list(page[0])
    assert row["title"] == f"'{case.title}"
    assert json.loads(row["extensions"]) == page[0]["extensions"]
    assert row["closed_at"] == ""


def test_the_form_is_asked_for_by_header_too(reader: APIClient) -> None:
    make_incident()
    for form in ("application/x-ndjson", "text/csv"):
        response = reader.get(f"{ROOT}incidents/", HTTP_ACCEPT=form)
        assert response["Content-Type"] == f"{form}; charset=utf-8"
        assert response["Cache-Control"] == "no-store"
    assert reader.get(f"{ROOT}incidents/", HTTP_ACCEPT="text/html").status_code == 406


def test_an_empty_list_is_an_empty_stream(reader: APIClient) -> None:
    assert read_stream(reader, f"{ROOT}teams/?format=ndjson") == (b"", "")
    assert read_stream(reader, f"{ROOT}teams/?format=csv") == (
        b"id,name,members,sees_only_own_cases\r\n",
        "",
    )


def test_a_stream_is_narrowed_like_a_page(reader: APIClient) -> None:
    make_incident()
    make_incident(severity="critical")
    url = f"{ROOT}incidents/?format=ndjson&severity=critical&fields=severity"
    assert rows_of(reader, url) == [{"severity": "critical"}]


def test_the_history_is_streamed_as_it_was_hashed(reader: APIClient) -> None:
    case = make_incident()
    url = f"{ROOT}audit-entries/?format=ndjson&ordering=sequence&page_size=1"
    rows = rows_of(reader, f"{url}&stream=incident:{case.pk}")
    assert rows
    assert list(find_chain_faults(rows)) == []


def test_rows_that_come_in_meanwhile_come_after(reader: APIClient) -> None:
    make_checks(4)
    url = f"{ROOT}store-checks/?format=ndjson&ordering=id&page_size=3"
    response = reader.get(url)
    StoreCheck.objects.create(sha256_hex="f" * 64, checked_at=NOON)
    first = b"".join(response.streaming_content).splitlines()
    rest = rows_of(reader, NEXT.fullmatch(response["Link"])[1])
    assert len(first) == 3
    assert [row["sha256_hex"][-1] for row in rest] == ["3", "f"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=100001", "page_size"),
        ("page_size=0", "page_size"),
        ("cursor=x", "cursor"),
        ("ordering=name", "ordering"),
        ("modified_since=x", "modified_since"),
        ("naem=x", "naem"),
        ("fields=x", "fields"),
    ],
)
@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_what_cannot_be_streamed_is_refused_as_a_problem(
    reader: APIClient, form: str, query: str, field: str
) -> None:
    response = reader.get(f"{ROOT}teams/?format={form}&{query}")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["errors"][0]["field"] == field


def test_who_may_not_read_gets_no_stream(outsider: Any) -> None:
    response = make_client(outsider, "read").get(f"{ROOT}teams/?format=ndjson")
    assert (response.status_code, response.json()["code"]) == (
        403,
        "permission_refused",
    )


def test_one_row_is_no_stream(reader: APIClient) -> None:
    team = Team.objects.create(name="Night watch")
    assert reader.get(f"{ROOT}teams/{team.pk}/?format=ndjson").status_code == 404


def test_a_stream_asks_for_its_rows_in_batches(reader: APIClient) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            read_stream(reader, f"{ROOT}store-checks/?format=ndjson")
        return len(queries)

    make_checks(BATCH_ROWS)
    count()  # The first request notes that the token is used.
    few = count()
    StoreCheck.objects.all().delete()
    make_checks(BATCH_ROWS * 3)
    assert count() == few + 2


def test_lists_names_every_list_that_one_may_read(
    reader: APIClient, machine: Any
) -> None:
    lists = reader.get(f"{ROOT}lists/").json()
    names = [each["name"] for each in lists]
    assert len(names) > 60
    assert {"incidents", "timeline", "audit-entries", "custody-events"} <= set(names)
    for each in lists:
        assert reader.get(each["url"]).status_code == 200
    few = make_client(machine, "read").get(f"{ROOT}lists/").json()
    assert [each["name"] for each in few] == ["incidents", "kill-switches"]
    assert APIClient().get(f"{ROOT}lists/").status_code == 401
