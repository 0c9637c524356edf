"""A passkey in a real browser: added, signed in with, a postmortem signed with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.models import AuditEntry, Passkey
from tests.conftest import PASSWORD
from tests.factories import make_user
from tests.incidents.postmortem.cases import make_version

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def test_passkey_is_added_signs_in_and_signs_a_postmortem(
    browser_page: Page, live_server: Any, settings: Settings
) -> None:
    base = live_server.url.replace("127.0.0.1", "localhost")
    settings.CASEFILE_BASE_URL = base
    settings.ALLOWED_HOSTS = ["localhost"]
    settings.SECOND_FACTOR_ROLES = ["reviewer"]
    settings.PRESENCE_MINUTES = 15
    reviewer, version = make_user(Role.REVIEWER), make_version()
    page = browser_page
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})

    # The role needs a factor, so that the first sign-in leads to adding one.
    page.goto(f"{base}/admin/login/")
    page.fill("input[name=username]", reviewer.username)
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("rowheader", name="Laptop").wait_for()
    passkey = Passkey.objects.get()
    assert (passkey.user, passkey.name) == (reviewer, "Laptop")

    # Signed out, and in again with nothing but the passkey.
    page.context.clear_cookies()
    page.goto(f"{base}/admin/login/")
    page.get_by_role("link", name="Sign in with a passkey").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{base}/admin/")
    signed_in = AuditEntry.objects.filter(action="person.signed_in").latest("pk")
    assert signed_in.after["by"] == "passkey"

    # Later the browser is asked who is there: the passkey answers, not a password.
    _forget_presence(page)
    page.goto(f"{base}/admin/incidents/postmortem/{version.postmortem_id}/change/")
    _press_sign(page)
    page.get_by_role("button", name="Use your passkey").click()
    page.get_by_text("was needed first").first.wait_for()
    _press_sign(page)
    page.get_by_text("is signed").first.wait_for()
    version.postmortem.refresh_from_db()
    assert version.postmortem.state == "signed"
    assert errors == []


def _press_sign(page: Page) -> None:
    """Open what the button stands in, unless it is open, and press it."""
    button = page.get_by_role("button", name="Yes, sign version 1")
    if not button.is_visible():
        page.locator("summary").filter(has_text="Sign").click()
    button.click()


def _forget_presence(page: Page) -> None:
    """Have a quarter of an hour go by, as far as the proof of presence is concerned."""
    from django.contrib.sessions.backends.db import SessionStore

    key = next(
        cookie["value"]
        for cookie in page.context.cookies()
        if cookie["name"] == "sessionid"
    )
    session = SessionStore(session_key=key)
    session.load()
    session["proved_at"] = "2020-01-01T00:00:00+00:00"
    session.save()
