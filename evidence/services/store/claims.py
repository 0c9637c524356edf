"""Which stored bytes a row has: evidence, and what apps above keep in the store.

Evidence stands below the other apps and cannot ask them. They register here, once,
when the apps start.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from evidence import storage
from evidence.errors import StorageUnavailable
from evidence.models import (
    EvidenceItem,
    StoreCheck,
    UnclaimedBytes,
    UnclaimedChoice,
)

LOCK_NAMESPACE = 0x0CA5EB17
"""Keeps the locks of digests apart from other advisory locks."""
BATCH_SIZE = 1000

Claim = Callable[[], QuerySet[Any, Any]]
"""Returns (digest, when its bytes were hashed on arrival) of the rows that have any."""


def _claim_evidence() -> QuerySet[Any, Any]:
    return EvidenceItem.objects.order_by().values_list("sha256_hex", "received_at")


_claims: list[Claim] = [_claim_evidence]


def claim_stored_bytes(claim: Claim) -> None:
    """Have the bytes of these rows checked, backed up, and never called unclaimed."""
    if claim not in _claims:
        _claims.append(claim)


def find_claimed(digests: Collection[str]) -> set[str]:
    """Return those of the digests that a row has."""
    return {
        digest
        for claim in _claims
        for digest, _ in claim().filter(sha256_hex__in=digests)
    }


def is_claimed(sha256_hex: str) -> bool:
    return bool(find_claimed([sha256_hex]))


def list_claimed() -> Iterator[str]:
    """Yield every digest that a row has, each once, in order."""
    found: set[str] = set()
    for claim in _claims:
        found.update(digest for digest, _ in claim().iterator(BATCH_SIZE))
    yield from sorted(found)


def enrol_bytes() -> int:
    """Give each digest that has none its place in the schedule; return how many."""
    known = set(StoreCheck.everything.values_list("sha256_hex", flat=True))
    fresh = {
        digest: StoreCheck(sha256_hex=digest, checked_at=arrived_at)
        for claim in _claims
        for digest, arrived_at in claim().iterator(BATCH_SIZE)
        if digest not in known
    }
    StoreCheck.everything.bulk_create(
        fresh.values(), ignore_conflicts=True, batch_size=BATCH_SIZE
    )
    return len(fresh)


def claim_bytes(sha256_hex: str, *, now: dt.datetime | None = None) -> None:
    """Make sure of bytes that a row is about to name, inside its transaction.

    A removal of unclaimed bytes holds the same lock: it finds the row, or has removed
    the bytes before. Raise StorageUnavailable where the bytes are gone meanwhile.
    """
    lock_bytes(sha256_hex)
    # What another row has is never removed; whether it is sound is another question.
    if not is_claimed(sha256_hex) and not storage.is_stored(sha256_hex):
        raise StorageUnavailable(
            "The bytes were removed from the store in this very moment. Send them "
            "again."
        )
    moment = now or timezone.now()
    StoreCheck.everything.bulk_create(
        [StoreCheck(sha256_hex=sha256_hex, checked_at=moment)], ignore_conflicts=True
    )
    UnclaimedBytes.objects.filter(sha256_hex=sha256_hex, choice="").update(
        choice=UnclaimedChoice.CLAIMED, chosen_at=moment
    )


def lock_bytes(sha256_hex: str) -> None:
    """Hold the lock of a digest until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))",
            [LOCK_NAMESPACE, sha256_hex],
        )
