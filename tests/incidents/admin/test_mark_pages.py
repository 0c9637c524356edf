"""Marks of handling on pages: shown on each, changed from case and item."""

import pytest
from django.urls import reverse

from evidence.audit.log.growing import grow_log
from evidence.handling import Tlp
from evidence.models import AuditEntry, EvidenceItem
from incidents.models import Incident, LooseningRequest
from incidents.services.lifecycle.marks import set_mark
from tests.conftest import make_user as make_person
from tests.factories import make_evidence, make_incident

pytestmark = pytest.mark.long

MARK = '<span class="cf-tlp" data-tlp="{}"'


@pytest.fixture
def case(db):
    return make_incident()


def page_of(case):
    return reverse("admin:incidents_incident_change", args=[case.pk])


def do(client, case, action, **data):
    url = reverse("admin:incidents_incident_do", args=[case.pk, action])
    return client.post(url, data, follow=True)


def shown(client, url):
    return client.get(url).content.decode()


@pytest.mark.parametrize("tlp", [Tlp.AMBER, Tlp.RED])
def test_every_page_of_a_case_shows_its_mark(case, client, responder, tlp):
    item = make_evidence(case)
    if tlp is Tlp.RED:
        set_mark(actor=responder, incident_id=case.pk, tlp=tlp)
    client.force_login(responder)
    pages = [
        page_of(case),
        f"{page_of(case)}?tab=evidence",
        reverse("admin:incidents_incident_changelist"),
        reverse("admin:evidence_evidenceitem_changelist"),
        reverse("admin:evidence_evidenceitem_change", args=[item.pk]),
    ]
    for page in pages:
        assert MARK.format(tlp.value) in shown(client, page), page


def test_a_case_is_marked_from_its_page(case, client, responder):
    client.force_login(responder)
    assert "Marked TLP:RED." in do(client, case, "mark", tlp="red").content.decode()
    assert Incident.objects.get(pk=case.pk).mark is Tlp.RED


def test_an_item_is_marked_from_its_page(case, client, responder):
    item = make_evidence(case)
    page = reverse("admin:evidence_evidenceitem_change", args=[item.pk])
    client.force_login(responder)
    assert 'name="tlp"' in shown(client, page)
    answer = do(client, case, "mark", tlp="red", item=item.pk, next=page)
    assert answer.redirect_chain[-1][0] == page
    assert EvidenceItem.objects.get(pk=item.pk).tlp is Tlp.RED


def test_a_looser_mark_without_a_reason_comes_back_at_its_field(
    case, client, responder
):
    client.force_login(responder)
    answer = do(client, case, "mark", tlp="clear", reason="").content.decode()
    assert "A reason is missing" in answer
    assert not LooseningRequest.objects.exists()


def test_a_reviewer_decides_on_the_page_and_who_asked_withdraws(case, client, reviewer):
    client.force_login(reviewer)
    do(client, case, "mark", tlp="green", reason="It is public.")
    (request,) = LooseningRequest.objects.all()
    own = shown(client, page_of(case))
    assert "Withdraw my request" in own
    assert "Approve the looser mark" not in own
    refused = do(client, case, "approve-mark", request_id=request.pk)
    assert "somebody other than who" in refused.content.decode()
    assert Incident.objects.get(pk=case.pk).mark is Tlp.AMBER

    client.force_login(make_person("second", "reviewer"))
    assert "Approve the looser mark" in shown(client, page_of(case))
    answer = do(client, case, "approve-mark", request_id=request.pk)
    assert "Approved: marked TLP:GREEN." in answer.content.decode()
    assert Incident.objects.get(pk=case.pk).mark is Tlp.GREEN


def test_a_request_for_an_item_is_decided_on_its_page(case, client, responder):
    item = make_evidence(case)
    page = reverse("admin:evidence_evidenceitem_change", args=[item.pk])
    marked = {"actor": responder, "incident_id": case.pk, "item_id": item.pk}
    set_mark(**marked, tlp="red")
    request = set_mark(**marked, tlp="amber", reason="Nothing personal in it.")
    client.force_login(make_person("second", "reviewer"))
    assert "Approve the looser mark" in shown(client, page)
    do(client, case, "decline-mark", request_id=request.pk, reason="It is.", next=page)
    request.refresh_from_db()
    assert request.state == "declined"
    assert EvidenceItem.objects.get(pk=item.pk).tlp is Tlp.RED


def test_a_request_of_another_case_is_not_decided_from_here(case, client, responder):
    request = set_mark(
        actor=responder, incident_id=case.pk, tlp="green", reason="Public."
    )
    client.force_login(make_person("second", "reviewer"))
    answer = do(client, make_incident(), "approve-mark", request_id=request.pk)
    assert answer.status_code == 404
    assert Incident.objects.get(pk=case.pk).mark is Tlp.AMBER


@pytest.mark.parametrize("role", ["auditor", "administrator"])
def test_who_works_no_case_is_offered_no_mark(case, client, request, role):
    client.force_login(request.getfixturevalue(role))
    assert "Mark it" not in shown(client, page_of(case))
    assert do(client, case, "mark", tlp="red").status_code == 403


def test_the_list_of_evidence_is_narrowed_by_the_mark(case, client, responder):
    make_evidence(case)
    other = make_evidence(case, vector="tampered-count")
    set_mark(actor=responder, incident_id=case.pk, tlp="red", item_id=other.pk)
    client.force_login(responder)
    listed = reverse("admin:evidence_evidenceitem_changelist")
    answer = client.get(f"{listed}?tlp=red")
    assert [item.pk for item in answer.context["cl"].result_list] == [other.pk]


def test_the_proof_of_an_entry_of_a_case_is_named_by_its_mark(case, client, auditor):
    grow_log(state_now=True)
    entry = AuditEntry.objects.filter(stream=f"incident:{case.pk}").first()
    client.force_login(auditor)
    url = reverse("admin:evidence_auditentry_prove_entry", args=[entry.pk])
    name = f"entry-{entry.pk}-proof_TLP-AMBER.json"
    assert name in client.get(url)["Content-Disposition"]
