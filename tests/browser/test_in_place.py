"""A case's page changes where it stands, by one's own answers and those of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from incidents.models import ChecklistItem, Incident
from incidents.services.checklists import answers
from incidents.services.lifecycle.editing import assign_lead
from incidents.workflow.incident_states import ItemState
from tests.browser.people import Person, person
from tests.conftest import PASSWORD
from tests.factories import make_incident

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FIRST, SECOND = "kill-extension", "verify-isolation"
OPTIONAL = "disable-all-extensions"


@pytest.fixture
def case(transactional_db: None) -> Incident:
    now = timezone.now()
    incident: Incident = make_incident(detected_at=now, now=now)
    return incident


@pytest.fixture
def rosa(
    chromium: Browser, live_server: LiveServer, case: Incident, responder: User
) -> Iterator[Person]:
    with person(chromium, live_server.url, responder) as somebody:
        somebody.case(case)
        somebody.page.evaluate("window.isSamePage = true")
        yield somebody


def item_of(case: Incident, key: str) -> ChecklistItem:
    return ChecklistItem.objects.get(cycle__incident=case, key=key)


def row(rosa: Person, key: str) -> Locator:
    return rosa.page.locator(f"#item-{key}")


def open_note(rosa: Person, key: str) -> Locator:
    """Open the form that answers an item with a note; return its text field."""
    form = row(rosa, key).locator("details", has_text="Answer")
    form.locator("summary").first.click()
    return form.locator("textarea")


def is_same_page(rosa: Person) -> bool:
    return bool(rosa.page.evaluate("window.isSamePage === true"))


def test_an_answer_keeps_page_scroll_focus_and_what_is_half_written(
    rosa: Person, case: Incident
) -> None:
    note = open_note(rosa, FIRST)
    note.fill("Half a note")
    button = row(rosa, OPTIONAL).get_by_role("button", name="Done").first
    button.scroll_into_view_if_needed()
    before = row(rosa, OPTIONAL).bounding_box()
    button.click()
    rosa.page.locator(f"#item-{OPTIONAL}.is-answered").wait_for()
    assert item_of(case, OPTIONAL).state == ItemState.DONE
    assert is_same_page(rosa)
    assert note.input_value() == "Half a note"
    after = row(rosa, OPTIONAL).bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 2
    focused = rosa.page.evaluate("document.activeElement.id")
    assert focused == f"item-{OPTIONAL}"
    said = rosa.page.locator(".cf-says")
    assert "Marked done" in said.inner_text()
    said.get_by_role("button", name="Close").click()
    assert said.inner_text() == ""


def test_what_was_sent_does_not_reappear_in_the_form_that_takes_its_place(
    rosa: Person, case: Incident
) -> None:
    page = rosa.page
    fold = page.locator("details.cf-pop", has_text="Restrict to those named")
    fold.locator("summary").click()
    fold.locator("textarea[name=reason]").fill("An insider may read.")
    # As a key does it: the field still has the cursor when the answer comes.
    fold.locator("textarea[name=reason]").evaluate(
        "field => field.form.requestSubmit()"
    )
    page.locator("#restriction").wait_for()
    assert page.evaluate("window.isSamePage")
    assert fold.count() == 0
    assert page.locator("details.cf-pop[open]").count() == 0
    texts = page.locator("details.cf-pop textarea[name=reason]")
    assert {field.input_value() for field in texts.all()} == {""}


def test_a_refused_answer_shows_its_errors_at_its_fields_in_place(
    rosa: Person, case: Incident
) -> None:
    note = open_note(rosa, FIRST)
    note.evaluate("field => field.removeAttribute('required')")
    row(rosa, FIRST).get_by_role("button", name="Not applicable").click()
    row(rosa, FIRST).locator("[data-refused]").wait_for()
    assert is_same_page(rosa)
    assert "Nothing was changed" in row(rosa, FIRST).inner_text()
    assert item_of(case, FIRST).is_open
    note = row(rosa, FIRST).locator("textarea").first
    assert note.evaluate("field => field === document.activeElement")
    note.fill("It was off all along.")
    row(rosa, FIRST).get_by_role("button", name="Not applicable").click()
    rosa.page.locator(f"#item-{FIRST}.is-answered").wait_for()
    assert is_same_page(rosa)
    assert item_of(case, FIRST).note == "It was off all along."


def test_an_answer_pressed_twice_is_one(rosa: Person, case: Incident) -> None:
    button = row(rosa, OPTIONAL).get_by_role("button", name="Done").first
    button.evaluate("button => { button.click(); button.click(); }")
    rosa.page.locator(f"#item-{OPTIONAL}.is-answered").wait_for()
    assert item_of(case, OPTIONAL).entries.count() == 1


def test_a_session_that_ended_leads_to_the_sign_in_with_what_was_typed(
    rosa: Person, case: Incident
) -> None:
    note = open_note(rosa, FIRST)
    note.fill("Stopped by hand, 14:02")
    Session.objects.all().delete()
    row(rosa, FIRST).get_by_role("button", name="Not applicable").click()
    link = rosa.page.locator(".cf-says").get_by_role("link", name="Sign in again")
    link.wait_for()
    assert is_same_page(rosa)
    assert note.input_value() == "Stopped by hand, 14:02"
    rosa.page.on("dialog", lambda dialog: dialog.accept())
    link.click()
    rosa.page.fill("input[name=username]", rosa.user.username)
    rosa.page.fill("input[name=password]", PASSWORD)
    rosa.page.click("button[type=submit]")
    rosa.reads("Your sign-in had ended, so this was not saved")
    assert row(rosa, FIRST).locator("textarea").first.input_value() == (
        "Stopped by hand, 14:02"
    )


def test_a_server_out_of_reach_costs_nothing(rosa: Person, case: Incident) -> None:
    rosa.page.route("**/do/answer/", lambda route: route.abort())
    row(rosa, OPTIONAL).get_by_role("button", name="Done").first.click()
    rosa.reads("The server could not be reached")
    assert is_same_page(rosa)
    rosa.page.unroute("**/do/answer/")
    row(rosa, OPTIONAL).get_by_role("button", name="Done").first.click()
    rosa.page.locator(f"#item-{OPTIONAL}.is-answered").wait_for()


def test_what_somebody_else_does_shows_without_a_reload_and_says_who(
    rosa: Person, case: Incident, reviewer: User
) -> None:
    note = open_note(rosa, SECOND)
    note.fill("I watched the tele")
    answers.answer_item(
        actor=reviewer,
        item_id=item_of(case, OPTIONAL).pk,
        state=ItemState.NOT_APPLICABLE,
        note="One is enough.",
    )
    changed = rosa.page.locator(f"#item-{OPTIONAL}[data-changed-by=reviewer]")
    changed.wait_for()
    assert "One is enough." in changed.inner_text()
    assert is_same_page(rosa)
    assert note.input_value() == "I watched the tele"
    assert note.evaluate("field => field === document.activeElement")
    said = rosa.page.locator(".cf-says").inner_text()
    assert "reviewer: Checklist item answered" in said
    assign_lead(actor=reviewer, incident_id=case.pk, lead=reviewer)
    rosa.page.locator(".cf-facts", has_text="reviewer").wait_for()
    assert note.input_value() == "I watched the tele"


def test_what_is_half_written_stays_where_somebody_answered_the_same_item(
    rosa: Person, case: Incident, reviewer: User
) -> None:
    note = open_note(rosa, SECOND)
    note.fill("I watched the tele")
    item = item_of(case, SECOND)
    answers.answer_item(
        actor=reviewer, item_id=item.pk, state=ItemState.NOT_APPLICABLE, note="Off."
    )
    rosa.page.locator(f"#item-{SECOND}[data-changed-by=reviewer]").wait_for()
    assert note.input_value() == "I watched the tele"
    row(rosa, SECOND).get_by_role("button", name="Not applicable").click()
    rosa.page.locator("[data-refused]").wait_for()
    item.refresh_from_db()
    assert item.note == "Off."
    assert rosa.page.locator("[data-refused] ~ * textarea").first.input_value() == (
        "I watched the tele"
    )


def test_a_page_out_of_sight_asks_nothing(rosa: Person, case: Incident) -> None:
    asked: list[str] = []
    rosa.page.on("request", lambda request: asked.append(request.url))
    rosa.page.evaluate(
        "Object.defineProperty(document, 'hidden', { get: () => window.isAway })"
    )
    rosa.page.evaluate("window.isAway = false")
    rosa.page.evaluate(
        "document.querySelector('[data-in-place]').dataset.watchSeconds = '0.1'"
    )
    with rosa.page.expect_response(lambda answer: answer.status == 304):
        rosa.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    rosa.page.evaluate("window.isAway = true")
    rosa.page.wait_for_timeout(500)
    asked.clear()
    rosa.page.wait_for_timeout(1_500)
    assert asked == []
    rosa.page.evaluate("window.isAway = false")
    with rosa.page.expect_response(lambda answer: answer.url.endswith("/changes/")):
        rosa.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
