"""The evidence pages in a real browser, under the policy that production sends."""

import pytest
from django.urls import reverse

from evidence.models import EvidenceItem
from evidence.services import run_verification
from tests.conftest import sign_in
from tests.evidence.helpers import make_ledger, read_vector, receive
from tests.factories import make_incident

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE_WIDTH = 390


def file_of(name, data):
    return {"name": name, "mimeType": "application/json", "buffer": data}


def test_files_are_sent_one_by_one_and_each_says_how_it_went(
    browser_page, live_server, responder
):
    incident = make_incident()
    page = browser_page
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(page, live_server.url, responder)
    upload = reverse("admin:evidence_evidenceitem_upload")
    page.goto(f"{live_server.url}{upload}?incident={incident.pk}")
    page.set_input_files(
        "#id_file",
        [
            file_of("broken.json", read_vector("refused-nan")),
            file_of("ledger.json", make_ledger(5)),
        ],
    )
    page.click("form[data-upload] button[type=submit]")
    page.wait_for_selector("[data-state=received]")
    refused = page.inner_text("[data-state=refused]")
    assert "broken.json is not a readable evidence bundle" in refused
    assert page.input_value("#id_source") == ""
    back = page.get_by_role("link", name="Back to the case")
    assert back.get_attribute("href").endswith(f"/{incident.pk}/change/")
    page.click("[data-state=received] a")
    page.wait_for_selector(".ev-name")
    assert page.inner_text(".ev-name") == "ledger.json"
    assert EvidenceItem.objects.get().incident == incident
    assert complaints == []


def test_page_fits_a_phone_and_the_dark(browser_page, live_server, auditor):
    item = receive(make_incident().pk, read_vector("tampered-removed-entry"))
    run_verification(request_id=item.verification_requests.get().pk)
    page = browser_page
    sign_in(page, live_server.url, auditor)
    page.set_viewport_size({"width": PHONE_WIDTH, "height": 844})
    page.emulate_media(color_scheme="dark")
    address = reverse("admin:evidence_evidenceitem_change", args=[item.pk])
    for view in ("overview", "replay", "errors", "custody"):
        page.goto(f"{live_server.url}{address}?view={view}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE_WIDTH, view
    colour = "e => getComputedStyle(e).fill"
    page.goto(live_server.url + address)
    assert page.eval_on_selector(".ev-tick", colour) == "rgb(241, 245, 249)"
