"""No page needs a script to be evaluated, and the skin works without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from tests.browser.people import wait_until
from tests.browser.test_access import addresses
from tests.conftest import sign_in
from tests.policy.admin.conftest import World, world

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ("world",)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WATCH = """
    window.refused = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        window.refused.push(`${event.effectiveDirective} ${event.sourceFile}`));
"""
ANSWERED = (200, 403)
"""Open, or closed to the person: both are pages."""


def listen(page: Page) -> list[str]:
    """Return a list that grows by what fails on the page, whatever page it is at."""
    faults: list[str] = []
    page.add_init_script(WATCH)
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))

    def hear(message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        if kind in ("error", "warning") and "status of 403" not in text:
            faults.append(f"{page.url}: {text[:300]}")

    page.on("console", hear)
    return faults


def every_address(world: World) -> list[str]:
    """Return all lists, the pages that add to them, and the pages of rows."""
    found = ["/admin/login/", *addresses(world)]
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        found += [reverse(f"admin:{name}_changelist"), reverse(f"admin:{name}_add")]
        row = model._default_manager.order_by("pk").first()
        if row is not None:
            found.append(reverse(f"admin:{name}_change", args=[row.pk]))
    return list(dict.fromkeys(found))


def test_no_page_asks_for_what_the_policy_forbids(
    browser_page: Page, live_server: LiveServer, world: World
) -> None:
    page = browser_page
    faults = listen(page)
    sign_in(page, live_server.url, make_root())
    shown = 0
    for address in every_address(world):
        answer = page.goto(f"{live_server.url}{address}")
        assert answer is not None
        assert answer.status in ANSWERED, address
        policy = answer.headers["content-security-policy"]
        assert "unsafe-eval" not in policy
        shown += answer.status == 200
        faults += [f"{address}: {each}" for each in page.evaluate("window.refused")]
    assert not faults, "\n".join(dict.fromkeys(faults))
    assert shown > 60


def make_root() -> User:
    from tests.conftest import PASSWORD

    return User.objects.create_superuser("root", "root@example.org", PASSWORD)


def test_what_opens_and_closes_on_a_page_does(
    browser_page: Page, live_server: LiveServer, world: World
) -> None:
    page = browser_page
    faults = listen(page)
    page.set_viewport_size({"width": 1440, "height": 900})
    sign_in(page, live_server.url, make_root())
    page.goto(f"{live_server.url}{reverse('admin:incidents_alert_changelist')}")
    sidebar = page.locator("#nav-sidebar")
    sidebar.wait_for(state="visible")
    toggle = page.locator("[x-on\\:click*='sidebarDesktopOpen']")
    toggle.click()
    sidebar.wait_for(state="hidden")
    page.reload()
    sidebar.wait_for(state="hidden")
    toggle.click()
    sidebar.wait_for(state="visible")
    # From the system's theme to the light one, and on.
    page.keyboard.press("Control+e")
    page.keyboard.press("Control+e")
    wait_until(page, "document.documentElement.classList.contains('dark')")
    page.reload()
    wait_until(page, "document.documentElement.classList.contains('dark')")
    page.goto(f"{live_server.url}{reverse('admin:policy_killswitch_changelist')}")
    page.locator("input.action-select").first.check()
    run = page.locator("button[name=index]").first
    run.wait_for(state="hidden")
    page.locator("select[name=action]").first.select_option(index=1)
    run.wait_for(state="visible")
    assert faults == []
    assert page.evaluate("window.refused") == []
