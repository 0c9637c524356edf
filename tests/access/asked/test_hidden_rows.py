"""To whom a case is hidden, each of its rows is as one that is not there.

Hidden in either way: the case is restricted, or of another team than theirs who are in
one that sees only its own. Nothing is listed here: routes, verbs, buttons and whose
rows they name come from the matrix of access, the members of bodies from the API's own
document. Members of a case's team are answered as is stated of their role.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.models import ExportRequest, TokenScope
from incidents.models import Incident, Team
from tests.access.asked.test_api import faults_of_reading as faults_of_api
from tests.access.asked.test_api import model_of
from tests.access.asked.test_pages import (
    WITHOUT_DRAWING,
    faults_of_reading,
    faults_of_sending,
    fill_in,
)
from tests.access.counting import taken_back
from tests.access.people import Who
from tests.access.routes import all_routes, bulk_actions
from tests.access.stated import OF_A_CASE, Page, stated_pages
from tests.access.stated_api import Resource, stated_resources
from tests.api.conftest import make_client
from tests.api.records.answers import read_document
from tests.factories import make_user
from tests.incidents.restricted.canaries import case_bound_models, hidden_rows
from tests.pages import hostile

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
MISSING, MISSING_REFERENCE = 10**15, "INC-2001-0001"
BOUND = set(case_bound_models())
NEW_EACH_TIME = (
    r'value="[\w.:-]{32,}"',
    r'nonce="[^"]*"',
    r"[\da-f-]{36}",
    r"\d{4}-\d\d-\d\dT[\d:.+]+",
)
ROLES = {
    Who.RESPONDER: Role.RESPONDER,
    Who.REVIEWER: Role.REVIEWER,
    Who.ADMINISTRATOR: Role.ADMINISTRATOR,
    Who.SUPERUSER: None,
}
"""From whom cases can be hidden, of those who have pages; auditors see them all."""
OF_PAGES = {
    path: page for path, page in stated_pages().items() if page.row is OF_A_CASE
}
OF_API = {
    path: resource
    for path, resource in stated_resources().items()
    if resource.row is OF_A_CASE
}
Asking = Callable[["Key"], Any]


@dataclass(frozen=True)
class Key:
    """A row's key, its case's key and reference, and an export of it."""

    row: int
    case: int
    reference: str
    export: int

    def values(self, button: str = "nothing") -> dict[str, str]:
        return {
            "*": str(self.row),
            "incident_id": str(self.case),
            "reference": self.reference,
            "export_pk": str(self.export),
            "action": button,
            "form": "md",
            "filename": "bundle.json",
        }


GONE = Key(MISSING, MISSING, MISSING_REFERENCE, MISSING)


def restrict(own: Team) -> None:
    """Hide every case, of one's own team too, by naming nobody on it."""
    Incident.everything.update(is_restricted=True, team=own)


def give_to_another_team(own: Team) -> None:
    """Hide every case from who sees only those of their own team."""
    Incident.everything.update(is_restricted=False, team=Team.objects.create(name="O"))


WAYS: dict[str, Callable[[Team], None]] = {
    "restricted": restrict,
    "of another team": give_to_another_team,
}


def make_member(who: Who, team: Team) -> User:
    """Return a member of a team, in a role, whom no case knows."""
    person = make_user(ROLES.get(who, Role.AUDITOR), f"member-{who.name.lower()}")
    if who is Who.SUPERUSER:
        User.objects.filter(pk=person.pk).update(is_superuser=True, is_staff=True)
    team.members.add(person)
    return User.objects.get(pk=person.pk)


def make_team() -> Team:
    return Team.objects.create(name="See only their own", sees_only_own_cases=True)


def find_hidden(model: Any, person: User, path: str = "") -> Key | None:
    """Return a row of a model that is hidden from somebody; None without one."""
    case = hidden_rows(Incident, person).order_by("pk")[0]
    if model is Incident or "incident_id" in path:
        return Key(case.pk, case.pk, case.reference, MISSING)
    rows = hidden_rows(model, person).order_by("pk") if model in BOUND else ()
    if "export_pk" in path:
        export = hidden_rows(ExportRequest, person)[0]
        return Key(export.source_id, case.pk, case.reference, export.pk)
    row = next(iter(rows[:1]), None)
    return Key(row.pk, case.pk, case.reference, MISSING) if row else None


