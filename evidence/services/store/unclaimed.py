"""Bytes without a row: a process was killed after the file and before its row."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Collection, Iterator
from itertools import islice

from django.db import transaction
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import record_entry
from evidence.models import UnclaimedBytes, UnclaimedChoice
from evidence.services.store.claims import (
    BATCH_SIZE,
    enrol_bytes,
    find_claimed,
    is_claimed,
    lock_bytes,
)

log = logging.getLogger(__name__)

CHOICE_ACTIONS = {
    UnclaimedChoice.KEPT: "unclaimed_bytes.kept",
    UnclaimedChoice.REMOVED: "unclaimed_bytes.removed",
    UnclaimedChoice.CLAIMED: "unclaimed_bytes.claimed",
}
SETTLED_AFTER = dt.timedelta(days=1)
"""An upload in hand has its file before its row; after this time it is no more."""


def sweep_unclaimed(*, now: dt.datetime | None = None) -> int:
    """Note stored bytes that no row has a day later; return how many are new.

    Nothing is removed: after a database was restored from an older backup, such bytes
    are evidence whose rows are lost.
    """
    moment = now or timezone.now()
    enrol_bytes()
    known = set(
        UnclaimedBytes.objects.filter(
            choice__in=("", UnclaimedChoice.KEPT)
        ).values_list("sha256_hex", flat=True)
    )
    fresh = [
        UnclaimedBytes(
            sha256_hex=blob.sha256_hex,
            size_bytes=blob.size_bytes,
            stored_at=blob.modified_at,
            found_at=moment,
        )
        for blob in find_unclaimed()
        if blob.modified_at < moment - SETTLED_AFTER and blob.sha256_hex not in known
    ]
    UnclaimedBytes.objects.bulk_create(fresh, ignore_conflicts=True)
    if fresh:
        log.warning("%d stored files belong to no row", len(fresh))
    return len(fresh)


def find_unclaimed() -> Iterator[storage.StoredObject]:
    """Yield stored bytes that no row has, those of uploads in hand among them."""
    stored = storage.list_stored()
    while batch := list(islice(stored, BATCH_SIZE)):
        claimed = find_claimed([blob.sha256_hex for blob in batch])
        for blob in batch:
            if blob.sha256_hex not in claimed | {storage.PROBE_SHA256}:
                yield blob


def list_waiting() -> list[UnclaimedBytes]:
    """Return the noted bytes that wait for a choice, oldest first."""
    return list(UnclaimedBytes.objects.filter(choice="").order_by("id"))


@transaction.atomic
def keep_unclaimed(
    rows: Collection[UnclaimedBytes], *, actor: Actor, now: dt.datetime | None = None
) -> int:
    """Leave bytes where they are and speak of them no more; return how many."""
    require_permission(actor, "evidence.verify_evidenceitem")
    moment = now or timezone.now()
    return sum(_choose(row, UnclaimedChoice.KEPT, actor, moment) for row in rows)


def remove_unclaimed(
    rows: Collection[UnclaimedBytes], *, actor: Actor, now: dt.datetime | None = None
) -> int:
    """Remove bytes that no row has come to have meanwhile; return how many."""
    require_permission(actor, "evidence.verify_evidenceitem")
    moment = now or timezone.now()
    return sum(_remove(row, actor, moment) for row in rows)


@transaction.atomic
def _remove(row: UnclaimedBytes, actor: Actor, now: dt.datetime) -> bool:
    # A service that adds a row for these bytes waits for this lock, then looks.
    lock_bytes(row.sha256_hex)
    if is_claimed(row.sha256_hex):
        _choose(row, UnclaimedChoice.CLAIMED, actor, now)
        return False
    removed = _choose(row, UnclaimedChoice.REMOVED, actor, now)
    if removed:
        storage.remove_stored(row.sha256_hex)
    return removed


def _choose(
    row: UnclaimedBytes, choice: UnclaimedChoice, actor: Actor, now: dt.datetime
) -> bool:
    chosen = UnclaimedBytes.objects.filter(pk=row.pk, choice="").update(
        choice=choice, chosen_at=now, chosen_by=actor
    )
    if chosen:
        record_entry(
            action=CHOICE_ACTIONS[choice],
            actor=actor,
            obj=row,
            after={"sha256_hex": row.sha256_hex, "size_bytes": row.size_bytes},
            now=now,
        )
    return bool(chosen)
