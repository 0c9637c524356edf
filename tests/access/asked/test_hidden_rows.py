"""To whom a case is hidden, each of its rows is as one that is not there.

Hidden as another team's, from who is in a team that sees only its own. Restricted cases
are asked for in tests/incidents/restricted. Nothing is listed here: routes, verbs,
buttons and whose rows they name come from the matrix of access.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path as route_to
from pytest_django import Settings

from config.urls import urlpatterns as real_patterns
from evidence.accounts.access import Role
from evidence.models import ExportRequest, TokenScope
from incidents.models import Incident, Team
from tests.access.asked.test_api import faults_of_reading as faults_of_api
from tests.access.asked.test_api import model_of
from tests.access.asked.test_pages import WITHOUT_DRAWING, faults_of_reading
from tests.access.people import Who
from tests.access.routes import all_routes, bulk_actions
from tests.access.stated import OF_A_CASE, Page, stated_pages
from tests.access.stated_api import Resource, stated_resources
from tests.api.conftest import make_client
from tests.factories import make_user
from tests.incidents.restricted.canaries import hidden_rows
from tests.incidents.restricted.telling import (
    BOUND,
    MISSING,
    Hidden,
    differs,
    find_hidden,
)
from tests.pages import hostile
from tests.suites import leave_slow

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
Asked = Iterator[tuple[str, Callable[[Hidden], Any], Hidden]]
ROLES = {
    Who.RESPONDER: Role.RESPONDER,
    Who.REVIEWER: Role.REVIEWER,
    Who.ADMINISTRATOR: Role.ADMINISTRATOR,
    Who.SUPERUSER: Role.ADMINISTRATOR,
}
"""From whom cases can be hidden, of those who have a role; auditors see them all."""
CALLERS = [who for who in ROLES if who is not Who.SUPERUSER]
"""With a token: each door of the API that a superuser passes, one of these does too."""
BETWEEN = (Who.REVIEWER, Who.ADMINISTRATOR)
"""Who passes no door that neither a responder nor the superuser does: `make slow`."""
OF_PAGES = {
    path: page for path, page in stated_pages().items() if page.row is OF_A_CASE
}
OF_API = {
    path: resource
    for path, resource in stated_resources().items()
    if resource.row is OF_A_CASE
}
UNGUARDED = "admin/incidents/incident/<int:pk>/unguarded/"


def show_unguarded(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a case to whoever asks, as no view may."""
    found = Incident.everything.filter(pk=pk).first()
    return HttpResponse(found.title if found else "", status=200 if found else 404)


urlpatterns = [route_to(UNGUARDED, show_unguarded), *real_patterns]


def make_member(who: Who) -> tuple[User, Team]:
    """Return somebody whom no case knows, and their team, which sees only its own."""
    person = make_user(ROLES[who], f"member-{who.name.lower()}")
    if who is Who.SUPERUSER:
        User.objects.filter(pk=person.pk).update(is_superuser=True)
    team = Team.objects.create(name="Sees only its own", sees_only_own_cases=True)
    team.members.add(person)
    return User.objects.get(pk=person.pk), team


def give_to_others() -> None:
    Incident.everything.update(team=Team.objects.create(name="Another"))


