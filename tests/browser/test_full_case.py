"""One INC-2 case from a posted alert to a signed postmortem, by three people.

What the middle phases cost in clicks and page loads is counted, printed and held to.

Nothing here calls a service for them: a machine posts the alert over HTTP, a worker on
a real broker verifies and archives, and people press what the pages offer.
"""

from __future__ import annotations

import json
import re
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from evidence.accounts.tokens import create_token
from evidence.audit.history import incident_stream
from evidence.format import hash_value, serialize_document
from evidence.models import AuditEntry, TokenScope, VerificationReport, WorkState
from evidence.simulation import simulate_document
from evidence.storage import read_verified
from incidents.models import (
    CaseArchive,
    EvidenceReading,
    Incident,
    Postmortem,
    PostmortemArchive,
)
from incidents.services.alerts.rules import load_default_rules
from tests.browser.counting import Counter
from tests.browser.people import Person, person, wait_until
from tests.factories import make_playbooks
from tests.live import LiveWorker
from tests.policy.explaining import explain_settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FilePayload
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.browser,
    pytest.mark.live,
    pytest.mark.django_db(transaction=True),
]
AT_MOST = {"COLLECT": (5, 3), "VERIFY": (1, 0), "ANALYZE": (6, 3)}
"""Clicks and page loads, with evidence and settings at hand: promised to responders."""
SETTINGS = {"extensionPolicy": {"profile": "permissive", "allowDangerous": True}}
EXPLANATION = explain_settings(SETTINGS, secret_broker_enabled=True)
WRITTEN = {
    "summary": "node-tools read a **credential** from its environment.",
    "control_failed": "The secret broker's blocklist (INV-009).",
    "root_cause": "A child process inherited the environment unfiltered.",
    "impact_users": "None outside the team.",
    "impact_data": "One credential, to one extension.",
    "lessons": "- Contained in minutes\n- The allowlist was never reviewed",
}


@pytest.fixture
def bundle() -> dict[str, Any]:
    return simulate_document(calls=120, seed=7, scenario="inc-2")


