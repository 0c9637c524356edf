"""The main job, as a responder does it: log in, open a case, upload, see it verified.

A real browser, a real worker on a real broker, and nothing called behind the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User

from evidence.format import serialize_document
from evidence.models import CustodyKind, EvidenceItem, Outcome, VerificationReport
from evidence.simulation import simulate_document
from incidents.models import Incident
from tests.browser.people import Person, person
from tests.factories import make_playbooks
from tests.live import LiveWorker

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.live,
    pytest.mark.essential,
    pytest.mark.django_db(transaction=True),
]
TITLE = "Weather extension reads what it should not"
FILE_NAME = "incident-bundle.json"
STEPS = 5


def test_responder_opens_a_case_and_sees_its_bundle_verified(
    chromium: Browser,
    live_server: LiveServer,
    live_worker: LiveWorker,
    responder: User,
) -> None:
    make_playbooks()
    bundle = serialize_document(simulate_document(calls=200, seed=11))
    # Stopped, so that the page is seen waiting before it is seen verified.
    live_worker.kill()
    with person(chromium, live_server.url, responder) as rosa:
        case = open_case(rosa)
        item = upload(rosa, case, bundle)
        watch_it_become_verified(rosa, item, live_worker)
        see_it_in_the_case(rosa, case)
    check_what_is_left(case, item, responder)


def open_case(rosa: Person) -> Incident:
    rosa.visit("index")
    with rosa.page.expect_navigation():
        rosa.page.get_by_role("link", name="Open an incident").first.click()
    rosa.page.fill("[name=title]", TITLE)
    choices = rosa.page.locator("[name=playbook]")
    label = choices.locator("option", has_text="INC-2").text_content()
    choices.select_option(label=label)
    rosa.page.locator("[name=severity]").select_option("high")
    rosa.shoot("main-1-open-a-case")
    rosa.press("Open the incident")
    rosa.reads(TITLE)
    rosa.shoot("main-2-case")
    return Incident.objects.get(title=TITLE)


def upload(rosa: Person, case: Incident, bundle: bytes) -> EvidenceItem:
    rosa.visit("evidence_evidenceitem_upload", query=f"?incident={case.pk}")
    file = {"name": FILE_NAME, "mimeType": "application/json", "buffer": bundle}
    rosa.page.set_input_files("#id_file", file)
    rosa.page.get_by_role("button", name="Add as evidence").click()
    rosa.page.wait_for_selector("[data-state=received]")
    rosa.shoot("main-3-uploaded")
    return EvidenceItem.objects.get(incident=case)


def watch_it_become_verified(
    rosa: Person, item: EvidenceItem, worker: LiveWorker
) -> None:
    """Stay on the page: a mark on its window tells whether it was loaded again.

    A bundle with nothing redacted passes four steps; the fifth does not apply to it.
    """
    rosa.visit("evidence_evidenceitem_change", item.pk)
    page = rosa.page
    page.locator("[data-work-status]").first.wait_for()
    assert page.locator(".ev-head .cf-badge[data-tone=done]").count() == 0
    page.evaluate("window.neverLoadedAgain = true")
    rosa.shoot("main-4-waiting")
    assert not VerificationReport.objects.exists()
    worker.start()
    page.locator(".ev-head .cf-badge[data-tone=done]").wait_for(timeout=60_000)
    rosa.shoot("main-5-verified")
    assert page.locator(".ev-step").count() == STEPS
    assert page.locator(".ev-step-pass").count() >= STEPS - 1
    assert page.locator(".ev-step-fail").count() == 0
    assert page.evaluate("window.neverLoadedAgain") is True


def see_it_in_the_case(rosa: Person, case: Incident) -> None:
    rosa.case(case, "evidence")
    rosa.reads(FILE_NAME)
    rosa.reads("Verified")
    rosa.shoot("main-6-case-evidence")


def check_what_is_left(case: Incident, item: EvidenceItem, responder: User) -> None:
    report = VerificationReport.objects.get()
    assert (report.item, report.outcome) == (item, Outcome.VERIFIED)
    assert len(report.steps) == STEPS
    assert item.received_by == case.opened_by == responder
    kinds = set(item.custody_events.values_list("kind", flat=True))
    assert {CustodyKind.RECEIVED, CustodyKind.VIEWED, CustodyKind.VERIFIED} <= kinds
