"""The search box in a real browser: its keys, Enter, both themes, a phone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import axe_playwright_python
import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from incidents.models import Incident
from tests.browser.people import SCREENSHOTS, wait_until
from tests.conftest import sign_in
from tests.factories import make_evidence, make_incident

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
BOX = "#nav-filter"
PHONE = {"width": 390, "height": 800}
DESK = {"width": 1280, "height": 900}


@pytest.fixture
def incident(transactional_db: None) -> Incident:
    incident = make_incident(title="Broker answers strangers")
    make_evidence(incident, name="broker.json", verified=False)
    return incident


@pytest.fixture
def home(
    live_server: LiveServer, browser_page: Page, administrator: User, incident: Incident
) -> str:
    sign_in(browser_page, live_server.url, administrator)
    return live_server.url + reverse("admin:index")


def case_page(incident: Incident) -> re.Pattern[str]:
    address = reverse("admin:incidents_incident_change", args=[incident.pk])
    return re.compile(re.escape(address))


@pytest.mark.parametrize("key", ["t", "/", "Control+k"])
def test_a_key_a_reference_and_enter_open_the_case(
    browser_page: Page, home: str, incident: Incident, key: str
) -> None:
    browser_page.goto(home)
    browser_page.keyboard.press(key)
    wait_until(browser_page, f"document.activeElement.id === {BOX[1:]!r}")
    assert browser_page.input_value(BOX) == ""
    browser_page.keyboard.type(incident.reference.lower())
    browser_page.keyboard.press("Enter")
    browser_page.wait_for_url(case_page(incident))


def test_letters_of_what_one_writes_stay_there(browser_page: Page, home: str) -> None:
    browser_page.goto(f"{home}search/")
    field = browser_page.locator("main [data-search-box]")
    field.fill("")
    field.press_sequentially("at / not")
    assert field.input_value() == "at / not"


def test_part_of_a_name_lists_and_a_click_opens(
    browser_page: Page, home: str, incident: Incident
) -> None:
    browser_page.goto(home)
    browser_page.fill(BOX, "broker")
    browser_page.press(BOX, "Enter")
    browser_page.get_by_role("heading", name="Evidence").wait_for()
    browser_page.get_by_role("link", name=incident.reference).click()
    browser_page.wait_for_url(case_page(incident))


def test_on_a_phone_the_way_leads_over_a_page(
    browser_page: Page, home: str, incident: Incident
) -> None:
    browser_page.set_viewport_size(PHONE)
    browser_page.goto(home)
    browser_page.get_by_role("link", name="Search").click()
    field = browser_page.locator("main [data-search-box]")
    field.fill(incident.reference)
    field.press("Enter")
    browser_page.wait_for_url(case_page(incident))


def test_key_leads_to_the_page_where_the_sidebar_is_shut(
    browser_page: Page, home: str
) -> None:
    browser_page.set_viewport_size(PHONE)
    browser_page.goto(home)
    browser_page.keyboard.press("t")
    browser_page.wait_for_url(re.compile("/admin/search/"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_it_is_readable_everywhere(
    browser_page: Page, home: str, theme: str, size: dict[str, int]
) -> None:
    browser_page.set_viewport_size(size)  # type: ignore[arg-type]
    browser_page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    for query, name in (("s=broker", "found"), ("s=nothing", "none")):
        browser_page.goto(f"{home}search/?{query}")
        wide = "document.documentElement.scrollWidth > window.innerWidth"
        assert not browser_page.evaluate(wide)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        picture = SCREENSHOTS / f"search-{name}-{theme}-{size['width']}.png"
        browser_page.screenshot(path=picture)
        browser_page.evaluate(AXE)
        found = browser_page.evaluate("axe.run()")["violations"]
        assert [
            (violation["id"], violation["nodes"][0]["html"]) for violation in found
        ] == []
