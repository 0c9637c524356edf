"""A refused form comes back where it stood: filled, in sight, with the cursor there."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from incidents.workflow.phases import Phase
from tests.forms.conftest import admins_with_actions, make_pages
from tests.incidents.services.test_phases import reach
from tests.shared import share

pytestmark = pytest.mark.django_db
_kept, pages, _django_db_helper, evidence_folder = share(make_pages)
WRITTEN = "what I wrote <b>here</b>"
VOID = {"input", "br", "hr", "img", "link", "meta", "wbr"}
Attributes = dict[str, str]


@dataclass
class Form:
    """A form of a page: what it sends, and whether it can be seen."""

    action: str
    is_in_sight: bool
    hidden: dict[str, str] = field(default_factory=dict)
    shown: list[tuple[str, Attributes]] = field(default_factory=list)
    text: str = ""
    is_refused: bool = False
    focused: int = 0

    @property
    def place(self) -> str:
        return self.hidden.get("place", "")

    def fill(self) -> dict[str, str]:
        """Return what it sends with a text in each field that is sure to be refused."""
        sent = dict(self.hidden)
        for tag, attributes in self.shown:
            limit = int(attributes.get("maxlength", 0))
            is_text = tag == "textarea" or attributes.get("type") in ("text", "url")
            sent[attributes["name"]] = WRITTEN + "x" * limit if is_text else "nonsense"
        return sent


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.forms: list[Form] = []
        self.inside = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found: Attributes = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append((tag, "open" in found))
        if tag == "form":
            in_sight = all(is_open for one, is_open in self.open if one == "details")
            self.forms.append(Form(found.get("action", ""), in_sight))
            self.inside = True
        elif self.inside:
            self._note(self.forms[-1], tag, found)

    def _note(self, form: Form, tag: str, found: Attributes) -> None:
        form.is_refused |= "data-refused" in found
        form.focused += "autofocus" in found
        if tag == "input":
            form.text += found.get("value", "")
        if tag not in ("input", "select", "textarea") or "name" not in found:
            return
        if found.get("type") == "hidden":
            form.hidden[found["name"]] = found.get("value", "")
        else:
            form.shown.append((tag, found))

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "form"
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.forms[-1].text += data


def forms_of(client: Client, url: str) -> list[Form]:
    """Return one form of each kind: those that differ by a number are alike."""
    kinds = {}
    for form in Page(client.get(url).content.decode()).forms:
        if form.place and form.shown:
            names = sorted(form.hidden)
            kinds[(form.action, *names, form.hidden.get("kind"))] = form
    return list(kinds.values())


def must_stand_where_it_stood(client: Client, form: Form) -> None:
    answer = client.post(form.action, form.fill())
    assert answer.status_code == 200
    refused = [one for one in Page(answer.content.decode()).forms if one.is_refused]
    (again,) = refused
    assert (again.place, again.action) == (form.place, form.action)
    assert again.is_in_sight
    assert again.focused == 1
    if WRITTEN in "".join(form.fill().values()):
        assert WRITTEN in again.text
    assert again.hidden["next"] == form.hidden["next"]


@pytest.mark.walk
@pytest.mark.parametrize("phase", [Phase.CONTAIN, Phase.REMEDIATE])
@pytest.mark.parametrize("tab", ["checklist", "timeline", "policy", "postmortem"])
def test_every_form_of_a_case_comes_back_in_its_place(
    client: Client, root: User, pages: dict[str, Any], tab: str, phase: Phase
) -> None:
    incident = pages["incident"]
    if phase is Phase.REMEDIATE and tab != "checklist":
        pytest.skip("these tabs are the same in every phase")
    if phase is not Phase.CONTAIN:
        reach(incident, phase)
    url = f"/admin/incidents/incident/{incident.pk}/change/?tab={tab}"
    found = forms_of(client, url)
    assert len(found) > 7
    for form in found:
        must_stand_where_it_stood(client, form)


@pytest.mark.walk
def test_every_form_of_the_other_pages_comes_back_in_its_place(
    client: Client, root: User, pages: dict[str, Any], subtests: pytest.Subtests
) -> None:
    tried = 0
    for page in admins_with_actions():
        name = page.opts.model_name
        if name == "incident":
            continue
        for form in forms_of(client, page.page_of(pages[name])):
            tried += 1
            with subtests.test(page=name, place=form.place):
                must_stand_where_it_stood(client, form)
    assert tried > 10


def test_a_form_whose_place_is_gone_comes_back_on_top(
    client: Client, root: User, pages: dict[str, Any]
) -> None:
    incident = pages["incident"]
    url = f"/admin/incidents/incident/{incident.pk}/do/answer/"
    gone = {"item": 999_999_999, "state": "none", "note": WRITTEN, "place": "gone"}
    html = client.post(url, gone).content.decode()
    (again,) = [one for one in Page(html).forms if one.is_refused]
    assert again.is_in_sight
    assert again.hidden["place"] == "gone"
    assert WRITTEN in again.text
    assert html.index("Not done: Answer an item") < html.index("cf-head")