Heard = tuple[int, str, str, list[str]]


def hear(client: Client, ask: Asking, which: Key) -> Heard:
    """Return what is answered and changed, without keys and what is new each time."""
    cache.clear()
    cookies = client.cookies.copy()
    with taken_back() as change:
        answer = ask(which)
        parts = answer.streaming_content if answer.streaming else [answer.content]
        text = b"".join(parts).decode(errors="replace")
    client.cookies = cookies
    for new in NEW_EACH_TIME:
        text = re.sub(new, "", text)
    named = {str(each) for one in (which, GONE) for each in vars(one).values()}
    text = re.sub(rf"(?<!\w)({'|'.join(map(re.escape, named))})(?!\w)", "#", text)
    target = re.sub(r"\d+", "#", answer.headers.get("Location", ""))
    return (
        answer.status_code,
        target,
        text,
        sorted(change.tables - {"evidence_apitoken"}),
    )


def compare(
    client: Client,
    asked_of: Callable[[], Iterator[tuple[str, Asking, Key]]],
    team: Team,
) -> tuple[list[str], int]:
    """Return what tells a row hidden in any way from a missing one, and what was tried.

    What is not there is asked for once, for both ways.
    """
    found: dict[str, list[tuple[str, Heard]]] = {}
    gone: dict[str, Heard] = {}
    for way, hide in WAYS.items():
        with transaction.atomic():
            hide(team)
            for name, ask, key in asked_of():
                found.setdefault(name, []).append((way, hear(client, ask, key)))
                if name not in gone:
                    gone[name] = hear(client, ask, GONE)
            transaction.set_rollback(True)
    told = [
        f"{name}, {way}: {_apart(answer, gone[name])}"
        for name, answers in found.items()
        for way, answer in answers
        if answer != gone[name]
    ]
    return told, sum(len(answers) == len(WAYS) for answers in found.values())


def _apart(one: Heard, two: Heard) -> str:
    """Return the first place where each part that differs does."""
    told = []
    for a, b in zip(map(str, one), map(str, two), strict=True):
        pairs = enumerate(zip(a, b, strict=False))
        at = next((n for n, (x, y) in pairs if x != y), min(len(a), len(b)))
        cut = slice(max(at - 40, 0), at + 60)
        told += [f"{a[cut]!r} / {b[cut]!r}"] if a != b else []
    return ", ".join(told)


def of_page(
    path: str, page: Page
) -> Iterator[tuple[str, Callable[[Client, Key], Any]]]:
    """Yield each verb and button of a page, and how it is asked of a row."""

    def read(client: Client, key: Key) -> Any:
        return client.get(hostile.fill(path, key.values()))

    if "<" in path:
        yield f"GET {path}", read
    for button in (*page.buttons, *([""] if page.sends else [])):

        def send(client: Client, key: Key, button: str = button) -> Any:
            form: dict[str, Any] = {"reason": "because", "x": "x"}
            if button in bulk_actions(path):
                form |= {"action": button, "_selected_action": [key.row]}
            return client.post(hostile.fill(path, key.values(button)), form)

        if "<" in path or button in bulk_actions(path):
            yield f"POST {path} {button}", send


@pytest.mark.parametrize("who", list(ROLES), ids=lambda who: who.name.lower())
def test_no_page_answers_otherwise_for_a_hidden_row_than_for_a_missing_one(
    who: Who, browsers: dict[Who, Client], everything: Incident
) -> None:
    team = make_team()
    person = make_member(who, team)
    client = Client(raise_request_exception=False)
    client.force_login(person)
    lists = {
        path: page
        for path, page in stated_pages().items()
        if hostile.model_of(path) in BOUND and page.buttons
    }

    def asked_of() -> Iterator[tuple[str, Asking, Key]]:
        for path, page in {**OF_PAGES, **lists}.items():
            key = find_hidden(hostile.model_of(path), person, path)
            for name, ask in of_page(path, page) if key else ():
                assert key is not None
                yield name, lambda which, ask=ask: ask(client, which), key

    told, tried = compare(client, asked_of, team)
    assert not told, "\n".join(told)
    assert tried > 180


