"""Single sign-on in a real browser: the provider is another site, as it always is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pytest_django import Settings

from evidence.models import AuditEntry
from tests.evidence.accounts.oidc import CLIENT, SECRET, Provider, running_provider

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def configure(settings: Settings, provider: Provider, base: str) -> None:
    settings.CASEFILE_BASE_URL = base
    settings.ALLOWED_HOSTS = ["localhost"]
    settings.OIDC_ISSUER = provider.url
    settings.OIDC_CLIENT_ID = CLIENT
    settings.OIDC_CLIENT_SECRET = SECRET
    settings.OIDC_NAME = "Example SSO"
    settings.OIDC_ROLES = [("cf-review", "reviewer")]
    settings.OIDC_MAKES_ACCOUNTS = True
    settings.PRESENCE_MINUTES = 15


def test_somebody_signs_in_and_shows_presence_at_another_site(
    browser_page: Page, live_server: Any, settings: Settings
) -> None:
    """The session's cookie has to come along when that site sends the browser back."""
    base = live_server.url.replace("127.0.0.1", "localhost")
    page = browser_page
    with running_provider() as provider:
        configure(settings, provider, base)
        provider.claims |= {"preferred_username": "ada", "groups": ["cf-review"]}
        page.goto(f"{base}/admin/login/?next=/admin/auth/user/factors/")
        page.get_by_role("link", name="Sign in with Example SSO").click()
        page.wait_for_url(f"{base}/admin/auth/user/factors/")
        signed_in = AuditEntry.objects.get(action="person.signed_in")
        assert signed_in.after["by"] == "single sign-on"

        # The provider did not say when it asked, so who is there is asked first.
        page.get_by_role("link", name="Add an authenticator app").click()
        page.get_by_role("link", name="Sign in again with Example SSO").click()
        page.get_by_label("Code that the app shows now").wait_for()
        assert provider.asked_anew == 1

        provider.claims["groups"] = []
        page.context.clear_cookies()
        page.goto(f"{base}/admin/login/")
        page.get_by_role("link", name="Sign in with Example SSO").click()
        page.get_by_text("none of your groups has a role here any more").wait_for()
