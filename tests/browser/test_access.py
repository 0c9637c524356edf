"""Every kind of page, in both themes, without a fault that axe-core finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import axe_playwright_python
import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from evidence.models import EvidenceItem, EvidenceKind
from tests.conftest import sign_in
from tests.policy.admin.conftest import World, world

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ("world",)

# Some forty pages, four times over: too long for every run.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
TABS = (
    "checklist",
    "timeline",
    "evidence",
    "alerts",
    "policy",
    "postmortem",
    "history",
)
WIDTHS = {"desk": 1440, "phone": 390}


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
    ]


def faults_of(page: Page) -> list[str]:
    """Return what axe-core holds against the page, each rule with a place."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document)")["violations"]
    return [
        f"{one['id']} ({one['impact']}): {place['target']} {place['html'][:160]}"
        for one in found
        for place in one["nodes"][:3]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", list(WIDTHS))
def test_no_page_has_a_fault_of_access(
    browser_page: Page,
    live_server: LiveServer,
    world: World,
    responder: User,
    theme: str,
    size: str,
) -> None:
    page = browser_page
    page.set_viewport_size({"width": WIDTHS[size], "height": 900})
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    sign_in(page, live_server.url, responder)
    faults = {}
    for address in addresses(world):
        page.goto(f"{live_server.url}{address}")
        found = faults_of(page)
        if found:
            faults[address] = found
    assert not faults, "\n".join(
        f"{address}\n  " + "\n  ".join(found) for address, found in faults.items()
    )


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
