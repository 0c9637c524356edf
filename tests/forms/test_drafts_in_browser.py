"""Drafts in a real browser: kept beside other buttons, gone once they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from evidence.accounts.access import Role
from incidents.models import Incident
from tests.browser.people import follows, wait_until
from tests.conftest import sign_in
from tests.factories import make_incident, make_user

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_note_outlives_another_button_and_goes_when_it_is_written(
    live_server: LiveServer,
    browser_page: Page,
    transactional_db: None,
    reviewer: User,
) -> None:
    now = timezone.now()
    incident: Incident = make_incident(detected_at=now, now=now)
    page = browser_page
    sign_in(page, live_server.url, reviewer)
    url = reverse("admin:incidents_incident_change", args=[incident.pk])
    page.goto(f"{live_server.url}{url}?tab=timeline")
    note = page.locator("section[aria-labelledby=write-title] textarea[name=body]")
    note.fill("Half a\nnote")
    with follows(page):
        page.get_by_role("button", name="Take the lead").click()
    assert note.input_value() == "Half a\nnote"
    with follows(page):
        page.get_by_role("button", name="Write to the timeline").last.click()
    assert note.input_value() == ""
    assert incident.timeline.filter(body="Half a\nnote").count() == 1


def leaves_with_a_warning(page: Page) -> bool:
    """Try to leave the page; tell whether the browser asked first."""
    asked = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    page.goto("about:blank")
    page.remove_listener("dialog", answer)
    return asked == ["beforeunload"]


def test_leaving_warns_wherever_something_is_written(
    live_server: LiveServer,
    browser_page: Page,
    transactional_db: None,
) -> None:
    page = browser_page
    sign_in(page, live_server.url, make_user(Role.ADMINISTRATOR))
    for url, field in (
        (reverse("admin:incidents_team_add"), "input[name=name]"),
        (reverse("admin:auth_user_add"), "input[name=username]"),
    ):
        page.goto(f"{live_server.url}{url}")
        page.locator(field).press_sequentially("night")
        assert leaves_with_a_warning(page), url
        page.goto(f"{live_server.url}{url}")
        assert not leaves_with_a_warning(page), url


def test_refused_form_is_in_sight_with_the_cursor_at_its_fault(
    live_server: LiveServer,
    browser_page: Page,
    transactional_db: None,
    reviewer: User,
) -> None:
    now = timezone.now()
    incident: Incident = make_incident(detected_at=now, now=now)
    page = browser_page
    sign_in(page, live_server.url, reviewer)
    url = reverse("admin:incidents_incident_change", args=[incident.pk])
    page.goto(f"{live_server.url}{url}?tab=timeline")
    card = page.locator("section[aria-labelledby=write-title]")
    card.locator("textarea[name=body]").fill("It began in the night.")
    card.locator("input[name=zone]").fill("CEST")
    with follows(page):
        card.get_by_role("button", name="Write to the timeline").click()
    zone = card.locator("input[name=zone]")
    wait_until(page, "document.activeElement.name === 'zone'")
    assert zone.input_value() == "CEST"
    assert card.locator("textarea[name=body]").input_value() == "It began in the night."
    box = zone.bounding_box()
    assert box is not None
    assert 0 <= box["y"] <= page.viewport_size["height"]
    assert page.url.endswith("?tab=timeline")
