"""Damaged evidence opens one case of INC-3 and reaches people, once."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest

from evidence.metrics import StoreCollector
from evidence.models import StoreFault
from evidence.services.store import checks
from incidents.models import Incident, Notification
from incidents.services.store_faults import PLAYBOOK, follow_store_faults
from tests.evidence.helpers import read_vector, receive
from tests.evidence.store.spoiling import alter
from tests.factories import (
    close_false_alarm,
    make_evidence,
    make_incident,
    make_playbook,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def item():
    make_playbook(PLAYBOOK)
    return make_evidence(make_incident(), now=timezone.now())


@pytest.fixture
def damaged(item, evidence_folder, django_capture_on_commit_callbacks):
    """Damage an item; return what finding it queued."""
    alter(evidence_folder, item)
    with django_capture_on_commit_callbacks() as callbacks:
        checks.check_bytes(item.sha256_hex)
    return [one.args for one in callbacks]


def cases_about_it():
    return Incident.objects.filter(store_faults__isnull=False).distinct()


def test_a_fault_queues_its_case(damaged):
    assert ("incidents.follow_store_faults", []) in damaged


def test_a_fault_opens_one_case_that_names_it(damaged, item):
    opened = follow_store_faults()
    assert follow_store_faults() is None
    assert opened.playbook_version.playbook.code == PLAYBOOK
    assert opened.source == "self_check"
    assert StoreFault.objects.get().incident == opened
    (entry,) = opened.timeline.filter(kind="alert")
    assert item.sha256_hex in entry.body
    assert item.incident.reference in entry.body


def test_more_faults_join_the_case_while_it_is_open(damaged, item, evidence_folder):
    first = follow_store_faults()
    other = make_evidence(item.incident, vector="tampered-count", now=timezone.now())
    alter(evidence_folder, other)
    checks.check_bytes(other.sha256_hex)
    assert follow_store_faults() == first
    close_false_alarm(first)
    third = make_evidence(item.incident, vector="redacted-full", now=timezone.now())
    alter(evidence_folder, third)
    checks.check_bytes(third.sha256_hex)
    assert follow_store_faults() != first
    assert cases_about_it().count() == 2


def test_a_damage_that_was_healed_at_once_has_its_case_too(item, evidence_folder):
    alter(evidence_folder, item)
    receive(item.incident_id, read_vector("plain"))
    assert follow_store_faults() is not None


def test_those_who_answer_for_evidence_are_told_once(
    damaged, reviewer, auditor, administrator, responder
):
    opened = follow_store_faults()
    follow_store_faults()
    rows = Notification.objects.filter(key__startswith="store-fault:")
    assert {row.recipient for row in rows} == {reviewer, auditor, administrator}
    assert len(rows) == 3
    assert {row.incident for row in rows} == {opened}
    assert rows[0].headline == (
        "One stored file is damaged or missing in the evidence store"
    )


def test_people_are_told_where_the_playbook_is_not_loaded(damaged, auditor):
    Incident.objects.all()
    from incidents.services import store_faults

    store_faults.PLAYBOOK, before = "INC-99", store_faults.PLAYBOOK
    try:
        assert follow_store_faults() is None
    finally:
        store_faults.PLAYBOOK = before
    assert Notification.objects.filter(key__startswith="store-fault:").count() == 1
    # The case is opened as soon as there is a playbook; nobody is told twice.
    assert follow_store_faults() is not None


def test_pages_show_it_until_it_is_healed(damaged, item, client, auditor):
    opened = follow_store_faults()
    client.force_login(auditor)
    pages = {
        "item": reverse("admin:evidence_evidenceitem_change", args=[item.pk]),
        "list": reverse("admin:evidence_evidenceitem_changelist"),
        "case": reverse("admin:incidents_incident_change", args=[item.incident_id])
        + "?tab=evidence",
    }
    start = reverse("admin:index")
    fault = StoreFault.objects.get()
    page = client.get(reverse("admin:evidence_storefault_change", args=[fault.pk]))
    assert opened.reference in page.content.decode()
    for name, address in pages.items():
        shown = client.get(address).content.decode()
        assert "Stored bytes were changed" in shown, name
    assert (
        "Stored evidence files damaged or missing" in client.get(start).content.decode()
    )
    receive(item.incident_id, read_vector("plain"))
    for name, address in pages.items():
        shown = client.get(address).content.decode()
        assert "Stored bytes were changed" not in shown, name
    shown = client.get(start).content.decode()
    assert "Stored evidence files damaged or missing" not in shown


def figures() -> str:
    registry = CollectorRegistry()
    registry.register(StoreCollector())
    return generate_latest(registry).decode()


def test_figures_count_it(item):
    assert 'casefile_store_faults{kind="damaged"} 0.0' in figures()


def test_figures_count_a_fault(damaged):
    assert 'casefile_store_faults{kind="damaged"} 1.0' in figures()
    assert "casefile_store_unclaimed_files 0.0" in figures()


@pytest.mark.django_db(transaction=True)
def test_readyz_is_degraded_by_a_fault(damaged, client, settings):
    settings.READINESS_SECONDS = 0
    part = client.get("/readyz").json()["parts"]["stored_evidence"]
    assert part["status"] == "failing"
    assert client.get("/readyz?strict=1").status_code == 503
