"""The picture in a browser: dragging over it narrows it, and nobody is shut out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User

from tests.browser.people import person
from tests.browser.test_access import AXE, faults_of
from tests.incidents.picture.making import make_story

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_dragging_narrows_it_and_its_table_is_open_to_all(
    chromium: Browser, live_server: LiveServer, responder: User
) -> None:
    case = make_story(calls=40)
    with person(chromium, live_server.url, responder) as rosa:
        rosa.case(case, "picture")
        rosa.page.locator("#picture-table summary").click()
        rosa.page.evaluate(AXE)
        assert faults_of(rosa.page) == []
        box = rosa.page.locator("svg.pic").bounding_box()
        assert box is not None
        height = box["y"] + 30
        rosa.page.mouse.move(box["x"] + box["width"] * 0.4, height)
        rosa.page.mouse.down()
        rosa.page.mouse.move(box["x"] + box["width"] * 0.6, height, steps=3)
        with rosa.page.expect_navigation():
            rosa.page.mouse.up()
        assert "from_ms=" in rosa.page.url
        assert "since" not in rosa.page.url
        assert rosa.page.locator("svg.pic").is_visible()
