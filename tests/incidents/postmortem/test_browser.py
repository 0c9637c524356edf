"""The editor as two people use it at once; every page on a phone and in the dark."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User

from incidents.models import Postmortem
from incidents.services.postmortems.drafts import current_draft, take_up_again
from tests.browser.people import Person, person
from tests.conftest import make_user
from tests.incidents.postmortem.cases import (
    make_case,
    make_postmortem,
    make_signed,
    write,
)
from tests.incidents.postmortem.test_action_items import add

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def colleague(transactional_db: None) -> User:
    return make_user("colleague", "responder")


def edit(somebody: Person, postmortem: Postmortem) -> None:
    somebody.visit("incidents_postmortem_edit", postmortem.pk)


def type_in(somebody: Person, section: str, text: str) -> None:
    somebody.page.locator(f"textarea[name={section}]").fill(text)


def saved(somebody: Person, draft: int) -> None:
    line = somebody.page.locator("[data-saved]")
    line.filter(has_text=re.compile(rf"Draft {draft}, saved")).wait_for()


def test_two_people_write_at_once_and_see_each_other(
    chromium: Browser, live_server: LiveServer, responder: User, colleague: User
) -> None:
    postmortem = make_postmortem()
    with (
        person(chromium, live_server.url, responder) as rosa,
        person(chromium, live_server.url, colleague) as carl,
    ):
        edit(rosa, postmortem)
        edit(carl, postmortem)
        type_in(rosa, "summary", "It was read. ")
        saved(rosa, 2)
        type_in(carl, "lessons", "Review the list.")
        saved(carl, 3)
        assert carl.page.input_value("textarea[name=summary]") == "It was read."
        type_in(rosa, "summary", "It was read twice.")
        saved(rosa, 4)
        assert rosa.page.input_value("textarea[name=lessons]") == "Review the list."


def test_clash_is_said_and_what_was_typed_stays(
    chromium: Browser, live_server: LiveServer, responder: User, colleague: User
) -> None:
    postmortem = make_postmortem()
    with (
        person(chromium, live_server.url, responder) as rosa,
        person(chromium, live_server.url, colleague) as carl,
    ):
        edit(rosa, postmortem)
        edit(carl, postmortem)
        type_in(rosa, "summary", "Hers.")
        saved(rosa, 2)
        type_in(carl, "summary", "His.")
        carl.reads("Not saved. Responder saved 1 of the sections")
        assert carl.page.input_value("textarea[name=summary]") == "His."
        carl.press("Save")
        carl.reads("The fields below hold yours")
        carl.shoot("postmortem-clash")
        type_in(carl, "summary", "Hers. His.")
        carl.press("Save")
    assert current_draft(postmortem).sections["summary"] == "Hers. His."


def test_every_page_fits_a_phone_in_both_themes(
    chromium: Browser, live_server: LiveServer, responder: User
) -> None:
    incident = make_case()
    version = make_signed(incident)
    take_up_again(actor=responder, postmortem_id=version.postmortem_id, reason="x")
    write(version.postmortem, summary="Text of another summary.\n\nAnd more.")
    item = add(incident)
    pages = {
        "page": ("incidents_postmortem_change", version.postmortem_id, ""),
        "version": ("incidents_postmortem_change", version.postmortem_id, "?version=1"),
        "edit": ("incidents_postmortem_edit", version.postmortem_id, ""),
        "compare": ("incidents_postmortem_compare", version.postmortem_id, ""),
        "tab": ("incidents_incident_change", incident.pk, "?tab=postmortem"),
        "item": ("incidents_actionitem_change", item.pk, ""),
        "new-item": ("incidents_actionitem_new", incident.pk, ""),
    }
    with person(chromium, live_server.url, responder) as rosa:
        for width, theme in ((1280, "light"), (1280, "dark"), (390, "dark")):
            rosa.page.set_viewport_size({**PHONE, "width": width})
            rosa.page.emulate_media(color_scheme=theme)
            for name, (url, pk, query) in pages.items():
                rosa.visit(url, pk, query=query)
                wide = "document.documentElement.scrollWidth"
                assert rosa.page.evaluate(wide) <= width, (name, width)
                rosa.shoot(f"postmortem-{name}-{theme}-{width}")


def test_print_shows_the_paper_and_nothing_around(
    chromium: Browser, live_server: LiveServer, responder: User
) -> None:
    version = make_signed()
    with person(chromium, live_server.url, responder) as rosa:
        rosa.visit("incidents_postmortem_change", version.postmortem_id)
        rosa.page.emulate_media(media="print")
        paper = rosa.page.get_by_role("article")
        assert paper.get_by_text("Text of Summary.").is_visible()
        assert not rosa.page.locator(".pm-side").is_visible()
        assert not rosa.page.locator("#header-inner").is_visible()
        data = rosa.page.pdf(prefer_css_page_size=True)
        assert data.startswith(b"%PDF-")
