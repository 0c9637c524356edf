"""A person at a browser of their own, who works as people do: by labels and buttons."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.urls import reverse

from incidents.models import Incident
from tests.conftest import sign_in

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(
    os.environ.get("SCREENSHOT_FOLDER", ROOT / ".artifacts" / "screenshots")
)
TIMEOUT_MS = 30_000
POLL_MS = 50


class Person:
    """Somebody signed in, with a page open."""

    def __init__(self, page: Page, base: str, user: User) -> None:
        self.page = page
        self.base = base
        self.user = user
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.set_default_timeout(TIMEOUT_MS)
        sign_in(page, base, user)

    def visit(self, name: str, *args: object, query: str = "") -> None:
        """Go to a page of the admin by its URL name."""
        self.page.goto(f"{self.base}{reverse(f'admin:{name}', args=args)}{query}")

    def case(self, incident: Incident, tab: str = "checklist", phase: str = "") -> None:
        """Go to a tab of an incident's page."""
        query = f"?tab={tab}" + (f"&phase={phase}" if phase else "")
        self.visit("incidents_incident_change", incident.pk, query=query)

    def press(self, button: str, *, within: Locator | None = None) -> None:
        """Press a button and wait for what follows: another page, or this one anew."""
        with follows(self.page):
            (within or self.page).get_by_role("button", name=button).first.click()

    def fill_in(self, summary: str, button: str, **fields: str) -> None:
        """Open a small form by its label, fill it in and send it."""
        details = self.page.locator("details", has=self.page.locator("summary"))
        opener = details.filter(has_text=summary).locator("summary", has_text=summary)
        opener.first.click()
        form = self.page.locator("details[open] form", has_text=button).first
        for name, value in fields.items():
            form.locator(f"[name={name}]").fill(value)
        self.press(button, within=form)

    def reads(self, text: str) -> None:
        """Wait until the page shows a text."""
        self.page.get_by_text(text).first.wait_for()

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def wait_until(page: Page, expression: str, *, timeout_ms: int = TIMEOUT_MS) -> None:
    """Wait until an expression is true in the page, or in the one that follows it.

    Playwright's own wait evaluates in the page, which our policy forbids.
    """
    ends_at = time.monotonic() + timeout_ms / 1000
    while not _is_true(page, expression):
        assert time.monotonic() < ends_at, f"never true at {page.url}: {expression}"
        page.wait_for_timeout(POLL_MS)


def _is_true(page: Page, expression: str) -> bool:
    from playwright.sync_api import Error

    try:
        return bool(page.evaluate(expression))
    except Error as error:
        # Another page came while this one was asked.
        if "context was destroyed" in str(error) or "navigation" in str(error):
            return False
        raise


@contextmanager
def follows(page: Page) -> Iterator[None]:
    """Wait until another page is there, or this one was changed in place."""
    page.evaluate(
        "() => { window.wasShown = false; document.addEventListener("
        "'casefile:shown', () => { window.wasShown = true; }, { once: true }); }"
    )
    yield
    # A page that was loaded anew knows nothing of it.
    wait_until(page, "window.wasShown !== false")
    page.wait_for_load_state()


@contextmanager
def person(browser: Browser, base: str, user: User) -> Iterator[Person]:
    """Give somebody a browser profile of their own."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        somebody = Person(context.new_page(), base, user)
        yield somebody
        assert somebody.errors == [], f"scripts failed: {somebody.errors}"
    finally:
        context.close()
