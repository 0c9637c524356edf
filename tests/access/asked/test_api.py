"""Every resource of the API, asked by every role, every scope, every dead token."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from evidence.models import ApiToken, TokenScope
from incidents.models import Incident
from tests.access.asking import (
    Outcome,
    ask,
    is_noted,
    newest_note,
    outcome_of,
    row_of,
)
from tests.access.counting import Change, taken_back
from tests.access.people import NAMES, Who, make_caller, make_dead_callers
from tests.access.routes import Route, all_routes
from tests.access.stated import OF_A_CASE
from tests.access.stated_api import ANYBODY, Resource, stated_resources
from tests.pages import hostile
from tests.test_architecture import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
ROUTES = {path: route for path, route in all_routes().items() if route.is_api}
WRITING = ("post", "put", "patch", "delete")
QUERIES = {
    "api/v1/log/consistency/": "?older=1",
    "api/v1/extensions/<pk>/trust/": "?at=2026-03-10T12:00:00Z",
    "api/v1/incidents/<reference>/picture/": (
        "?since=2026-03-10T12:00:00Z&until=2026-03-10T13:00:00Z"
    ),
}
"""What is asked for; what is told as of now unless a moment is named, as of one."""
DOCUMENT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
CALLERS = [who for who in NAMES if who not in (Who.NO_STAFF, Who.INACTIVE)]


def written(change: Change) -> set[str]:
    """Return the tables that a request changed, beside the token's own last use."""
    return change.tables - {ApiToken._meta.db_table}


def model_of(route: Route) -> Any:
    """Return the model whose rows a resource answers with; None where it has none."""
    queryset = getattr(route.resource, "queryset", None)
    own = queryset.model if queryset is not None else None
    return getattr(route.resource, "report_model", None) or own


def is_empty(route: Route) -> bool:
    """Return whether a route is of one row, and there is none in the world."""
    model = model_of(route)
    return route.path.endswith("<pk>/") and not model._default_manager.exists()


def address(route: Route, case: Incident) -> str:
    """Return a route's address, of a row of this case where it can be."""
    model = model_of(route)
    row = row_of(model, case) if model is not None else None
    values = {
        "*": str(row.pk if row else 1),
        "reference": case.reference,
        "filename": "bundle.json",
    }
    return hostile.fill(route.path, values) + QUERIES.get(route.path, "")


@pytest.mark.parametrize("who", CALLERS, ids=lambda who: who.name.lower())
def test_a_role_reads_what_it_is_stated_to_read(
    who: Who, browsers: dict[Who, Client], everything: Incident
) -> None:
    caller = make_caller(who, *TokenScope)
    resources = stated_resources()
    found = list(faults_of_reading(who, caller, everything, resources))
    assert not found, "\n".join(found)


def faults_of_reading(
    who: Who, caller: Client, case: Incident, resources: dict[str, Resource]
) -> Iterator[str]:
    """Yield every resource that is not read by whom it is stated to be."""
    first = newest_note()
    for path, resource in resources.items():
        if not resource.reads:
            continue
        url = address(ROUTES[path], case)
        with taken_back():
            answer = ask(caller, "get", url)
            is_known = answer.status_code != 200 or resource.row is not OF_A_CASE
            is_known = is_known or is_noted(_row_at(path, case), since=first)
        outcome = outcome_of(answer)
        if not is_known:
            yield f"GET {url}: nobody will know who looked"
        for fault in faults_of_an_answer(answer):
            yield f"GET {url}: {fault}"
        wanted = Outcome.DONE if who in resource.reads else Outcome.REFUSED
        if wanted is Outcome.DONE and is_empty(ROUTES[path]):
            wanted = Outcome.ABSENT
        if outcome is not wanted:
            yield f"GET {url}: {outcome}, not {wanted}"


def _row_at(path: str, case: Incident) -> Any:
    return case if "<reference>" in path else row_of(model_of(ROUTES[path]), case)


def faults_of_an_answer(answer: Any) -> Iterator[str]:
    """Yield what an answer to a known client lacks of what every one has."""
    if "RateLimit-Remaining" not in answer:
        yield "says nothing of the limit"
    if answer.status_code >= 400:
        is_problem = answer["Content-Type"] == "application/problem+json"
        code = answer.json()["code"] if is_problem else answer["Content-Type"]
        if f"`{code}`" not in DOCUMENT:
            yield f"{answer.status_code} {code} is not in docs/api.md"


