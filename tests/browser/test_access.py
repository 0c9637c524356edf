"""Every kind of page, in both themes, without a fault that axe-core finds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import axe_playwright_python
import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from evidence.models import EvidenceItem, EvidenceKind
from tests.browser.people import wait_until
from tests.conftest import sign_in
from tests.policy.admin.conftest import World, world

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ("world",)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
TABS = (
    "checklist",
    "timeline",
    "picture",
    "evidence",
    "alerts",
    "policy",
    "postmortem",
    "history",
)
WIDTHS = {"desk": 1440, "phone": 390}
WHOLE = {("desk", "light"), ("phone", "dark")}
COLOUR_RULES = ("color-contrast", "link-in-text-block")
SHORT_SCREEN: Any = {"width": 1280, "height": 500}


def addresses(world: World) -> list[str]:
    case = reverse("admin:incidents_incident_change", args=[world.incident.pk])
    bundle = EvidenceItem.objects.filter(kind=EvidenceKind.BUNDLE).first()
    assert bundle is not None
    rows = (
        ("evidence_evidenceitem", bundle.pk),
        ("policy_extension", world.extension.pk),
        ("policy_killswitch", world.switch.pk),
        ("policy_policysnapshot", world.snapshot.pk),
        ("policy_rollback", world.rollback.pk),
        ("policy_scanreport", world.scan.pk),
        ("policy_runtimehistoryimport", world.history.pk),
    )
    return [
        reverse("admin:index"),
        *(f"{case}?tab={tab}" for tab in TABS),
        *(reverse(f"admin:{name}_change", args=[pk]) for name, pk in rows),
        *(reverse(f"admin:{name}_changelist") for name, _ in rows),
        reverse("admin:incidents_alert_changelist"),
        reverse("admin:incidents_playbook_changelist"),
        reverse("admin:evidence_evidenceitem_upload"),
        reverse("admin:auth_user_settings"),
        reverse("admin:auth_user_sessions"),
        reverse("admin:auth_user_tokens"),
    ]


def faults_of(page: Page, **options: Any) -> list[str]:
    """Return what axe-core holds against the page, each rule with a place."""
    # What it has no fault with is most of its answer, and stays in the browser.
    found = page.evaluate(
        "options => axe.run(document, options).then(answer => answer.violations)",
        {"resultTypes": ["violations"], **options},
    )
    return [
        f"{one['id']} ({one['impact']}): {place['target']} {place['html'][:160]}"
        for one in found
        for place in one["nodes"][:3]
    ]


def views_of(page: Page) -> list[tuple[str, list[str]]]:
    """Return the page's faults in both themes and at both widths, of one load.

    Each theme and each width is held against all rules once, and against those about
    colours in every view: no other rule asks for a theme.
    """
    page.evaluate(AXE)
    found = []
    for size, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            dark = str(theme == "dark").lower()
            page.evaluate(f"document.documentElement.classList.toggle('dark', {dark})")
            is_whole = (size, theme) in WHOLE
            asked = {} if is_whole else {"runOnly": list(COLOUR_RULES)}
            found.append((f"{size}, {theme}", faults_of(page, **asked)))
    return found


def test_no_page_has_a_fault_of_access(
    browser_page: Page, live_server: LiveServer, world: World, responder: User
) -> None:
    page = browser_page
    sign_in(page, live_server.url, responder)
    page.emulate_media(reduced_motion="reduce")
    faults = []
    for address in addresses(world):
        answer = page.goto(f"{live_server.url}{address}")
        # A refusal or the sign-in form would be another page than the one meant.
        assert answer is not None, address
        assert (answer.status, page.url.endswith(address)) == (200, True), address
        for view, found in views_of(page):
            faults += [f"{address} ({view}): {violation}" for violation in found]
    assert not faults, "\n".join(faults)


def test_after_an_answer_the_page_is_where_one_was_with_the_focus_there(
    browser_page: Page, live_server: LiveServer, world: World, responder: User
) -> None:
    page = browser_page
    page.set_viewport_size(SHORT_SCREEN)
    sign_in(page, live_server.url, responder)
    case = reverse("admin:incidents_incident_change", args=[world.incident.pk])
    page.goto(f"{live_server.url}{case}?tab=checklist")
    done = page.locator(
        "button.is-small", has_text=re.compile(r"^\s*(check)?\s*Done\s*$")
    )
    item = page.locator("li.cf-item", has=done).last
    name = item.get_attribute("id")
    item.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 0
    item.locator(done).click()
    wait_until(page, f"document.activeElement.id === {name!r}")
    box = page.locator(f"#{name}").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < SHORT_SCREEN["height"]


def test_the_way_to_the_kill_switch_is_on_the_first_screen_of_a_phone(
    browser_page: Page, live_server: LiveServer, world: World, responder: User
) -> None:
    page = browser_page
    page.set_viewport_size({"width": WIDTHS["phone"], "height": 900})
    sign_in(page, live_server.url, responder)
    case = reverse("admin:incidents_incident_change", args=[world.incident.pk])
    page.goto(f"{live_server.url}{case}")
    box = page.locator(".cf-actions a.is-danger").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 900


def test_no_panel_of_a_button_stands_out_of_the_window(
    browser_page: Page, live_server: LiveServer, world: World, reviewer: User
) -> None:
    page = browser_page
    page.set_viewport_size({"width": 1280, "height": 900})
    sign_in(page, live_server.url, reviewer)
    case = reverse("admin:incidents_incident_change", args=[world.incident.pk])
    page.goto(f"{live_server.url}{case}")
    buttons = page.locator(".cf-actions > .cf-pop > summary")
    assert buttons.count() > 5
    for button in buttons.all():
        button.click()
        page.locator(".cf-actions > .cf-pop[open] > .cf-panel").wait_for()
        wait_until(page, "document.documentElement.scrollWidth <= innerWidth")


def test_the_first_tab_leads_past_the_sidebar(
    browser_page: Page, live_server: LiveServer, responder: User
) -> None:
    page = browser_page
    sign_in(page, live_server.url, responder)
    page.goto(f"{live_server.url}{reverse('admin:index')}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "cf-skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
