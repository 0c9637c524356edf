"""A store carries its own mark: an empty folder is no store while there is evidence."""

from __future__ import annotations

import json
import shutil
import uuid

import pytest

from evidence import storage
from evidence.errors import StoreNotReady
from evidence.models import EvidenceItem, StoreMark
from evidence.services.store.marking import adopt_store, check_store, settle_store
from tests.evidence.helpers import read_vector, receive
from tests.factories import make_evidence, make_incident

pytestmark = pytest.mark.django_db


def mark_of(folder) -> str:
    return json.loads((folder / storage.MARK).read_text())["store_id"]


def test_first_use_notes_the_mark(evidence_folder):
    assert settle_store() == mark_of(evidence_folder)
    assert settle_store() == mark_of(evidence_folder)
    assert StoreMark.objects.count() == 1


def test_a_new_installation_marks_its_store(evidence_folder):
    shutil.rmtree(evidence_folder)
    assert check_store() == "is marked, spools and reads"
    settle_store()
    assert str(StoreMark.objects.get().store_id) == mark_of(evidence_folder)


def test_a_store_of_an_older_version_is_marked_where_its_evidence_is(evidence_folder):
    make_evidence(make_incident())
    (evidence_folder / storage.MARK).unlink()
    settle_store()
    assert str(StoreMark.objects.get().store_id) == mark_of(evidence_folder)


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_a_store_that_is_gone_is_not_made_anew(evidence_folder, noted, left):
    incident = make_incident()
    make_evidence(incident)
    if noted:
        settle_store()
    shutil.rmtree(evidence_folder)
    if left == "an empty folder":
        evidence_folder.mkdir()
    for use in (check_store, storage.probe, storage.sweep_incoming):
        with pytest.raises(StoreNotReady, match="not mounted"):
            use()
    with pytest.raises(StoreNotReady, match="not mounted"):
        receive(incident.pk, read_vector("tampered-count"))
    assert EvidenceItem.objects.count() == 1
    assert not evidence_folder.exists() or not any(evidence_folder.iterdir())


def test_another_store_is_refused_until_it_is_adopted(evidence_folder):
    make_evidence(make_incident())
    settle_store()
    (evidence_folder / storage.MARK).write_text(
        json.dumps({"store_id": str(uuid.uuid4())})
    )
    with pytest.raises(StoreNotReady, match="verify_store --adopt"):
        settle_store()
    assert adopt_store() == mark_of(evidence_folder)
    assert settle_store() == mark_of(evidence_folder)


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"store_id": "x"}', "\x00"])
def test_a_damaged_mark_says_so(evidence_folder, content):
    (evidence_folder / storage.MARK).write_text(content)
    with pytest.raises(StoreNotReady, match="mark of the evidence store"):
        settle_store()
