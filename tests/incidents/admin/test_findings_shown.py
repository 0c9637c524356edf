"""Findings on the page of their evidence, and the class proposed to a case of none."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from evidence.accounts.access import Role
from evidence.models import EvidenceItem, EvidenceKind
from evidence.services.exports import request_export, run_export
from incidents.models import Incident
from incidents.services.checklists.finding_reviews import (
    confirm_findings,
    findings_of,
    overrule_finding,
)
from incidents.services.findings.gathering import gather_findings
from incidents.services.findings.words import code_of
from incidents.services.lifecycle.shown_classes import propose_class
from incidents.services.playbooks import load_playbook
from incidents.workflow.playbook_document import read_playbook
from tests.factories import (
    NOON,
    built_in_documents,
    make_evidence,
    make_incident,
    make_playbooks,
    make_user,
)
from tests.incidents.findings.bundles import entry, make_bundle
from tests.incidents.services.test_finding_reviews import BUNDLE, DENIED, item_of

pytestmark = [pytest.mark.django_db, pytest.mark.long]
TWO_DENIED = json.dumps(make_bundle([entry(1, **DENIED), entry(2, **DENIED)])).encode()


def page_of(item: EvidenceItem) -> str:
    return reverse("admin:evidence_evidenceitem_change", args=[item.pk])


def case_page(incident: Incident) -> str:
    return reverse("admin:incidents_incident_change", args=[incident.pk])


def get(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def part(html: str, anchor: str) -> str:
    """Return a section of a page by its ID, marks and all; empty where it is not."""
    found = re.search(rf'<section[^>]*id="{anchor}".*?</section>', html, re.S)
    return found[0] if found else ""


def words(html: str) -> str:
    return " ".join(unescape(strip_tags(html)).split())


@pytest.fixture
def incident() -> Incident:
    return make_incident()


@pytest.fixture
def item(incident: Incident) -> EvidenceItem:
    made = make_evidence(incident, content=BUNDLE, name="bundle.json")
    gather_findings(incident_id=incident.pk)
    return made


@pytest.mark.parametrize(
    "role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR]
)
def test_the_page_of_an_item_has_what_it_says(
    client: Client, incident: Incident, item: EvidenceItem, role: Role
) -> None:
    client.force_login(make_user(role))
    shown = part(get(client, page_of(item)), "findings")
    found = findings_of(incident)["identify-exposure"][0]
    assert found.sentence in words(shown)
    assert "found" in words(shown).lower()
    # Red for what was found, calm for what is clear, grey for what nobody can tell.
    tones = set(re.findall(r'class="cf-finding" data-tone="(\w+)"', shown))
    assert tones == {"late", "calm", "quiet"}
    pointer = found.pointers[0]
    assert f"{page_of(item)}?view=replay&amp;call_id={pointer['call_id']}" in shown
    assert f"{case_page(incident)}?phase=analyze" in shown


def test_it_says_who_confirmed_and_who_overruled_why(
    client: Client, incident: Incident, item: EvidenceItem
) -> None:
    who, asked = make_user(), item_of(incident)
    client.force_login(who)
    assert "Confirmed by" not in get(client, page_of(item))
    confirm_findings(actor=who, item_id=asked)
    assert f"Confirmed by {who.username}" in words(get(client, page_of(item)))
    finding = findings_of(incident)["identify-exposure"][0]
    overrule_finding(
        actor=who, item_id=asked, finding_id=finding.pk, reason="A test value."
    )
    shown = words(get(client, page_of(item)))
    assert f"Overruled by {who.username}: A test value." in shown


def test_a_superseded_answer_is_not_shown(
    client: Client, incident: Incident, item: EvidenceItem
) -> None:
    client.force_login(make_user())
    before = findings_of(incident)["identify-exposure"][0].sentence
    other = make_bundle(secret_broker=[])
    make_evidence(incident, content=json.dumps(other).encode(), name="other.json")
    overrule_finding(
        actor=make_user(),
        item_id=item_of(incident),
        finding_id=findings_of(incident)["identify-exposure"][0].pk,
        reason="A test value.",
    )
    gather_findings(incident_id=incident.pk)
    shown = words(part(get(client, page_of(item)), "findings"))
    after = findings_of(incident)["identify-exposure"][0]
    assert after.sentence in shown
    assert shown.count(before) <= shown.count(after.sentence)
    assert "Overruled" not in shown


def test_evidence_that_nobody_read_says_so_and_a_log_says_nothing(
    client: Client, incident: Incident
) -> None:
    client.force_login(make_user())
    waiting = make_evidence(incident, content=BUNDLE, name="b.json", verified=False)
    assert "No worker has read it" in words(get(client, page_of(waiting)))
    log = make_evidence(
        incident, content=b"x", name="a.log", kind=EvidenceKind.LOG, verified=False
    )
    assert part(get(client, page_of(log)), "findings") == ""


def test_an_export_says_that_it_is_never_read(
    client: Client, incident: Incident, item: EvidenceItem
) -> None:
    client.force_login(make_user())
    request = request_export(
        item_id=item.pk,
        filter={},
        redaction={"redact_name_hash": True},
        actor=make_user(),
    )
    done = run_export(request_id=request.pk)
    assert done is not None
    assert done.result is not None
    assert "never read for findings" in words(get(client, page_of(done.result)))


@pytest.fixture
def unclassified() -> Incident:
    """A case of a team's own playbook, whose category is none of the six classes'."""
    _, document = built_in_documents()["INC-2"]
    content = {**document.as_dict(), "code": "TEAM-1", "alert_category": "odd_thing"}
    own = load_playbook(
        read_playbook(content, name="own"), file_name="own.yaml", actor=None, now=NOON
    )
    case = make_incident(playbook_version=own.version)
    assert code_of(case) == ""
    return case


def test_a_case_of_no_class_is_proposed_one_and_reclassified_by_a_button(
    client: Client, unclassified: Incident
) -> None:
    playbooks = make_playbooks()
    assert propose_class(unclassified) is None
    make_evidence(unclassified, content=TWO_DENIED, name="bundle.json")
    gather_findings(incident_id=unclassified.pk)
    proposed = propose_class(unclassified)
    assert proposed is not None
    assert (proposed.code, proposed.version) == ("INC-1", playbooks["INC-1"])
    client.force_login(make_user())
    page = get(client, case_page(unclassified))
    shown = part(page, "proposed-class")
    assert "Proposed class: INC-1" in words(shown)
    assert "2 denied calls executed" in words(shown)
    assert "The evidence also shows INC-1" not in page
    sent = {"version": proposed.version.pk, "reason": proposed.reason}
    assert f'value="{proposed.version.pk}"' in shown
    assert "Reclassify to INC-1" in words(shown)
    do = reverse("admin:incidents_incident_do", args=[unclassified.pk, "reclassify"])
    assert do in shown
    client.post(do, sent)
    unclassified.refresh_from_db()
    assert unclassified.playbook_version == playbooks["INC-1"]
    assert propose_class(unclassified) is None
    assert part(get(client, case_page(unclassified)), "proposed-class") == ""


def test_what_a_person_overruled_proposes_nothing(unclassified: Incident) -> None:
    make_evidence(unclassified, content=TWO_DENIED, name="bundle.json")
    gather_findings(incident_id=unclassified.pk)
    proposed = propose_class(unclassified)
    assert proposed is not None
    for finding in proposed.reasons:
        finding.reviews.create(
            choice="overruled",
            reason="A test.",
            reviewed_at=NOON,
            reviewed_by=make_user(),
        )
    assert propose_class(unclassified) is None


def test_without_its_playbook_a_proposal_has_no_button(
    client: Client, unclassified: Incident
) -> None:
    make_evidence(unclassified, content=TWO_DENIED, name="bundle.json")
    gather_findings(incident_id=unclassified.pk)
    client.force_login(make_user())
    shown = part(get(client, case_page(unclassified)), "proposed-class")
    assert "Its playbook is not loaded" in words(shown)
    assert "<form" not in shown


def test_who_may_not_work_on_cases_sees_the_proposal_without_a_button(
    client: Client, unclassified: Incident
) -> None:
    make_playbooks()
    make_evidence(unclassified, content=TWO_DENIED, name="bundle.json")
    gather_findings(incident_id=unclassified.pk)
    client.force_login(make_user(Role.AUDITOR))
    shown = part(get(client, case_page(unclassified)), "proposed-class")
    assert "Proposed class: INC-1" in words(shown)
    assert "<form" not in shown


def test_a_case_that_has_a_class_is_proposed_none(incident: Incident) -> None:
    make_evidence(incident, content=TWO_DENIED, name="bundle.json")
    gather_findings(incident_id=incident.pk)
    assert propose_class(incident) is None
