"""Sound bytes that are sent again put a damage right, and the history says so."""

from __future__ import annotations

import pytest
from django.utils import timezone

from evidence import storage
from evidence.models import AuditEntry, CustodyKind, StoreFault
from evidence.services import run_verification
from evidence.services.store import checks
from tests.evidence.helpers import read_vector, receive
from tests.evidence.store.spoiling import DAMAGES, alter, path_of
from tests.factories import make_evidence, make_incident

pytestmark = [pytest.mark.django_db, pytest.mark.long]


@pytest.fixture
def item():
    return make_evidence(make_incident(), now=timezone.now())


@pytest.mark.parametrize("found_before", [True, False])
@pytest.mark.parametrize(("damage", "kind"), DAMAGES.items())
def test_the_same_bytes_heal_an_item(item, evidence_folder, damage, kind, found_before):
    damage(evidence_folder, item)
    if found_before:
        checks.check_bytes(item.sha256_hex)
    again = receive(item.incident_id, read_vector("plain"))
    assert again == item
    storage.require_intact(item.sha256_hex)
    fault = StoreFault.objects.get()
    assert (fault.kind, fault.ending) == (kind, "repaired")
    kinds = list(item.custody_events.order_by("id").values_list("kind", flat=True))
    assert kinds.index(CustodyKind.DAMAGED) < kinds.index(CustodyKind.REPAIRED)
    request = item.verification_requests.latest("id")
    assert run_verification(request_id=request.pk).outcome == "verified"


def test_what_was_damaged_is_kept_and_named(item, evidence_folder):
    alter(evidence_folder, item)
    damaged = path_of(evidence_folder, item).read_bytes()
    receive(item.incident_id, read_vector("plain"))
    key = StoreFault.objects.get().ending_detail.rpartition(" as ")[2].rstrip(".")
    assert (evidence_folder / key).read_bytes() == damaged


def test_bytes_sent_to_one_case_heal_the_items_of_all(item, evidence_folder):
    other = make_evidence(make_incident(), now=timezone.now())
    assert other.sha256_hex == item.sha256_hex
    alter(evidence_folder, item)
    receive(make_incident().pk, read_vector("plain"))
    for one in (item, other):
        actions = AuditEntry.objects.filter(stream=f"incident:{one.incident_id}")
        assert actions.filter(action="evidence.damaged").count() == 1
        assert actions.filter(action="evidence.repaired").count() == 1


def test_sending_sound_bytes_again_is_no_repair(item):
    receive(item.incident_id, read_vector("plain"))
    assert not StoreFault.objects.exists()
    assert not item.custody_events.filter(kind=CustodyKind.REPAIRED).exists()


def test_other_bytes_heal_nothing(item, evidence_folder):
    alter(evidence_folder, item)
    checks.check_bytes(item.sha256_hex)
    receive(item.incident_id, read_vector("tampered-count"), "other.json")
    assert StoreFault.objects.get().is_standing
