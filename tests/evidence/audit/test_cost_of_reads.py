"""What noting who looked adds to a page, by work that is counted and not timed.

`python -m tests.bench.bench_reads` takes the time of it.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from evidence.models import NotedRead, TokenScope
from tests.api.conftest import make_client
from tests.factories import make_evidence, make_incident
from tests.work import count_work

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
NOTING = "config.noted_reads.NotedReadsMiddleware"
MOST_ADDED = 0.05
CASES = 30


@pytest.fixture
def pages() -> dict[str, str]:
    """Return pages that are noted: each kind of them, once."""
    cases = [make_incident() for _ in range(CASES)]
    item = make_evidence(cases[0])
    case = f"/admin/incidents/incident/{cases[0].pk}/change/"
    return {
        "a case": case,
        "its history": f"{case}?tab=history",
        "evidence": f"/admin/evidence/evidenceitem/{item.pk}/change/",
        "the list of cases": "/admin/incidents/incident/",
        "a search": "/admin/search/?s=somebody",
        "a list of the API": "/api/v1/incidents/",
        "a case of the API": f"/api/v1/incidents/{cases[0].reference}/",
    }


def browse(person: User, *, by_api: bool) -> Any:
    if by_api:
        return make_client(person, TokenScope.READ)
    client = Client()
    client.force_login(person)
    return client


def without_notes(client: Any) -> Any:
    """Have a client's site note nothing."""
    assert NOTING in settings.MIDDLEWARE
    kept = [name for name in settings.MIDDLEWARE if name != NOTING]
    with override_settings(MIDDLEWARE=kept):
        client.handler.load_middleware()
    return client


def cost_of(client: Any, url: str) -> tuple[int, int]:
    """Return how many functions and statements a page takes that was asked before."""
    assert client.get(url).status_code == 200
    calls = count_work(lambda: client.get(url))
    with CaptureQueriesContext(connection) as statements:
        client.get(url)
    return calls, len(statements)


@pytest.mark.parametrize("name", ["auditor", "responder"])
def test_note_adds_a_twentieth_of_a_page_at_most_and_two_statements(
    request: pytest.FixtureRequest, pages: dict[str, str], name: str
) -> None:
    person = request.getfixturevalue(name)
    too_much = []
    for page, url in pages.items():
        by_api = url.startswith("/api/")
        calls, statements = cost_of(without_notes(browse(person, by_api=by_api)), url)
        assert not NotedRead.objects.exists()
        noted, asked = cost_of(browse(person, by_api=by_api), url)
        assert NotedRead.objects.all().delete()[0] == 3
        # Whose case an item of evidence or of a list is may have to be asked.
        if noted > calls * (1 + MOST_ADDED) or asked > statements + 2:
            too_much.append(f"{page}: {calls} to {noted}, {statements} to {asked}")
    assert not too_much, "\n".join(too_much)
