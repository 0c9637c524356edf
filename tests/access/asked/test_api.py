"""Every resource of the API, asked by every role, every scope, every dead token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from evidence.models import ApiToken, TokenScope
from incidents.models import Incident
from tests.access.asking import Outcome, ask, outcome_of, row_of
from tests.access.counting import Change, taken_back
from tests.access.people import NAMES, Who, make_caller, make_dead_callers
from tests.access.routes import Route, all_routes
from tests.access.stated_api import ANYBODY, Resource, stated_resources
from tests.pages import hostile

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
ROUTES = {path: route for path, route in all_routes().items() if route.is_api}
WRITING = ("post", "put", "patch", "delete")
QUERIES = {"api/v1/log/consistency/": "?older=1"}
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
    for path, resource in resources.items():
        if not resource.reads:
            continue
        url = address(ROUTES[path], case)
        with taken_back():
            outcome = outcome_of(ask(caller, "get", url))
        wanted = Outcome.DONE if who in resource.reads else Outcome.REFUSED
        if wanted is Outcome.DONE and is_empty(ROUTES[path]):
            wanted = Outcome.ABSENT
        if outcome is not wanted:
            yield f"GET {url}: {outcome}, not {wanted}"


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

    def faults() -> Iterator[str]:
        for path, resource in stated_resources().items():
            url = address(ROUTES[path], everything)
            for method in WRITING:
                write = resource.writes.get(method)
                others = [each for each in TokenScope if write and each != write.scope]
                caller = make_caller(Who.SUPERUSER, *(others or TokenScope))
                with taken_back() as change:
                    outcome = outcome_of(ask(caller, method, url))
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
