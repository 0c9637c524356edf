"""Every page has room for its words, on a desk's screen and on a phone's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import reverse

from incidents.models import Incident
from tests.conftest import running_chromium
from tests.pages import hostile

if TYPE_CHECKING:
    from playwright.sync_api import Route

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

SITE = "http://localhost:1"
"""Nothing listens there: the test hands pages and static files to the browser."""
WIDTHS = (1280, 390)
FAULTS = """() => {
  const whole = document.documentElement, found = [];
  if (whole.scrollWidth > whole.clientWidth) {
    const wide = [...document.querySelectorAll("body *")].filter(
      element => element.getBoundingClientRect().right > whole.clientWidth + 1);
    const last = wide.findLast(element => !element.closest(".cf-table-wrap")) ?? whole;
    found.push(`the page scrolls sideways: ${last.tagName}.${last.className} ` +
      last.textContent.trim().slice(0, 60));
  }
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].filter(node => node.nodeType === 3)
      .map(node => node.data.trim()).join(" ").trim();
    if (words.length < 24 || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    const line = parseFloat(style.lineHeight) || 1.4 * parseFloat(style.fontSize);
    const lines = Math.round(box.height / line);
    const isNarrow = box.width > 1 && box.width < 120;
    if (isNarrow && lines > 3 && words.length / lines < 9)
      found.push(`squeezed to ${Math.round(box.width)} px: ${words.slice(0, 60)}`);
  }
  return [...new Set(found)];
}"""
"""Words in a column of under 120 px, fewer than nine letters a line on average."""


def addresses(case: Incident) -> Iterator[str]:
    for route in hostile.list_routes("admin/"):
        if not {"name", "action"} & hostile.arguments_of(route):
            yield hostile.fill(route, hostile.real_values(route))
    for model in admin.site._registry:
        view = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        row = model._default_manager.order_by("pk").first()
        assert row is not None, view
        yield reverse(view, args=[row.pk])
    page = reverse("admin:incidents_incident_change", args=[case.pk])
    tabs = ("timeline", "picture", "evidence", "alerts", "policy", "postmortem")
    for tab in (*tabs, "history"):
        yield f"{page}?tab={tab}"


def read_pages(client: Client, urls: Iterator[str]) -> dict[str, bytes]:
    """Return the pages among what the addresses answer."""
    pages = {}
    for url in dict.fromkeys(urls):
        answer = client.get(url)
        is_page = answer.headers["Content-Type"].startswith("text/html")
        if answer.status_code == 200 and is_page and not answer.streaming:
            pages[url] = answer.content
    return pages


def hand_over(route: Route, pages: dict[str, bytes]) -> None:
    """Answer the browser as the site would, from what was read before."""
    parts = urlsplit(route.request.url)
    asked = parts.path + (f"?{parts.query}" if parts.query else "")
    name = parts.path.removeprefix("/static/")
    if asked in pages and route.request.resource_type == "document":
        route.fulfill(body=pages[asked], content_type="text/html; charset=utf-8")
    elif name != parts.path and (found := finders.find(name)):
        route.fulfill(path=str(found))
    else:
        route.fulfill(status=404, body="")


def find_faults(pages: dict[str, bytes]) -> list[str]:
    """Look at every page in both widths, and return what has no room."""
    faults = []
    with running_chromium() as browser:
        page = browser.new_page()
        page.route(f"{SITE}/**", lambda route: hand_over(route, pages))
        for url in pages:
            page.goto(f"{SITE}{url}", wait_until="load")
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                found = page.evaluate(FAULTS)
                faults += [f"{url} ({width} px): {fault}" for fault in found]
    return faults


@pytest.mark.parametrize(
    "part",
    [pytest.param(3, id="a third"), pytest.param(1, marks=pytest.mark.slow, id="all")],
)
def test_no_page_squeezes_its_words_or_scrolls_sideways(
    browse: Any, everything: Incident, part: int
) -> None:
    every_page = read_pages(browse("root"), addresses(everything))
    assert len(every_page) > 80
    pages = dict([*every_page.items()][::part])
    # In a thread of its own: the browser's loop would give this one another database.
    with ThreadPoolExecutor(1) as pool:
        faults = pool.submit(find_faults, pages).result()
    assert faults == [], "\n".join(faults)