def post_alert(base: str, user: User, bundle: dict[str, Any]) -> dict[str, Any]:
    """Post the bundle's exposure as the risk controller would, over HTTP."""
    alert = next(
        alert
        for alert in bundle["security_alerts"]
        if alert["category"] == "secret_exposure"
    )
    now_ms = int(timezone.now().timestamp() * 1000)
    _, secret = create_token(
        user=user,
        name="risk controller",
        scopes=[TokenScope.ALERTS_WRITE],
        days=1,
        actor=None,
    )
    body = {**alert, "source": "risk_controller", "ts_ms": now_ms}
    request = urllib.request.Request(  # noqa: S310
        f"{base}/api/v1/alerts/",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {secret}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return dict(json.load(answer))


def test_case_from_posted_alert_to_signed_postmortem(
    chromium: Browser,
    live_server: LiveServer,
    live_worker: LiveWorker,
    responder: User,
    reviewer: User,
    auditor: User,
    machine: User,
    bundle: dict[str, Any],
) -> None:
    make_playbooks()
    load_default_rules(actor=None)
    base = live_server.url
    answer = post_alert(base, machine, bundle)
    assert answer["decision"] == "opened"
    case = Incident.objects.get(reference=answer["incident"])

    with person(chromium, base, responder) as rosa:
        take_on(rosa, case)
        contain(rosa, case)
        counter = Counter(rosa.page)
        with counter.phase("COLLECT"):
            collect(rosa, case, bundle, live_worker)
        with counter.phase("VERIFY"):
            verify(rosa)
        with counter.phase("ANALYZE"):
            analyze(rosa, case)
        check_costs(counter)
        remediate(rosa, case)
        write_postmortem(rosa, case, live_worker)

    with person(chromium, base, reviewer) as remy:
        sign(remy, case, live_worker)

    with person(chromium, base, responder) as rosa:
        close(rosa, case)

    with person(chromium, base, auditor) as ada:
        look_and_change_nothing(ada, case)

    check_what_is_left(case)


def take_on(rosa: Person, case: Incident) -> None:
    rosa.visit("incidents_incident_changelist")
    rosa.reads(case.reference)
    rosa.shoot("01-case-list")
    rosa.case(case)
    rosa.press("Take the lead")
    rosa.shoot("02-case-opened-by-alert")


def contain(rosa: Person, case: Incident) -> None:
    extension = case.extensions.get()
    rosa.case(case)
    rosa.press("Complete CONTAIN")
    rosa.reads("CONTAIN was not completed")
    rosa.shoot("03-contain-refused")
    rosa.case(case, "policy")
    rosa.fill_in(
        f"Kill {extension.extension_id}",
        "Activate the kill switch",
        reason="It got hold of a credential.",
    )
    rosa.reads("Kill ordered, not confirmed")
    order = rosa.page.locator(".po-order form")
    order.locator("[name=means]").fill("pi --explain-extension-policy denies all.")
    rosa.press("It took effect", within=order)
    rosa.reads("Kill confirmed")
    rosa.shoot("04-kill-switch-confirmed")
    rosa.case(case)
    state(rosa, "isolation-verified", "I watched the telemetry: no call since.")
    complete(rosa, "CONTAIN")


def collect(
    rosa: Person, case: Incident, bundle: dict[str, Any], worker: LiveWorker
) -> None:
    """Send bundle, settings and explanation in one go, from the page of the case."""
    rosa.page.get_by_role("link", name="Attach evidence").first.click()
    with rosa.page.expect_file_chooser() as chooser:
        rosa.page.click("#id_file")
    chooser.value.set_files(
        [
            json_file("incident-bundle.json", bundle),
            json_file("settings.json", SETTINGS),
            json_file("explanation.json", EXPLANATION),
        ]
    )
    rosa.page.get_by_role("button", name="Add as evidence").click()
    rosa.page.locator("[data-state=received]").nth(2).wait_for()
    rosa.shoot("05-received-in-one-go")
    # The worker answers what it has proved, nobody else: no box is ticked here.
    worker.wait_for(lambda: not open_items(case, "collect", "verify"))
    worker.wait_for(EvidenceReading.objects.exists)
    with rosa.page.expect_navigation():
        rosa.page.get_by_role("link", name="Back to the case").click()
    rosa.shoot("06-collect-answered")
    complete(rosa, "COLLECT")


def verify(rosa: Person) -> None:
    report = VerificationReport.objects.get(item__kind="bundle")
    assert report.is_passing
    rosa.reads("VERIFY checklist")
    rosa.shoot("07-verify-answered")
    complete(rosa, "VERIFY")


def analyze(rosa: Person, case: Incident) -> None:
    rosa.reads("ANALYZE checklist")
    rosa.shoot("08-analyze-findings")
    rosa.press("Confirm the 4 findings shown")
    rosa.reads("4 items are answered with what the evidence says")
    rosa.page.get_by_role("link", name="Open the replay").click()
    rosa.reads("Forensic replay")
    rosa.shoot("09-forensic-replay")
    with rosa.page.expect_navigation():
        rosa.page.get_by_role("link", name="Back to").click()
    row = rosa.page.locator("#condition-root-cause-written")
    row.get_by_text("Make a statement").click()
    # The field that opens has the cursor; before that, letters are the page's keys.
    wait_until(
        rosa.page,
        "document.activeElement.matches('#condition-root-cause-written textarea')",
    )
    rosa.page.keyboard.type("The broker's blocklist missed the variable.")
    rosa.press("Record my statement", within=row)
    rosa.shoot("10-analyze-answered")
    complete(rosa, "ANALYZE")


def check_costs(counter: Counter) -> None:
    print(f"\n{counter.table()}")
    assert [cost.phase for cost in counter.costs] == list(AT_MOST)
    for cost in counter.costs:
        clicks, loads = AT_MOST[cost.phase]
        assert 1 <= cost.clicks <= clicks, counter.table()
        assert cost.loads <= loads, counter.table()


def json_file(name: str, document: dict[str, Any]) -> FilePayload:
    """Return a document as the browser's file dialog gives it."""
    data = serialize_document(document)
    return {"name": name, "mimeType": "application/json", "buffer": data}


def remediate(rosa: Person, case: Incident) -> None:
    rosa.case(case, phase="remediate")
    for _ in range(3):
        choice = rosa.page.locator(".cf-choice").filter(has_not_text="Decide again")
        choice.first.locator("summary").click()
        choice.first.locator("[name=reason]").fill("The exposure calls for it.")
        rosa.press("Choose it", within=choice.first)
    act = rosa.page.locator("#actions")
    if not act.locator("[name=description]").is_visible():
        act.locator("summary").click()
    act.locator("[name=kind]").select_option("credential_rotated")
    act.locator("[name=description]").fill("Rotated the credential.")
    act.locator("[name=proof]").fill("The provider's log, 14:02 UTC.")
    rosa.press("Record the action", within=act)
    rosa.shoot("11-remediated")
    complete(rosa, "REMEDIATE")


def write_postmortem(rosa: Person, case: Incident, worker: LiveWorker) -> None:
    rosa.case(case, "postmortem")
    rosa.press("Start the postmortem")
    worker.wait_for(EvidenceReading.objects.exists)
    rosa.page.reload()
    rosa.reads("What the case knows")
    for name, text in WRITTEN.items():
        rosa.page.locator(f"textarea[name={name}]").fill(text)
    saved = rosa.page.locator("[data-saved]")
    saved.filter(has_text=re.compile(r"Draft [2-9]\d*, saved")).wait_for()
    rosa.shoot("12-postmortem-written")
    rosa.visit("incidents_actionitem_new", case.pk)
    form = rosa.page.locator("form", has_text="Add the action item")
    form.locator("[name=text]").fill("Review the allowlist every quarter")
    form.locator("[name=item_type]").select_option("preventative")
    form.locator("[name=due_on]").fill("2999-01-31")
    form.locator("[name=ticket]").fill("bd-2kle2")
    rosa.press("Add the action item")
    rosa.shoot("13-postmortem-draft")
    rosa.press("Submit for review")
    rosa.reads("is submitted: a reviewer can sign it now")
    assert rosa.page.get_by_role("button", name="Sign").count() == 0
    rosa.shoot("14-postmortem-submitted")


def sign(remy: Person, case: Incident, worker: LiveWorker) -> None:
    remy.case(case, "postmortem")
    with remy.page.expect_navigation():
        remy.page.get_by_role("link", name="Review the postmortem").click()
    remy.reads("node-tools read a")
    remy.shoot("15-postmortem-review")
    remy.page.locator("summary").filter(has_text="Sign").click()
    remy.press("Yes, sign version 1")
    remy.reads("Signed by reviewer")
    worker.wait_for(CaseArchive.objects.filter(state=WorkState.DONE).exists)
    remy.page.reload()
    remy.reads("Archived as evidence")
    remy.shoot("16-postmortem-signed")
    remy.page.emulate_media(color_scheme="dark")
    remy.shoot("17-postmortem-signed-dark")
    remy.page.set_viewport_size({"width": 390, "height": 844})
    assert remy.page.evaluate("document.documentElement.scrollWidth") <= 390
    remy.shoot("18-postmortem-signed-phone")
    remy.page.set_viewport_size({"width": 1280, "height": 900})
    remy.page.emulate_media(color_scheme="light", media="print")
    remy.shoot("19-postmortem-print")
    remy.page.emulate_media(media="screen")


def close(rosa: Person, case: Incident) -> None:
    rosa.case(case, phase="postmortem")
    complete(rosa, "POSTMORTEM")
    opener = rosa.page.locator("summary").filter(has_text="Close the case")
    opener.click()
    form = rosa.page.locator("details[open] form", has_text="Close the case")
    form.locator("[name=resolution]").select_option("true_positive")
    for name in ("functional_impact", "information_impact"):
        form.locator(f"[name={name}]").select_option(index=1)
    rosa.press("Close the case", within=form)
    rosa.reads(f"{case.reference} is closed")
    rosa.shoot("20-case-closed")


def look_and_change_nothing(ada: Person, case: Incident) -> None:
    """Every page opens for the auditor; no form but search and log-out is there."""
    postmortem = Postmortem.objects.get(cycle__incident=case)
    entries = AuditEntry.objects.filter(stream=incident_stream(case.pk)).count()
    tabs = ("checklist", "timeline", "evidence", "policy", "alerts", "postmortem")
    for tab in tabs:
        ada.case(case, tab)
        ada.reads(case.reference)
        assert changing_forms(ada) == [], tab
    ada.case(case, "history")
    ada.reads("Postmortem signed")
    ada.shoot("21-auditor-history")
    ada.visit("incidents_postmortem_change", postmortem.pk)
    ada.reads("Signed by reviewer")
    assert changing_forms(ada) == []
    ada.shoot("22-auditor-postmortem")
    refused = ada.page.request.post(
        f"{ada.base}/admin/incidents/postmortem/{postmortem.pk}/do/take-up/",
        form={"reason": "x", "csrfmiddlewaretoken": csrf_token(ada)},
        headers={"Referer": ada.base},
    )
    assert refused.status == 403
    again = AuditEntry.objects.filter(stream=incident_stream(case.pk)).count()
    assert again == entries


def check_what_is_left(case: Incident) -> None:
    case.refresh_from_db()
    assert case.status == "closed"
    phases = case.current_cycle.phases.all()
    assert all(phase.completed_at for phase in phases)
    assert not any(phase.waivers.exists() for phase in phases)
    archive = PostmortemArchive.objects.get()
    version = archive.review.version
    document = json.loads(read_verified(archive.json_item.sha256_hex))
    assert hash_value(document) == archive.review.content_sha256
    assert document["sections"]["root_cause"] == WRITTEN["root_cause"]
    assert document["facts"]["findings"]
    assert version.submitted_by.get_username() == "responder"
    assert archive.review.reviewer.get_username() == "reviewer"


def state(rosa: Person, condition: str, text: str) -> None:
    """Send a condition's form from the gate."""
    row = rosa.page.locator(f"#condition-{condition}")
    field = row.locator("textarea[name=statement]")
    if not field.is_visible():
        row.get_by_text("Make a statement").click()
    field.fill(text)
    rosa.press("Record my statement", within=row)


def complete(rosa: Person, phase: str) -> None:
    """Complete the phase that the page shows."""
    rosa.press(f"Complete {phase}")
    rosa.reads(f"{phase} is complete.")


def open_items(case: Incident, *phases: str) -> list[str]:
    """Return the required items of some phases that nobody answered yet."""
    items = case.current_cycle.checklist.filter(
        phase__in=phases, required=True, state="open"
    )
    return list(items.values_list("key", flat=True))


def csrf_token(somebody: Person) -> str:
    cookies = somebody.page.context.cookies()
    return next(cookie["value"] for cookie in cookies if "csrf" in cookie["name"])


def changing_forms(somebody: Person) -> list[str]:
    """Return where the page's forms post to, but for leaving and the theme."""
    actions = somebody.page.locator("form[method=post]").evaluate_all(
        "forms => forms.map(form => form.getAttribute('action') || '')"
    )
    return [action for action in actions if "logout" not in action]
