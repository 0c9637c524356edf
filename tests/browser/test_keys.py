"""The page of a case from the keyboard: through what is in sight, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from incidents.admin.cockpit import TABS as CASE_TABS
from incidents.models import ChecklistItem, Finding, Incident
from incidents.workflow.incident_states import ItemState
from tests.browser.people import Person, follows, person, wait_until
from tests.browser.test_access import AXE, faults_of
from tests.factories import make_incident

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ITEMS = ("kill-extension", "verify-isolation", "disable-all-extensions")
TABS = [tab.key for tab in CASE_TABS]


@pytest.fixture
def case(transactional_db: None) -> Incident:
    now = timezone.now()
    incident: Incident = make_incident(detected_at=now, now=now)
    Finding.objects.create(
        incident=incident,
        code="INC-2",
        key="secret-exposed",
        version=1,
        item_key="disable-all-extensions",
        verdict="found",
        sentence="DATABASE_URL reached node-tools.",
        answered_at=now,
    )
    return incident


@pytest.fixture
def rosa(
    chromium: Browser, live_server: LiveServer, case: Incident, responder: User
) -> Iterator[Person]:
    with person(chromium, live_server.url, responder) as somebody:
        somebody.case(case)
        yield somebody


def press(somebody: Person, *keys: str) -> None:
    for key in keys:
        somebody.page.keyboard.press(key)


def focused(somebody: Person) -> str:
    return str(somebody.page.evaluate("document.activeElement.id"))


def item_of(case: Incident, key: str) -> ChecklistItem:
    return ChecklistItem.objects.get(cycle__incident=case, key=key)


def test_next_and_previous_item_stop_at_the_ends(rosa: Person) -> None:
    first, second, third = (f"item-{key}" for key in ITEMS)
    for key, expected in (
        ("j", first), ("j", second), ("j", third), ("j", third),
        ("k", second), ("k", first), ("k", first),
    ):  # fmt: skip
        press(rosa, key)
        assert focused(rosa) == expected


def test_confirm_answers_the_item_that_one_is_at_and_the_next_key_goes_on(
    rosa: Person, case: Incident
) -> None:
    press(rosa, "j", "j", "j")
    with follows(rosa.page):
        press(rosa, "c")
    assert item_of(case, ITEMS[2]).note == "DATABASE_URL reached node-tools."
    assert focused(rosa) == f"item-{ITEMS[2]}"
    press(rosa, "k")
    assert focused(rosa) == f"item-{ITEMS[1]}"


def test_done_note_and_overrule_press_what_the_item_offers(
    rosa: Person, case: Incident
) -> None:
    press(rosa, "j", "j", "j", "o")
    wait_until(rosa.page, "document.activeElement.name === 'reason'")
    rosa.page.keyboard.type("nothing reached it")
    assert item_of(case, ITEMS[2]).is_open
    rosa.page.keyboard.press("Escape")
    rosa.page.locator(f"#item-{ITEMS[1]}").focus()
    press(rosa, "n")
    wait_until(rosa.page, "document.activeElement.name === 'note'")
    rosa.page.keyboard.type("cdjk?")
    assert rosa.page.evaluate("document.activeElement.value") == "cdjk?"
    assert item_of(case, ITEMS[1]).is_open
    rosa.page.locator(f"#item-{ITEMS[2]}").focus()
    with follows(rosa.page):
        press(rosa, "d")
    assert item_of(case, ITEMS[2]).state == ItemState.DONE


def test_a_key_without_its_button_does_nothing(rosa: Person, case: Incident) -> None:
    # These two ask for a statement: they are not ticked by a bare "done".
    press(rosa, "j", "d", "c", "o", "x")
    rosa.page.wait_for_timeout(300)
    assert all(item_of(case, key).is_open for key in ITEMS)


@pytest.mark.parametrize("with_key", ["Control", "Alt", "Meta"])
def test_keys_beside_a_modifier_are_the_browsers(
    rosa: Person, case: Incident, with_key: str
) -> None:
    press(rosa, "j", "j", "j")
    rosa.page.evaluate("addEventListener('keydown', (e) => { window.seen = e; })")
    press(rosa, f"{with_key}+c")
    assert rosa.page.evaluate("window.seen.defaultPrevented") is False
    assert item_of(case, ITEMS[2]).is_open


def test_numbers_go_to_the_tabs_and_search_has_its_key(rosa: Person) -> None:
    for number, tab in enumerate(TABS, start=1):
        with rosa.page.expect_navigation():
            press(rosa, str(number))
        assert rosa.page.url.endswith(f"?tab={tab}")
    press(rosa, "9")
    press(rosa, "t")
    assert rosa.page.evaluate("document.activeElement.matches('[data-search-box]')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_keys_are_shown_in_a_dialog_that_anybody_can_read(
    rosa: Person, case: Incident, scheme: str
) -> None:
    rosa.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    rosa.page.reload()
    press(rosa, "j", "j", "j", "?")
    dialog = rosa.page.get_by_role("dialog", name="Keys on this page")
    dialog.wait_for()
    rosa.shoot(f"keys-{scheme}")
    rosa.page.evaluate(AXE)
    assert faults_of(rosa.page) == []
    # Behind it nothing is pressed.
    press(rosa, "d", "2", "j")
    assert item_of(case, ITEMS[2]).is_open
    assert not rosa.page.url.endswith("?tab=timeline")
    press(rosa, "Escape")
    assert dialog.count() == 0
    assert focused(rosa) == f"item-{ITEMS[2]}"


def test_who_wants_no_keys_turns_them_off(rosa: Person, case: Incident) -> None:
    rosa.page.get_by_role("button", name="Keys").click()
    rosa.page.get_by_label("Use these keys").uncheck()
    rosa.page.get_by_role("button", name="Close").click()
    rosa.page.reload()
    press(rosa, "j", "?")
    assert focused(rosa) == ""
    assert rosa.page.get_by_role("dialog").count() == 0
    rosa.page.get_by_role("button", name="Keys").click()
    assert not rosa.page.get_by_label("Use these keys").is_checked()


def test_who_may_only_look_has_no_key_that_changes_anything(
    chromium: Browser, live_server: LiveServer, case: Incident, auditor: User
) -> None:
    with person(chromium, live_server.url, auditor) as ada:
        ada.case(case)
        press(ada, "j", "j", "j")
        assert focused(ada) == f"item-{ITEMS[2]}"
        press(ada, "c", "d", "n", "o")
        ada.page.wait_for_timeout(300)
        assert item_of(case, ITEMS[2]).is_open
        assert ada.page.locator("details[open]").count() == 0
