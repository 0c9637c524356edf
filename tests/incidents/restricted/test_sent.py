"""What is sent with the key of a hidden row is answered as with one that is not there.

Nothing is listed here: routes, buttons and methods come from the matrix of access, the
members of bodies from the API's own document.
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
from django.test import Client
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.models import TokenScope
from incidents.models import Incident
from tests.access.asked.test_api import model_of
from tests.access.counting import taken_back
from tests.access.routes import all_routes, bulk_actions
from tests.access.stated import stated_pages
from tests.access.stated_api import stated_resources
from tests.api.conftest import make_client
from tests.api.records.answers import read_document
from tests.incidents.restricted.canaries import case_bound_models, hidden_rows
from tests.incidents.restricted.conftest import STRANGERS, stranger
from tests.pages import hostile

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
Browse = Callable[[User], Client]
MISSING, MISSING_REFERENCE = 10**15, "INC-2001-0001"
BOUND = set(case_bound_models())
NEW_EACH_TIME = (
    r'value="[\w.:-]{32,}"',
    r"[\da-f-]{36}",
    r"\d{4}-\d\d-\d\dT[\d:.+]+",
)


@dataclass(frozen=True)
class Hidden:
    """A hidden row's key, and its case's key and reference; or of what is not there."""

    row: int
    case: int
    reference: str

    def values(self, button: str = "nothing") -> dict[str, str]:
        return {
            "*": str(self.row),
            "incident_id": str(self.case),
            "reference": self.reference,
            "action": button,
            "form": "md",
            "filename": "bundle.json",
        }


GONE = Hidden(MISSING, MISSING, MISSING_REFERENCE)


def find_hidden(model: Any, person: User, case: Incident) -> Hidden | None:
    """Return a row of a model that is hidden from somebody; None without one."""
    if model is Incident:
        return Hidden(case.pk, case.pk, case.reference)
    rows = hidden_rows(model, person) if model in BOUND else ()
    row = next(iter(rows[:1]), None)
    return Hidden(row.pk, case.pk, case.reference) if row else None


def differs(client: Client, ask: Callable[[Hidden], Any], hidden: Hidden) -> str | None:
    """Return how what is answered or changed for the two differs; None if not."""
    found = []
    for which in (hidden, GONE):
        cache.clear()
        cookies = client.cookies.copy()
        with taken_back() as change:
            answer = ask(which)
        client.cookies = cookies
        text = answer.content.decode(errors="replace")
        for new in NEW_EACH_TIME:
            text = re.sub(new, "", text)
        named = {str(each) for one in (hidden, GONE) for each in vars(one).values()}
        text = re.sub(rf"(?<!\w)({'|'.join(map(re.escape, named))})(?!\w)", "#", text)
        target = re.sub(r"\d+", "#", answer.headers.get("Location", ""))
        changed = change.tables - {"evidence_apitoken"}
        found.append((answer.status_code, target, text, sorted(changed)))
    if found[0] == found[1]:
        return None
    parts = zip(*found, strict=True)
    return ", ".join(_apart(str(a), str(b)) for a, b in parts if a != b)


def _apart(one: str, two: str) -> str:
    """Return the first place where two texts differ."""
    at = next((n for n, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
    return f"{one[max(at - 40, 0) : at + 60]!r} / {two[max(at - 40, 0) : at + 60]!r}"


@pytest.mark.parametrize("role", STRANGERS)
def test_no_page_takes_a_form_for_a_hidden_row_otherwise_than_for_a_missing_one(
    hidden: Incident, browse: Browse, role: Role
) -> None:
    person = stranger(role)
    client = browse(person)
    told, tried = [], 0
    for path, page in stated_pages().items():
        model = hostile.model_of(path)
        row = find_hidden(model, person, hidden)
        if row is None or not path.startswith("admin/"):
            continue
        for button in (*page.buttons, *([""] if page.sends else [])):
            is_bulk = button in bulk_actions(path)
            if not is_bulk and not hostile.arguments_of(path):
                continue

            def send(which: Hidden, path: str = path, button: str = button) -> Any:
                form: dict[str, Any] = {"reason": "because", "x": "x"}
                if button in bulk_actions(path):
                    form |= {"action": button, "_selected_action": [which.row]}
                return client.post(hostile.fill(path, which.values(button)), form)

            tried += 1
            if found := differs(client, send, row):
                told.append(f"POST {path} {button}: {found}")
    assert not told, "\n".join(told)
    assert tried > 60


@pytest.mark.parametrize("role", [Role.RESPONDER, Role.REVIEWER])
def test_no_write_of_the_api_tells_a_hidden_row_from_a_missing_one(
    hidden: Incident, settings: Settings, role: Role
) -> None:
    settings.API_RATES_PER_MINUTE = dict.fromkeys(settings.API_RATES_PER_MINUTE, 10**6)
    person = stranger(role)
    client = make_client(person, *TokenScope)
    client.raise_request_exception = False
    told, tried = [], 0
    for path, resource in stated_resources().items():
        route = all_routes()[path]
        row = find_hidden(model_of(route) or Incident, person, hidden)
        for method in resource.writes if row else ():
            for body in bodies(path, method):

                def send(
                    which: Hidden,
                    path: str = path,
                    method: str = method,
                    body: dict[str, Any] = body,
                ) -> Any:
                    sent = {name: getattr(which, kind) for name, kind in body.items()}
                    url = hostile.fill(path, which.values())
                    return getattr(client, method)(url, sent, format="json")

                tried += 1
                assert row is not None
                if found := differs(client, send, row):
                    told.append(f"{method} {path} {json.dumps(body)}: {found}")
    assert not told, "\n".join(told)
    assert tried > 30


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