def of_resource(
    path: str, resource: Resource, is_whole: bool
) -> Iterator[tuple[str, Callable[[Client, Key], Any]]]:
    """Yield each method of a resource, with each body that could name a row.

    Not `is_whole`: with an empty body alone.
    """
    if "<" in path and resource.reads:
        for method in ("get", "options") if is_whole else ("get",):
            yield (
                f"{method} {path}",
                lambda client, key, method=method: getattr(client, method)(
                    hostile.fill(path, key.values())
                ),
            )
    for method in resource.writes:
        for body in bodies(path, method) if is_whole else ({},):

            def send(
                client: Any, key: Key, method: str = method, body: Any = body
            ) -> Any:
                sent = {name: getattr(key, kind) for name, kind in body.items()}
                url = hostile.fill(path, key.values())
                return getattr(client, method)(url, sent, format="json")

            yield f"{method} {path} {json.dumps(body)}", send


@pytest.mark.parametrize("who", list(ROLES), ids=lambda who: who.name.lower())
def test_no_resource_answers_otherwise_for_a_hidden_row_than_for_a_missing_one(
    who: Who, browsers: dict[Who, Client], everything: Incident, settings: Settings
) -> None:
    settings.API_RATES_PER_MINUTE = dict.fromkeys(settings.API_RATES_PER_MINUTE, 10**6)
    team = make_team()
    person = make_member(who, team)
    client = make_client(person, *TokenScope)
    client.raise_request_exception = False
    # Who may do nothing with a row is refused before its body is read.
    is_whole = who in (Who.RESPONDER, Who.SUPERUSER)

    def asked_of() -> Iterator[tuple[str, Asking, Key]]:
        for path, resource in stated_resources().items():
            if path not in OF_API and not resource.writes:
                continue
            key = find_hidden(model_of(all_routes()[path]) or Incident, person)
            for name, ask in of_resource(path, resource, is_whole) if key else ():
                assert key is not None
                yield name, lambda which, ask=ask: ask(client, which), key

    told, tried = compare(client, asked_of, team)
    assert not told, "\n".join(told)
    assert tried > (200 if is_whole else 90)


def bodies(path: str, method: str) -> Iterator[dict[str, str]]:
    """Yield bodies to send: none, and one for each member that could name a row."""
    yield {}
    plain = re.sub(r"<(?:\w+:)?(\w+)>", r"{}", path)
    document = read_document()
    for stated, methods in document["paths"].items():
        if re.sub(r"{\w+}", "{}", stated).strip("/") != plain.strip("/"):
            continue
        content = methods.get(method, {}).get("requestBody", {}).get("content", {})
        for media in content.values():
            schema = media.get("schema", {})
            name = schema.get("$ref", "").rsplit("/", 1)[-1]
            schema = document["components"]["schemas"].get(name, schema)
            for member in schema.get("properties", {}):
                yield {member: "case"}
                yield {member: "reference"}


@pytest.mark.parametrize("who", [*ROLES, Who.AUDITOR], ids=lambda who: who.name.lower())
def test_a_member_of_the_team_of_a_case_is_answered_as_their_role_is(
    who: Who,
    browsers: dict[Who, Client],
    everything: Incident,
    filled_in: dict[str, dict[str, Any]],
    settings: Settings,
) -> None:
    """Auditors are in another team that sees only its own: they see all the same."""
    team = make_team()
    person = make_member(who, team)
    is_auditor = who is Who.AUDITOR
    of_case = Team.objects.create(name="O") if is_auditor else team
    Incident.everything.update(team=of_case)
    forms = fill_in(filled_in, browsers[Who.SUPERUSER], everything)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, WITHOUT_DRAWING]
    client = Client(raise_request_exception=False)
    client.force_login(person)
    caller = make_client(person, *TokenScope)
    caller.raise_request_exception = False
    found = [
        *faults_of_reading(who, client, everything, OF_PAGES),
        *faults_of_sending(who, client, everything, forms, OF_PAGES),
        *faults_of_api(who, caller, everything, OF_API),
    ]
    assert not found, "\n".join(found)
    assert hidden_rows(Incident, person).count() == 0
