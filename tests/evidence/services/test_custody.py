import datetime as dt

import pytest
from django.db import DatabaseError, connection

from evidence import storage
from evidence.errors import EvidenceMissing, PermissionRefused
from evidence.models import AuditEntry, Channel, CustodyEvent, CustodyKind, EvidenceItem
from evidence.services import open_download, record_viewing
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


def test_download_of_missing_bytes_records_nothing(item, auditor, evidence_folder):
    (evidence_folder / storage.key_of(item.sha256_hex)).unlink()
    with pytest.raises(EvidenceMissing):
        open_download(item_id=item.pk, actor=auditor, channel=Channel.ADMIN)
    assert not item.custody_events.filter(kind=CustodyKind.DOWNLOADED).exists()


@pytest.mark.parametrize("person", ["administrator", "machine", "outsider"])
def test_who_may_not_download_is_refused(item, request, person):
    actor = request.getfixturevalue(person)
    with pytest.raises(PermissionRefused, match="download_evidenceitem"):
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
