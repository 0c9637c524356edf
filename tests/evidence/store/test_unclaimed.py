"""Bytes without a row: found, and kept or removed only as somebody says."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os

import pytest
from django.apps import apps
from django.utils import timezone

from evidence import storage
from evidence.errors import HealthWarning
from evidence.models import AuditEntry, UnclaimedBytes
from evidence.services.store import checks, claims, unclaimed
from incidents.models import PostmortemPdf
from incidents.services.postmortems.pdfs import request_pdf, run_pdf
from tests.evidence.helpers import receive
from tests.factories import make_evidence, make_incident
from tests.incidents.postmortem.cases import make_case, make_version

pytestmark = pytest.mark.django_db
DATA = b"bytes whose row was never written"
DIGEST = hashlib.sha256(DATA).hexdigest()


def leave_bytes(folder, *, days: float = 2) -> None:
    """Store bytes as an upload does that is killed before its row."""
    with storage.receive_stream(io.BytesIO(DATA)) as incoming:
        incoming.keep()
    moment = timezone.now().timestamp() - days * 86400
    os.utime(folder / storage.key_of(DIGEST), (moment, moment))


def test_bytes_without_a_row_are_found_after_a_day(evidence_folder):
    storage.probe()
    make_evidence(make_incident(), now=timezone.now())
    leave_bytes(evidence_folder, days=0.9)
    assert unclaimed.sweep_unclaimed() == 0
    leave_bytes(evidence_folder, days=1.1)
    assert unclaimed.sweep_unclaimed() == 1
    assert unclaimed.sweep_unclaimed() == 0
    (row,) = unclaimed.list_waiting()
    assert (row.sha256_hex, row.size_bytes) == (DIGEST, len(DATA))
    assert storage.is_stored(DIGEST)
    with pytest.raises(HealthWarning, match="1 stored files belong to no row"):
        checks.read_store_health()


def test_what_is_kept_is_not_reported_again(evidence_folder, reviewer):
    leave_bytes(evidence_folder)
    unclaimed.sweep_unclaimed()
    assert unclaimed.keep_unclaimed(unclaimed.list_waiting(), actor=reviewer) == 1
    assert unclaimed.sweep_unclaimed() == 0
    assert storage.is_stored(DIGEST)
    entry = AuditEntry.objects.get(action="unclaimed_bytes.kept")
    assert entry.actor == reviewer
    assert entry.after["sha256_hex"] == DIGEST


def test_what_is_removed_is_gone_and_recorded(evidence_folder):
    leave_bytes(evidence_folder)
    unclaimed.sweep_unclaimed()
    assert unclaimed.remove_unclaimed(unclaimed.list_waiting(), actor=None) == 1
    assert not storage.is_stored(DIGEST)
    assert AuditEntry.objects.filter(action="unclaimed_bytes.removed").exists()
    assert unclaimed.sweep_unclaimed() == 0


def test_bytes_that_a_row_came_to_have_are_not_removed(evidence_folder):
    leave_bytes(evidence_folder)
    unclaimed.sweep_unclaimed()
    waiting = unclaimed.list_waiting()
    receive(make_incident().pk, DATA, "log.txt")
    assert UnclaimedBytes.objects.get().choice == "claimed"
    assert unclaimed.remove_unclaimed(waiting, actor=None) == 0
    assert storage.is_stored(DIGEST)


def test_who_may_not_verify_may_not_choose(evidence_folder, auditor):
    leave_bytes(evidence_folder)
    unclaimed.sweep_unclaimed()
    for choose in (unclaimed.keep_unclaimed, unclaimed.remove_unclaimed):
        with pytest.raises(Exception, match="may not do this"):
            choose(unclaimed.list_waiting(), actor=auditor)
    assert storage.is_stored(DIGEST)


def test_pdfs_of_postmortems_have_a_row(evidence_folder, reviewer):
    version = make_version(make_case())
    pdf = run_pdf(pdf_id=request_pdf(actor=reviewer, version_id=version.pk).pk)
    assert isinstance(pdf, PostmortemPdf)
    old = timezone.now() - dt.timedelta(days=3)
    path = evidence_folder / storage.key_of(pdf.sha256_hex)
    os.utime(path, (old.timestamp(), old.timestamp()))
    assert unclaimed.sweep_unclaimed() == 0
    path.unlink()
    assert not checks.check_bytes(pdf.sha256_hex)


def test_every_row_that_names_stored_bytes_claims_them():
    """A new table of digests must say so, or its files would be called unclaimed."""
    about_the_store = {"StoreCheck", "StoreFault", "UnclaimedBytes"}
    # Digests of a code, and of rows that are gone: nothing is stored under them.
    of_something_else = {"RecoveryCode", "Tombstone"}
    named = {
        model
        for model in apps.get_models()
        if any(field.name == "sha256_hex" for field in model._meta.fields)
        and model.__name__ not in about_the_store | of_something_else
    }
    assert {claim().model for claim in claims._claims} == named
