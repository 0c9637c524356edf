"""Drafts in a real browser: kept beside other buttons, gone once they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from incidents.models import Incident
from tests.conftest import sign_in
from tests.factories import make_incident

if TYPE_CHECKING:
    from playwright.sync_api import Page
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
    page.get_by_role("button", name="Take the lead").click()
    page.wait_for_load_state()
    assert note.input_value() == "Half a\nnote"
    page.get_by_role("button", name="Write to the timeline").last.click()
    page.wait_for_load_state()
    assert note.input_value() == ""
    assert incident.timeline.filter(body="Half a\nnote").count() == 1
