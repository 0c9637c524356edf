"""What is sent with the key of a hidden row is answered as with one that is not there.

Nothing is listed here: routes, buttons and methods come from the matrix of access, the
members of bodies from the API's own document.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.models import TokenScope
from incidents.models import Incident
from tests.access.asked.test_api import model_of
from tests.access.routes import all_routes, bulk_actions
from tests.access.stated import stated_pages
from tests.access.stated_api import stated_resources
from tests.api.conftest import make_client
from tests.incidents.restricted.conftest import STRANGERS, stranger
from tests.incidents.restricted.telling import Hidden, bodies, differs, find_hidden
from tests.pages import hostile

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
Browse = Callable[[User], Client]


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