def test_who_has_an_answer_gets_none_again(
    browsers: dict[Who, Client], everything: Incident
) -> None:
    caller, tagged = make_caller(Who.SUPERUSER, *TokenScope), 0

    def faults() -> Iterator[str]:
        nonlocal tagged
        for path, resource in stated_resources().items():
            url = address(ROUTES[path], everything)
            first = ask(caller, "get", url) if resource.reads else None
            if first is None or first.status_code != 200 or first.streaming:
                continue
            known = {"If-None-Match": first.get("ETag", "none")}
            again = ask(caller, "get", url, headers=known)
            if (again.status_code, again.content) != (304, b""):
                yield f"GET {url}: {again.status_code} to who has the answer"
            yield from faults_of_an_answer(again)
            tagged += 1

    assert not (found := list(faults())), "\n".join(found)
    assert tagged > 150


def test_a_token_reads_only_with_the_scope_for_it(
    browsers: dict[Who, Client], everything: Incident
) -> None:
    """As the superuser, whom no missing right would stop."""

    def faults() -> Iterator[str]:
        for scope in TokenScope:
            if scope is TokenScope.READ:
                continue
            caller = make_caller(Who.SUPERUSER, scope)
            for path, resource in stated_resources().items():
                if resource.reads == ANYBODY or not resource.reads:
                    continue
                url = address(ROUTES[path], everything)
                with taken_back() as change:
                    answer = ask(caller, "get", url)
                is_closed = outcome_of(answer) is Outcome.REFUSED and not written(
                    change
                )
                if not is_closed and resource.scopes != (scope,):
                    yield f"{scope} GET {url}: {answer.status_code} {written(change)}"

    assert not (found := list(faults())), "\n".join(found)


def test_no_dead_token_and_nobody_reads_or_changes_anything(
    browsers: dict[Who, Client], everything: Incident
) -> None:
    callers: dict[str, Any] = {**make_dead_callers(), "nobody": APIClient()}

    def faults() -> Iterator[str]:
        for name, caller in callers.items():
            for path, resource in stated_resources().items():
                url = address(ROUTES[path], everything)
                for method in ("get", *resource.writes):
                    with taken_back() as change:
                        outcome = outcome_of(ask(caller, method, url))
                    if outcome is not Outcome.SIGN_IN or written(change):
                        yield f"{name} {method} {url}: {outcome} {written(change)}"

    assert not (found := list(faults())), "\n".join(found)


def test_a_write_without_its_scope_changes_nothing(
    browsers: dict[Who, Client], everything: Incident
) -> None:
    """Methods that are not stated are refused with whatever scope, those that are
    without their own."""

    caller_with = functools.cache(functools.partial(make_caller, Who.SUPERUSER))

    def faults() -> Iterator[str]:
        for path, resource in stated_resources().items():
            url = address(ROUTES[path], everything)
            for method in WRITING:
                write = resource.writes.get(method)
                others = [each for each in TokenScope if write and each != write.scope]
                caller = caller_with(*(others or TokenScope))
                with taken_back() as change:
                    answer = ask(caller, method, url)
                outcome = outcome_of(answer)
                for fault in faults_of_an_answer(answer):
                    yield f"{method} {url}: {fault}"
                wanted = Outcome.REFUSED if write else Outcome.METHOD
                if outcome is not wanted or written(change):
                    yield f"{method} {url}: {outcome}, not {wanted} {written(change)}"

    assert not (found := list(faults())), "\n".join(found)


def test_a_session_reads_the_api_and_changes_nothing_there(
    browsers: dict[Who, Client], everything: Incident
) -> None:
    def faults() -> Iterator[str]:
        browser = browsers[Who.SUPERUSER]
        for path, resource in stated_resources().items():
            url = address(ROUTES[path], everything)
            for method in resource.writes:
                with taken_back() as change:
                    outcome = outcome_of(ask(browser, method, url))
                if outcome is not Outcome.REFUSED or written(change):
                    yield f"{method} {url}: {outcome} {written(change)}"

    assert not (found := list(faults())), "\n".join(found)
