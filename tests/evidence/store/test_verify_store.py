"""`manage.py verify_store`: all at once, with an exit code that a script can act on."""

from __future__ import annotations

import json
import shutil
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from evidence import storage
from evidence.models import StoreFault
from tests.evidence.store.spoiling import DAMAGES, delete
from tests.evidence.store.test_unclaimed import DIGEST, leave_bytes
from tests.factories import make_evidence, make_incident

pytestmark = [pytest.mark.django_db, pytest.mark.long]


@pytest.fixture
def item():
    return make_evidence(make_incident(), now=timezone.now())


def verify(*words: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it wrote."""
    out = StringIO()
    try:
        call_command("verify_store", *words, stdout=out)
    except SystemExit as ending:
        return int(ending.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_a_sound_store_is_0(item):
    assert verify() == (0, "1 stored file: all sound\n")


@pytest.mark.parametrize(("damage", "kind"), DAMAGES.items())
def test_a_damage_is_1_and_named(item, evidence_folder, damage, kind):
    damage(evidence_folder, item)
    for _ in range(2):
        code, out = verify()
        assert code == 1
        assert f"fault {item.sha256_hex} {kind}: item {item.pk} of " in out
        assert item.incident.reference in out
        assert "1 stored file: 1 not sound" in out
    assert StoreFault.objects.count() == 1


def test_it_reads_what_was_read_a_moment_ago(item, evidence_folder):
    assert verify()[0] == 0
    delete(evidence_folder, item)
    assert verify()[0] == 1


def test_bytes_without_a_row_are_1_until_somebody_chooses(item, evidence_folder):
    leave_bytes(evidence_folder)
    code, out = verify()
    assert code == 1
    assert f"unclaimed {DIGEST} found: " in out
    assert storage.is_stored(DIGEST)
    code, out = verify("--keep-unclaimed")
    assert (code, f"unclaimed {DIGEST} kept" in out) == (0, True)
    assert storage.is_stored(DIGEST)
    assert verify()[0] == 0


def test_bytes_without_a_row_are_removed_on_request(item, evidence_folder):
    leave_bytes(evidence_folder)
    code, out = verify("--remove-unclaimed")
    assert (code, f"unclaimed {DIGEST} removed" in out) == (0, True)
    assert not storage.is_stored(DIGEST)
    assert verify() == (0, "1 stored file: all sound\n")


def test_an_upload_in_hand_is_not_removed(item, evidence_folder):
    leave_bytes(evidence_folder, days=0)
    assert verify("--remove-unclaimed")[0] == 0
    assert storage.is_stored(DIGEST)


def test_a_store_that_is_gone_is_2_and_no_fault(item, evidence_folder):
    shutil.rmtree(evidence_folder)
    with pytest.raises(CommandError, match="not mounted") as refused:
        verify()
    assert refused.value.returncode == 2
    assert not StoreFault.objects.exists()


def test_a_moved_store_is_adopted_on_request(item, evidence_folder):
    assert verify()[0] == 0
    (evidence_folder / storage.MARK).unlink()
    with pytest.raises(CommandError):
        verify()
    assert verify("--adopt")[0] == 0
    assert verify()[0] == 0


def test_findings_as_json(item, evidence_folder):
    delete(evidence_folder, item)
    leave_bytes(evidence_folder)
    code, out = verify("--json")
    fault, unclaimed, total = map(json.loads, out.splitlines())
    assert code == 1
    assert (fault["fault"], fault["state"]) == (item.sha256_hex, "missing")
    assert (unclaimed["unclaimed"], unclaimed["state"]) == (DIGEST, "found")
    assert total == {"checked": 1, "faulty": 1, "unclaimed": 1}
