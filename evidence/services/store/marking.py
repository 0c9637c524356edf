"""Whether the store is the one that this database's evidence is in."""

from __future__ import annotations

import uuid

from django.db import connection, transaction
from django.utils import timezone

from evidence import storage
from evidence.audit.history import record_entry
from evidence.errors import StoreNotReady
from evidence.models import EvidenceItem, StoreMark

LOCK_KEY = 0x0CA5E570
SAMPLE = 5
"""How many items say whether evidence of an older version is in a store."""


def settle_store() -> str:
    """Return the ID of the store; mark one that has none and lacks no evidence.

    Raise StoreNotReady for a folder or bucket that is not this installation's store.
    """
    found, noted = storage.read_mark(), StoreMark.objects.first()
    if found and noted and found == str(noted.store_id):
        return found
    return _settle()


@transaction.atomic
def _settle() -> str:
    # Web and workers of a new installation come here at once. There is no row to lock
    # yet, so they take turns by number: the second finds the mark of the first.
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
    noted = StoreMark.objects.first()
    found = storage.read_mark()
    if found is None:
        if noted is not None or not _has_its_evidence():
            raise StoreNotReady(storage.UNMARKED)
        found = storage.write_mark(str(uuid.uuid4()))
    if noted is None:
        return _note(found)
    if found != str(noted.store_id):
        raise StoreNotReady(
            f"The evidence store is {found}, and this database's evidence is in the "
            f"store {noted.store_id}. Correct EVIDENCE_ROOT or DATABASE_URL; after "
            "moving evidence on purpose, run `manage.py verify_store --adopt`."
        )
    return found


@transaction.atomic
def adopt_store() -> str:
    """Take the store for this database's own, as an administrator says it is."""
    found = storage.read_mark() or storage.write_mark(str(uuid.uuid4()))
    noted = StoreMark.objects.first()
    return found if noted and str(noted.store_id) == found else _note(found)


def check_store() -> str:
    """Make sure of the store and its answers, for a probe.

    A probe writes no row: the mark is noted by the next standing verification.
    """
    found, noted = storage.read_mark(), StoreMark.objects.first()
    if found is None or (noted and found != str(noted.store_id)):
        settle_store()
    storage.probe()
    return "is marked, spools and reads"


def _note(store_id: str) -> str:
    mark = StoreMark.objects.create(
        store_id=uuid.UUID(store_id), noted_at=timezone.now()
    )
    record_entry(
        action="store.noted", actor=None, obj=mark, after={"store_id": store_id}
    )
    return store_id


def _has_its_evidence() -> bool:
    """Return whether the store has evidence where the database says that there is."""
    newest = EvidenceItem.objects.order_by("-id").values_list("sha256_hex", flat=True)
    sample = list(newest[:SAMPLE])
    return not sample or any(storage.is_stored(sha256_hex) for sha256_hex in sample)
