import datetime as dt

import pytest
from django.db import DatabaseError, connection
from django.http import StreamingHttpResponse

from evidence import storage
from evidence.errors import EvidenceDamaged, EvidenceMissing, PermissionRefused
from evidence.models import (
    AuditEntry,
    Channel,
    CustodyEvent,
    CustodyKind,
    EvidenceItem,
    Outcome,
    WorkState,
)
from evidence.services import open_download, record_viewing, run_verification
from evidence.services.custody import VIEWING_WINDOW
from tests.evidence.helpers import receive
from tests.factories import NOON, make_incident


@pytest.fixture
def item(db):
    return receive(make_incident().pk, b"log line", "runtime.log")


def look(item, actor, minutes=0, ip_address="192.0.2.7"):
    return record_viewing(
        item,
        actor=actor,
        channel=Channel.ADMIN,
        ip_address=ip_address,
        now=NOON + dt.timedelta(minutes=minutes),
    )


def test_viewing_counts_once_per_person_address_and_window(item, responder, reviewer):
    window = VIEWING_WINDOW // dt.timedelta(minutes=1)
    assert look(item, responder) is not None
    assert look(item, responder, minutes=window - 1) is None
    assert look(item, reviewer, minutes=1) is not None
    assert look(item, responder, minutes=2, ip_address="198.51.100.9") is not None
    assert look(item, responder, minutes=window) is not None
    assert item.custody_events.filter(kind=CustodyKind.VIEWED).count() == 4


def test_download_is_recorded_and_gives_the_bytes_received(item, auditor):
    download = open_download(
        item_id=item.pk, actor=auditor, channel=Channel.API, ip_address="192.0.2.7"
    )
    assert b"".join(download.chunks) == b"log line"
    event = item.custody_events.get(kind=CustodyKind.DOWNLOADED)
    assert (event.actor_name, event.ip_address) == ("auditor", "192.0.2.7")
    assert AuditEntry.objects.filter(action="evidence.downloaded").count() == 1


@pytest.mark.parametrize("same_size", [True, False])
def test_damaged_bytes_are_not_handed_out_and_the_history_says_so(
    item, auditor, evidence_folder, same_size
):
    run_verification(request_id=item.verification_requests.get().pk)
    path = evidence_folder / storage.key_of(item.sha256_hex)
    path.chmod(0o600)
    path.write_bytes(b"log lime" if same_size else b"")
    with pytest.raises(EvidenceDamaged, match="changed in the store"):
        open_download(item_id=item.pk, actor=auditor, channel=Channel.ADMIN)
    check_refused(item, "evidence_damaged")


def test_missing_bytes_are_told_in_the_history(item, auditor, evidence_folder):
    run_verification(request_id=item.verification_requests.get().pk)
    (evidence_folder / storage.key_of(item.sha256_hex)).unlink()
    with pytest.raises(EvidenceMissing):
        open_download(item_id=item.pk, actor=auditor, channel=Channel.ADMIN)
    check_refused(item, "evidence_missing")


def check_refused(item, code):
    """Nothing was taken, the history says why, and a new report marks the item."""
    assert not item.custody_events.filter(kind=CustodyKind.DOWNLOADED).exists()
    entry = AuditEntry.objects.get(action="evidence.download_refused")
    assert (entry.after["code"], entry.actor_name) == (code, "auditor")
    request = item.verification_requests.get(state=WorkState.QUEUED)
    report = run_verification(request_id=request.pk)
    assert (report.outcome, report.refusal_code) == (Outcome.DAMAGED, code)


def test_download_that_nobody_reads_is_closed_with_its_answer(item, auditor):
    download = open_download(item_id=item.pk, actor=auditor, channel=Channel.ADMIN)
    response = StreamingHttpResponse(download.chunks)
    response.close()
    with pytest.raises(ValueError, match="closed file"):
        next(iter(download.chunks))


def test_viewing_by_another_door_is_told_apart(item, responder):
    assert look(item, responder) is not None
    by_api = record_viewing(
        item,
        actor=responder,
        channel=Channel.API,
        ip_address="192.0.2.7",
        now=NOON,
    )
    assert by_api is not None


@pytest.mark.parametrize("person", ["administrator", "machine", "outsider"])
def test_who_may_not_download_is_refused(item, request, person):
    actor = request.getfixturevalue(person)
    with pytest.raises(PermissionRefused, match="download evidence"):
        open_download(item_id=item.pk, actor=actor, channel=Channel.ADMIN)


@pytest.mark.parametrize("model", [EvidenceItem, CustodyEvent])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_database_refuses_to_alter_evidence(item, model, statement):
    with connection.cursor() as cursor:
        # Deferred foreign keys checked, so that only the trigger is left to refuse.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(DatabaseError, match=r"append-only|Cannot"):
            cursor.execute(statement.format(model._meta.db_table))
