"""The policy pages as people use them, in a real browser."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User

from incidents.models import Incident
from policy.models import KillSwitch, Rollback, RollbackState
from policy.rules.kill_switch import KillSwitchState
from tests.conftest import make_user, sign_in
from tests.factories import make_incident
from tests.policy.admin.test_pages import pages_of
from tests.policy.samples import SAFE, reach_remediate
from tests.policy.world import World

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOTS = os.environ.get("SCREENSHOT_FOLDER", "")
SCORING = {"enabled": True, "enforce": True, "alpha": 0.01, "windowSize": 128}


@pytest.fixture
def case(transactional_db: None) -> Incident:
    return make_incident(playbook="INC-5")


@pytest.fixture
def people(transactional_db: None) -> dict[str, User]:
    return {
        "responder": make_user("rosa", "responder"),
        "reviewer": make_user("remy", "reviewer"),
    }


def become(page: Page, server: LiveServer, user: User) -> None:
    page.context.clear_cookies()
    sign_in(page, server.url, user)


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def press(page: Page, label: str, button: str, **fields: str) -> None:
    """Open an action by its label, fill in its form and send it."""
    page.locator("summary", has_text=label).first.click()
    form = page.locator("details[open] form").first
    for name, value in fields.items():
        form.locator(f"[name={name}]").fill(value)
    form.get_by_role("button", name=button).click()
    page.wait_for_load_state()


def test_kill_confirm_and_lift_by_two_people(
    browser_page: Page,
    live_server: LiveServer,
    case: Incident,
    people: dict[str, User],
) -> None:
    page = browser_page
    extension = case.extensions.get()
    become(page, live_server, people["responder"])
    page.goto(f"{live_server.url}/admin/policy/extension/{extension.pk}/change/")
    press(page, "Kill", "Activate the kill switch", reason="It escaped quarantine.")
    page.get_by_text("Ordered, not confirmed").first.wait_for()
    assert page.get_by_text("pi --explain-extension-policy").first.is_visible()
    shoot(page, "kill-switch-ordered")
    press(
        page,
        "It took effect",
        "Record that it took effect",
        means="Every capability is denied in the explanation.",
    )
    page.get_by_text("Confirmed.").wait_for()
    press(page, "Request a lift", "Ask a reviewer", reason="Fixed in 1.3.")
    page.get_by_text("asks for this kill switch to be lifted").wait_for()
    assert page.get_by_text("Approve the lift").count() == 0

    become(page, live_server, people["reviewer"])
    switch = KillSwitch.objects.with_people().get()
    url = f"{live_server.url}/admin/policy/killswitch/{switch.pk}/change/"
    page.goto(url)
    press(page, "Approve the lift", "Lift the kill switch")
    page.get_by_text("The case has not reached REMEDIATE; finish").first.wait_for()
    shoot(page, "lift-refused")
    reach_remediate(case)
    page.goto(url)
    press(page, "Approve the lift", "Lift the kill switch")
    page.get_by_text("The kill switch is lifted").wait_for()
    shoot(page, "kill-switch-lifted")
    assert KillSwitch.objects.with_people().get().state is KillSwitchState.LIFTED
    extension.refresh_from_db()
    assert extension.trust_state == "quarantined"


def test_no_page_is_wider_than_a_phone(
    browser_page: Page, live_server: LiveServer, world: World, auditor: User
) -> None:
    page = browser_page
    become(page, live_server, auditor)
    for name, path in pages_of(world).items():
        for width, theme in ((1280, "light"), (1280, "dark"), (390, "dark")):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=theme)
            page.goto(f"{live_server.url}{path}")
            shoot(page, f"{name}-{theme}-{width}")
            too_wide = page.evaluate(
                "document.documentElement.scrollWidth - innerWidth"
            )
            assert too_wide <= 0, f"{name} is {too_wide} px wider than {width}"


def take_snapshot(page: Page, server: LiveServer, case: Incident, text: str) -> None:
    url = f"{server.url}/admin/policy/policysnapshot/add/?incident={case.pk}"
    page.goto(url)
    page.fill("[name=settings_text]", text)
    page.get_by_role("button", name="Take the snapshot").click()
    page.get_by_text("The snapshot is taken").wait_for()


def test_a_rollback_from_permissive_to_safe_with_its_proof(
    browser_page: Page,
    live_server: LiveServer,
    case: Incident,
    people: dict[str, User],
) -> None:
    page = browser_page
    become(page, live_server, people["responder"])
    permissive = {"extensionPolicy": {"profile": "permissive", "allowDangerous": True}}
    take_snapshot(page, live_server, case, json.dumps(permissive))
    shoot(page, "snapshot-permissive")
    page.locator("summary", has_text="Roll back to safe defaults").click()
    form = page.locator("details[open] form").first
    form.locator("[name=risk][value=scoring_defaults]").check()
    form.locator("[name=overrides][value=keep_tightening]").check()
    form.locator("[name=reason]").fill("Everything is allowed.")
    shoot(page, "rollback-form")
    form.get_by_role("button", name="Propose this rollback").click()
    page.get_by_text("exec: allow → deny for all extensions").wait_for()

    become(page, live_server, people["reviewer"])
    rollback = Rollback.objects.get()
    url = f"{live_server.url}/admin/policy/rollback/{rollback.pk}/change/"
    page.goto(url)
    press(page, "Approve", "Approve this plan")
    page.get_by_text("Approved. Apply it").wait_for()

    become(page, live_server, people["responder"])
    take_snapshot(page, live_server, case, json.dumps(permissive))
    prove(page, url)
    page.get_by_role("heading", name="Not as planned:").wait_for()
    shoot(page, "rollback-deviates")
    rollback.refresh_from_db()
    assert rollback.state == RollbackState.APPLIED
    take_snapshot(
        page, live_server, case, json.dumps(SAFE | {"extensionRisk": SCORING})
    )
    prove(page, url)
    page.get_by_text("Verified: everything in the proof is as planned").wait_for()
    shoot(page, "rollback-verified")
    rollback.refresh_from_db()
    assert rollback.state == RollbackState.VERIFIED
    assert "effective_profile" in rollback.newest_proof.command_output


def prove(page: Page, url: str) -> None:
    """Mark the rollback applied, with the newest snapshot as proof."""
    page.goto(url)
    page.locator("summary", has_text="Mark applied").click()
    form = page.locator("details[open] form").first
    form.locator("[name=proof]").select_option(index=1)
    form.locator("[name=output]").fill('{"effective_profile": "safe"}\ntest result: ok')
    form.get_by_role("button", name="Mark applied and verify").click()
    page.wait_for_load_state()
