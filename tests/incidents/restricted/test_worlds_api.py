"""The API answers who may not see a case as if there were no such case.

Whole answers are compared: rows, counts, links to further pages, headers. Nothing is
listed here: lists, filters, orders and formats come from the routes and their views.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from evidence.models import TokenScope
from incidents.models import Incident
from tests.access.asked.test_api import model_of
from tests.access.routes import Route, all_routes
from tests.access.stated_api import BESIDES
from tests.api.conftest import make_client
from tests.incidents.restricted.canaries import canaries_for, words_in
from tests.incidents.restricted.telling import Hidden, find_hidden
from tests.incidents.restricted.worlds import (
    Question,
    answers_to,
    differences,
    forget_hidden,
)
from tests.pages import hostile

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
ROUTES = {
    path: route
    for path, route in all_routes().items()
    # The schema shows examples, which were recorded elsewhere, and no row.
    if route.is_api and path not in BESIDES and "schema" not in path
    if "get" in route.actions
}
SHOWS_ORDERS = "api/v1/extensions/"
"""Its column `kill_switch` is of the installation: docs/security-model.md."""


def questions_of_api(person: User, sees_all: Any, case: Incident) -> Iterator[Question]:
    """Yield what to ask of each resource: its list in every way, and a hidden row."""
    for path, route in ROUTES.items():
        model = model_of(route)
        row = find_hidden(model, person, case) if model else None
        named = row or Hidden(1, case.pk, case.reference)
        if "list" in route.actions.values() and "<" not in path:
            yield from _of_list(path, route, row, sees_all, case)
        elif row or "<" not in path or "<reference>" in path:
            yield _of_row(hostile.fill(path, named.values()), sees_all)


def _of_row(url: str, sees_all: Any) -> Question:
    """Return what asks for a row by who has read it: its tag, and a part of it."""
    tag = sees_all.get(url).get("ETag", "*")
    return Question(url, (("If-None-Match", tag), ("Range", "bytes=0-3")))


def _of_list(
    path: str, route: Route, row: Hidden | None, sees_all: Any, case: Incident
) -> Iterator[Question]:
    url = f"/{path}"
    orders = sorted({*route.resource.ordering_fields} - {"id"})[:1] or ["id"]
    ways = ["page_size=1", "format=ndjson&page_size=1"]
    if path != SHOWS_ORDERS:
        ways.append(f"format=csv&modified_since=&ordering={orders[0]}")
    if row is not None:
        ways += [*_filters_by(path, row, sees_all, case)]
        # The page that follows a row that only somebody else sees.
        following = sees_all.get(f"{url}?page_size=1").json()["next"]
        ways += [following.partition("?")[2]] if following else []
    for way in ways:
        yield Question(f"{url}?{way}")


def _filters_by(path: str, row: Hidden, sees_all: Any, case: Incident) -> Iterator[str]:
    """Yield every filter by a key or a reference, naming what the hidden row names."""
    names = set(hostile.resource_parameters(path))
    told = sees_all.get(f"/{path}{row.row}/")
    found = told.json() if told.status_code == HTTPStatus.OK else {}
    for name in sorted(names):
        value = case.reference if name == "incident" else found.get(name)
        if name == "incident" or type(value) is int or value == case.reference:
            yield urlencode({name: value})


def words_told(answers: dict[str, str], canaries: dict[str, str]) -> list[str]:
    """Return which words of hidden rows answers hold that were not asked with them."""
    return [
        f"{question} tells {sorted(found)[:4]}"
        for question, text in answers.items()
        if (found := words_in(text, canaries, but=question))
    ]


def test_no_answer_of_the_api_tells_of_a_hidden_case(
    everything: Incident, outsider: User, settings: Settings
) -> None:
    # More than a token may ask in a minute: an answer that says so tells nothing.
    settings.API_RATES_PER_MINUTE = dict.fromkeys(settings.API_RATES_PER_MINUTE, 10**6)
    client = make_client(outsider, *TokenScope)
    auditor = make_client(User.objects.get(username="auditor"), *TokenScope)
    canaries = canaries_for(outsider)
    assert len(canaries) > 200
    questions = list(questions_of_api(outsider, auditor, everything))
    assert len(questions) > 350
    hidden = answers_to(client, questions)
    assert not (told := words_told(hidden, canaries)), "\n".join(told)
    forget_hidden(outsider)
    assert not Incident.everything.filter(pk=everything.pk).exists()
    missing = answers_to(client, questions)
    assert not (found := differences(hidden, missing)), "\n".join(found)
    answered = sum(text.startswith("200") for text in hidden.values())
    assert answered > 250