def browser_of(person: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return client


def caller_of(person: User, settings: Settings) -> Any:
    settings.API_RATES_PER_MINUTE = dict.fromkeys(settings.API_RATES_PER_MINUTE, 10**6)
    client = make_client(person, *TokenScope)
    client.raise_request_exception = False
    return client


def row_for(path: str, model: Any, person: User, case: Incident) -> Hidden | None:
    """Return a hidden row that an address names; None where the world has none."""
    if "export_pk" in path:
        export = hidden_rows(ExportRequest, person)[0]
        return Hidden(export.source_id, case.pk, case.reference, export.pk)
    return find_hidden(model, person, case)


def asked_of_pages(client: Client, who: Who, person: User, case: Incident) -> Asked:
    """Yield each verb of each page of a case's row, for the superuser each button."""
    for path, page in stated_pages().items():
        model = hostile.model_of(path)
        takes_rows = model in BOUND and bool(bulk_actions(path))
        row = row_for(path, model, person, case)
        if row and (path in OF_PAGES or takes_rows):
            for name, ask in _of_page(client, who, path, page):
                yield name, ask, row


def _buttons(who: Who, page: Page) -> list[str]:
    """Return all buttons for the superuser; for others one, which they may press.

    The buttons of one page come through one door: a role's way through it is one.
    """
    if who is Who.SUPERUSER:
        return list(page.buttons)
    return sorted(page.buttons, key=lambda name: who not in page.buttons[name])[:1]


def _of_page(
    client: Client, who: Who, path: str, page: Page
) -> Iterator[tuple[str, Callable[[Hidden], Any]]]:
    if "<" in path:
        yield f"GET {path}", lambda row: client.get(hostile.fill(path, row.values()))
    for button in (*_buttons(who, page), *([""] if page.sends else [])):
        is_bulk = button in bulk_actions(path)
        if not is_bulk and "<" not in path:
            continue

        def send(row: Hidden, button: str = button, is_bulk: bool = is_bulk) -> Any:
            form: dict[str, Any] = {"reason": "because", "x": "x"}
            if is_bulk:
                form |= {"action": button, "_selected_action": [row.row]}
            return client.post(hostile.fill(path, row.values(button)), form)

        yield f"POST {path} {button}", send


def asked_of_api(client: Any, person: User, case: Incident) -> Asked:
    """Yield each method of each resource of a case's row."""
    for path, resource in OF_API.items():
        row = row_for(path, model_of(all_routes()[path]) or Incident, person, case)
        for method in methods_of(path, resource) if row else ():
            assert row is not None

            def send(row: Hidden, path: str = path, method: str = method) -> Any:
                url = hostile.fill(path, row.values())
                return getattr(client, method)(url)

            yield f"{method} {path}", send, row


def methods_of(path: str, resource: Resource) -> list[str]:
    return [*(["get"] if "<" in path and resource.reads else []), *resource.writes]


def told_by(client: Any, asked: Asked) -> tuple[list[str], int]:
    """Return what tells a hidden row from a missing one, and how many were asked."""
    told, tried = [], 0
    for name, ask, row in asked:
        tried += 1
        if found := differs(client, ask, row):
            told.append(f"{name}: {found}")
    return told, tried


@pytest.mark.parametrize(
    "who", leave_slow(ROLES, *BETWEEN), ids=lambda who: who.name.lower()
)
def test_no_page_tells_another_teams_row_from_a_missing_one(
    who: Who, browsers: dict[Who, Client], everything: Incident
) -> None:
    person, _ = make_member(who)
    give_to_others()
    client = browser_of(person)
    told, tried = told_by(client, asked_of_pages(client, who, person, everything))
    assert not told, "\n".join(told)
    assert tried > (170 if who is Who.SUPERUSER else 110)


@pytest.mark.parametrize(
    "who", leave_slow(CALLERS, *BETWEEN), ids=lambda who: who.name.lower()
)
def test_no_resource_tells_another_teams_row_from_a_missing_one(
    who: Who, browsers: dict[Who, Client], everything: Incident, settings: Settings
) -> None:
    person, _ = make_member(who)
    give_to_others()
    client = caller_of(person, settings)
    told, tried = told_by(client, asked_of_api(client, person, everything))
    assert not told, "\n".join(told)
    assert tried > 60


def test_who_is_in_the_team_of_a_case_opens_all_that_is_hidden_from_others(
    browsers: dict[Who, Client], everything: Incident, settings: Settings
) -> None:
    """The same rows, by the same routes: they were hidden, and not missing."""
    person, team = make_member(Who.REVIEWER)
    Incident.everything.update(team=team)
    assert not hidden_rows(Incident, person).exists()
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, WITHOUT_DRAWING]
    rows = {path: resource for path, resource in OF_API.items() if "<" in path}
    found = [
        *faults_of_reading(Who.REVIEWER, browser_of(person), everything, OF_PAGES),
        *faults_of_api(Who.REVIEWER, caller_of(person, settings), everything, rows),
    ]
    assert not found, "\n".join(found)


def test_a_page_that_asks_nobody_whose_row_it_is_would_be_found(
    browsers: dict[Who, Client], everything: Incident, settings: Settings
) -> None:
    person, _ = make_member(Who.RESPONDER)
    give_to_others()
    settings.ROOT_URLCONF = __name__
    client = browser_of(person)
    row = Hidden(everything.pk, everything.pk, everything.reference)
    asked = _of_page(client, Who.RESPONDER, UNGUARDED, Page())
    told, tried = told_by(client, ((name, ask, row) for name, ask in asked))
    assert tried == 1
    assert told[0].startswith(f"GET {UNGUARDED}: '200' / '404'")
    assert everything.pk != MISSING
