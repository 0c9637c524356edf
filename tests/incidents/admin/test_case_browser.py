"""The incident page in a real browser: by keyboard, on a phone, in both themes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from incidents.models import Incident
from tests.browser.people import follows, wait_until
from tests.conftest import sign_in
from tests.factories import make_evidence, make_incident

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def incident(transactional_db: None) -> Incident:
    now = timezone.now()
    incident = make_incident(detected_at=now, now=now)
    make_evidence(incident)
    return incident


@pytest.fixture
def base(
    live_server: LiveServer, browser_page: Page, reviewer: User, incident: Incident
) -> str:
    sign_in(browser_page, live_server.url, reviewer)
    return live_server.url


def page_of(incident: Incident) -> str:
    return reverse("admin:incidents_incident_change", args=[incident.pk])


def state(page: Page, condition: str, text: str) -> None:
    """Send the condition's form: two clicks, or one where a link has opened it."""
    row = page.locator(f"#condition-{condition}")
    field = row.locator("textarea[name=statement]")
    if not field.is_visible():
        row.get_by_text("Make a statement").click()
    field.fill(text)
    with follows(page):
        row.get_by_role("button", name="Record my statement").click()


def test_refused_phase_links_its_conditions_and_passes_once_they_are_met(
    base: str, browser_page: Page, incident: Incident
) -> None:
    page = browser_page
    page.goto(base + page_of(incident))
    page.get_by_role("button", name="Complete CONTAIN").click()
    gate = page.locator("#gate").get_by_role("alert")
    gate.get_by_text("CONTAIN was not completed", exact=True).wait_for()
    gate.get_by_role("link", name="Extension killed").click()
    assert page.url.endswith("#condition-extension-killed")
    page.locator("#condition-extension-killed textarea[name=statement]").wait_for()
    state(page, "extension-killed", "stopped with its runtime")
    state(page, "isolation-verified", "no call since")
    page.get_by_role("button", name="Complete CONTAIN").click()
    page.get_by_text("CONTAIN is complete.").wait_for()
    assert incident.current_cycle.phases.get(phase="contain").completed_at


def test_clock_counts_without_a_reload(
    base: str, browser_page: Page, incident: Incident
) -> None:
    page = browser_page
    page.goto(base + page_of(incident))
    digits = page.locator("[data-digits]")
    first = digits.inner_text()
    assert re.fullmatch(r"\d:\d\d", first)
    page.wait_for_timeout(2_200)
    assert digits.inner_text() != first


def test_form_opens_and_closes_by_keyboard(
    base: str, browser_page: Page, incident: Incident
) -> None:
    page = browser_page
    page.goto(base + page_of(incident))
    opener = page.locator("summary", has_text="Reclassify")
    opener.focus()
    page.keyboard.press("Enter")
    page.locator("select[name=version]").wait_for(state="visible")
    wait_until(page, "document.activeElement.name === 'version'")
    page.keyboard.press("Escape")
    page.locator("select[name=version]").wait_for(state="hidden")
    wait_until(page, "document.activeElement.textContent.includes('Reclassify')")
    assert opener.evaluate("one => one === document.activeElement")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_and_raise_no_error(
    base: str, browser_page: Page, incident: Incident, scheme: str
) -> None:
    page = browser_page
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: errors.append(message.text) if message.type == "error" else 0,
    )
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 390, "height": 844})
    tabs = ("checklist", "timeline", "evidence", "policy", "alerts", "history")
    paths = [f"{page_of(incident)}?tab={tab}" for tab in tabs]
    paths += [
        "/admin/",
        reverse("admin:incidents_incident_changelist"),
        reverse("admin:incidents_incident_add"),
        reverse("admin:incidents_incident_edit", args=[incident.pk]),
        reverse("admin:incidents_incident_metrics"),
        reverse("admin:incidents_incident_my_items"),
    ]
    for path in paths:
        page.goto(base + path)
        page.wait_for_load_state("networkidle")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{path} is {width} px wide"
    assert errors == []


def test_every_control_has_a_name(
    base: str, browser_page: Page, incident: Incident
) -> None:
    page = browser_page
    page.goto(base + page_of(incident))
    nameless = page.evaluate(
        """() => [...document.querySelectorAll(
            '.cf button, .cf a, .cf summary, .cf textarea, .cf select, .cf input')]
          .filter((one) => one.type !== 'hidden')
          .filter((one) => !one.textContent.trim() && !one.ariaLabel
                  && !(one.labels && one.labels.length))
          .map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert nameless == []
