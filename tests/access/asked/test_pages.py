"""Every page, asked for by everybody: it opens for whom it is stated to, and no other.

What a request changed is counted from the database. Of a page that opens, nothing is
drawn: that every page can be drawn is shown by tests/pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from incidents.models import Incident
from tests.access.asking import (
    OWN_TOKENS,
    REFUSALS,
    Outcome,
    address,
    ask,
    is_noted,
    newest_note,
    outcome_of,
    own_token,
    row_of,
)
from tests.access.counting import taken_back
from tests.access.forms import FormReader
from tests.access.people import UNSIGNED, Who
from tests.access.routes import bulk_actions
from tests.access.stated import Page, Roles, Row, stated_pages
from tests.pages import hostile

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
RECORDED = {
    "admin/evidence/evidenceitem/<path:object_id>/change/": "who looked at evidence",
    "admin/evidence/evidenceitem/<int:pk>/download/": "who took evidence away",
    "admin/incidents/casearchive/<int:pk>/file/": "who took an archive away",
    "admin/login/passkey/": "what the browser is asked to sign",
    "admin/auth/user/factors/app/": "the seed that the first code must fit",
    "admin/auth/user/factors/passkey/": "what the browser is asked to sign",
}
"""What is only read, and is written down all the same."""
HALFWAY = {
    "admin/login/factor/": "for who gave a password and owes a second factor",
    "admin/login/single/": "where a provider of single sign-on is configured",
    "admin/login/single/ended/": "for a provider that is configured, by its signature",
    "admin/login/single/return/": "for whom that provider sends back",
}
"""When pages open that do not here: tests/evidence/accounts tries them."""
KEPT = {"django_session"}
"""Where what somebody typed waits until they have signed in (admin/sent_forms.py)."""
LEAST_CHANGED = 40
"""How many forms, filled in as the page offers, do something for the superuser."""
WITHOUT_DRAWING = "tests.pages.test_every_page.WithoutRendering"


@pytest.fixture(autouse=True)
def undrawn(settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, WITHOUT_DRAWING]


def faults_of_reading(
    who: Who, client: Client, case: Incident, pages: dict[str, Page]
) -> Iterator[str]:
    """Yield every cell of the reading column that is not as stated."""
    first = newest_note()
    for path, page in pages.items():
        url = address(path, case, who)
        with taken_back() as change:
            answer = ask(client, "get", url)
            is_known = answer.status_code != 200 or page.row is not Row.OF_A_CASE
            is_known = is_known or is_noted(_row_at(path, case), since=first)
        outcome = outcome_of(answer)
        if "no-store" not in answer.get("Cache-Control", ""):
            yield f"GET {url}: a cache may keep it"
        if path not in HALFWAY and (fault := judge(who, page, outcome)):
            yield f"GET {url}: {outcome}, {fault}"
        if change.tables and not (path in RECORDED and outcome is Outcome.DONE):
            yield f"GET {url}: changed {sorted(change.tables)}"
        if not is_known:
            yield f"GET {url}: nobody will know who looked"


def _row_at(path: str, case: Incident) -> Any:
    return case if "incident_id" in path else row_of(hostile.model_of(path), case)


def judge(who: Who, page: Page, outcome: Outcome) -> str:
    """Return what is wrong with an answer to a GET; "" for nothing."""
    if who in page.reads:
        return "" if outcome is Outcome.DONE else "stated as open"
    if outcome not in REFUSALS:
        return "stated as closed"
    must_sign_in = who in UNSIGNED and outcome is not Outcome.SIGN_IN
    if must_sign_in and not (page.sends and outcome is Outcome.METHOD):
        return "who has not signed in is asked to"
    return ""


@pytest.mark.parametrize("who", list(Who), ids=lambda who: who.name.lower())
def test_every_page_opens_for_whom_it_is_stated_to(
    who: Who, browsers: dict[Who, Client], everything: Incident
) -> None:
    pages = stated_pages()
    found = list(faults_of_reading(who, browsers[who], everything, pages))
    assert not found, "\n".join(found)


@dataclass(frozen=True)
class Sent:
    """A form that may be sent: where, what is in it, and who may."""

    url: str
    values: dict[str, Any]
    roles: Roles


def forms_of(path: str, page: Page, case: Incident, who: Who) -> Iterator[Sent]:
    """Yield what may be sent to a page: its own form, and one for each button."""
    url = address(path, case, who)
    if page.sends:
        named = {"revoke": own_token(who)} if path == OWN_TOKENS else {}
        yield Sent(url, named, page.sends)
    for name, roles in page.buttons.items():
        if name in bulk_actions(path):
            row = row_of(hostile.model_of(path), case)
            yield Sent(url, {"action": name, "_selected_action": [row.pk]}, roles)
        else:
            yield Sent(url.rsplit("/", 2)[0] + f"/{name}/", {}, roles)


def fill_in(
    found: dict[str, dict[str, Any]], root: Client, case: Incident
) -> dict[str, dict[str, Any]]:
    """Read the forms that the superuser is shown, once; return them by address."""
    pages = {
        address(path, case)
        for path, page in stated_pages().items()
        if not found and path.startswith("admin/") and (page.reads or page.buttons)
    }
    for url in sorted(pages - {"/admin/logout/"}):
        answer = ask(root, "get", url, headers={"X-Draw": "yes"})
        is_page = "text/html" in answer.get("Content-Type", "")
        for form in FormReader(answer.content.decode()).forms if is_page else ():
            found.setdefault(form.action.split("?")[0] or url, form.values)
    return found


def faults_of_sending(
    who: Who,
    client: Client,
    case: Incident,
    forms: dict[str, dict[str, Any]],
    pages: dict[str, Page],
) -> Iterator[str]:
    """Yield every form that did something for whom it is stated to be closed, and
    every one that is refused to whom it is stated to be open."""
    changed = 0
    for path, page in pages.items():
        for sent in forms_of(path, page, case, who):
            with taken_back() as change:
                data = {**forms.get(sent.url, {"x": "x"}), **sent.values}
                outcome = outcome_of(ask(client, "post", sent.url, data=data))
            kept = KEPT if outcome is Outcome.SIGN_IN else set()
            if who not in sent.roles and change.tables - kept:
                yield f"POST {sent.url}: changed {sorted(change.tables - kept)}"
            if who in sent.roles and outcome in REFUSALS and path not in HALFWAY:
                # What the superuser may choose can be more than this person may.
                again = outcome_of(ask(client, "post", sent.url, data={"x": "x"}))
                if again in REFUSALS:
                    yield f"POST {sent.url}: {outcome}, stated as open"
            changed += bool(change.tables)
    if who is Who.SUPERUSER and changed < LEAST_CHANGED:
        yield f"only {changed} forms did anything: the others prove little"


@pytest.mark.parametrize("who", list(Who), ids=lambda who: who.name.lower())
def test_every_form_is_taken_from_whom_it_is_stated_to(
    who: Who,
    browsers: dict[Who, Client],
    everything: Incident,
    filled_in: dict[str, dict[str, Any]],
) -> None:
    forms = fill_in(filled_in, browsers[Who.SUPERUSER], everything)
    pages = stated_pages()
    found = list(faults_of_sending(who, browsers[who], everything, forms, pages))
    assert not found, "\n".join(found)


TAKES_NO_FIELD = {
    *("admin/logout/", "admin/login/passkey/", "admin/auth/user/factors/passkey/"),
    *("admin/evidence/historycheck/add/", "admin/evidence/recordcheck/add/"),
    "admin/evidence/evidenceitem/<int:pk>/verify/",
    "admin/incidents/notification/preferences/test/",
    "admin/incidents/webhookchannel/<int:channel_id>/test/",
}
"""What is done by being sent, whatever stands in it."""


def test_a_form_whose_fields_are_sent_twice_changes_nothing(
    browsers: dict[Who, Client],
    everything: Incident,
    filled_in: dict[str, dict[str, Any]],
) -> None:
    """Which of two values counts would be anybody's guess."""
    root = browsers[Who.SUPERUSER]
    forms = fill_in(filled_in, root, everything)
    found, refused = [], 0
    for path, page in stated_pages().items():
        # The pages' own forms; those of buttons are all read in the same way.
        for sent in forms_of(path, page, everything, Who.SUPERUSER):
            if sent.url not in forms or not page.sends:
                continue
            once = {**forms[sent.url], **sent.values}
            twice = {name: [value, value] for name, value in once.items()}
            with taken_back() as change:
                answer = ask(root, "post", sent.url, data=twice)
            refused += answer.status_code == 400
            # What a page offers, as the seed of an app, its session may keep.
            changed = change.tables - KEPT
            if changed and path not in TAKES_NO_FIELD:
                found.append(f"{sent.url}: changed {sorted(changed)}")
    assert not found, "\n".join(found)
    assert refused > 30
