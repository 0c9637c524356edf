"""Standing verification: what is stored is read again, and a fault is noted once."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from evidence import storage
from evidence.errors import HealthFailure, HealthWarning, StorageUnavailable
from evidence.models import (
    AuditEntry,
    CustodyKind,
    StoreCheck,
    StoreFault,
    VerificationReport,
)
from evidence.services import run_verification
from evidence.services.store import checks
from tests.evidence.store.spoiling import DAMAGES, alter, delete, path_of
from tests.factories import make_evidence, make_incident

pytestmark = pytest.mark.django_db
LATER = dt.timedelta(days=9)


@pytest.fixture
def item():
    return make_evidence(make_incident(), now=timezone.now())


def check_later(days: float = 8) -> checks.CheckedStore:
    return checks.check_stored_bytes(now=timezone.now() + dt.timedelta(days=days))


def actions_of(item) -> list[str]:
    entries = AuditEntry.objects.filter(stream=f"incident:{item.incident_id}")
    return list(entries.order_by("sequence").values_list("action", flat=True))


@pytest.mark.parametrize(("damage", "kind"), DAMAGES.items())
def test_a_damage_is_found_by_the_schedule_alone(item, evidence_folder, damage, kind):
    damage(evidence_folder, item)
    assert check_later() == checks.CheckedStore(checked=1, faulty=1)
    fault = StoreFault.objects.get()
    assert (fault.sha256_hex, fault.kind) == (item.sha256_hex, kind)
    assert fault.is_standing
    event = item.custody_events.get(kind=CustodyKind.DAMAGED)
    assert event.detail == fault.detail[:300]
    assert "evidence.damaged" in actions_of(item)


def test_a_fault_that_stands_is_not_noted_again(item, evidence_folder):
    alter(evidence_folder, item)
    for days in (8, 16, 24):
        check_later(days)
    assert StoreFault.objects.count() == 1
    assert actions_of(item).count("evidence.damaged") == 1


def test_damaged_content_is_not_called_verified_any_more(item, evidence_folder):
    assert item.reports.latest("id").outcome == "verified"
    alter(evidence_folder, item)
    check_later()
    request = item.verification_requests.latest("id")
    assert run_verification(request_id=request.pk).outcome == "damaged"


def test_bytes_that_are_sound_again_end_the_fault(item, evidence_folder):
    data = path_of(evidence_folder, item).read_bytes()
    delete(evidence_folder, item)
    check_later()
    path_of(evidence_folder, item).write_bytes(data)
    check_later(16)
    fault = StoreFault.objects.get()
    assert not fault.is_standing
    assert fault.get_ending_display() == "A check found the bytes sound again"
    assert item.custody_events.filter(kind=CustodyKind.REPAIRED).exists()
    assert "evidence.repaired" in actions_of(item)


def test_what_was_read_lately_is_left_alone(item):
    assert checks.check_stored_bytes().checked == 0
    assert check_later(5).checked == 0
    assert check_later(6.5).checked == 1
    assert check_later(6.6).checked == 0


def test_the_oldest_is_read_first_and_a_run_ends_in_its_time(item, settings):
    incident = item.incident
    second = make_evidence(incident, vector="tampered-count", now=timezone.now())
    now = timezone.now()
    ages = {item.sha256_hex: 9, second.sha256_hex: 10}
    for sha256_hex, days in ages.items():
        StoreCheck.objects.filter(sha256_hex=sha256_hex).update(
            checked_at=now - dt.timedelta(days=days)
        )
    assert checks.check_stored_bytes(now=now, run_seconds=0).checked == 1
    assert StoreCheck.objects.get(checked_at=now).sha256_hex == second.sha256_hex


def test_a_store_that_is_away_is_no_fault_of_its_bytes(item, evidence_folder):
    moved = evidence_folder.rename(evidence_folder.with_name("unmounted"))
    evidence_folder.mkdir()
    with pytest.raises(StorageUnavailable, match="not mounted"):
        check_later()
    assert not StoreFault.objects.exists()
    assert list(evidence_folder.iterdir()) == []
    evidence_folder.rmdir()
    moved.rename(evidence_folder)
    assert check_later().faulty == 0


def test_one_unreadable_file_does_not_stop_the_others(item, evidence_folder):
    path = path_of(evidence_folder, item)
    path.unlink()
    path.mkdir()
    make_evidence(item.incident, vector="tampered-count", now=timezone.now())
    assert check_later() == checks.CheckedStore(checked=2, faulty=1)
    assert "cannot be read" in StoreFault.objects.get().detail


def test_content_that_an_older_engine_verified_is_verified_again(item, monkeypatch):
    assert checks.verify_outdated_content() == 0
    monkeypatch.setattr(checks, "ENGINE_VERSION", "evidence.format 2.0")
    assert checks.verify_outdated_content() == 1
    # What waits already is not asked for twice.
    assert checks.verify_outdated_content() == 0
    request = item.verification_requests.latest("id")
    assert run_verification(request_id=request.pk) is not None
    assert VerificationReport.objects.filter(item=item).count() == 2


def test_probe_says_how_the_bytes_stand(item, evidence_folder):
    assert checks.read_store_health().startswith("sound, all read since ")
    StoreCheck.objects.update(checked_at=timezone.now() - LATER / 2)
    assert checks.read_store_health().startswith("sound")
    StoreCheck.objects.update(checked_at=timezone.now() - LATER)
    with pytest.raises(HealthWarning, match="1 stored files were not read"):
        checks.read_store_health()
    alter(evidence_folder, item)
    check_later(0)
    with pytest.raises(HealthFailure, match="1 digests are damaged"):
        checks.read_store_health()


def test_the_probe_file_is_none_of_the_schedule(item):
    storage.probe()
    assert check_later().checked == 1
