"""Faults of the store: noted once, told to people, ended when the bytes are sound."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from evidence.audit.history import SYSTEM_STREAM, incident_stream, record_entry
from evidence.models import (
    Channel,
    CustodyKind,
    EvidenceItem,
    FaultEnding,
    FaultKind,
    StoreFault,
)
from evidence.queue.sending import queue_on_commit
from evidence.services.custody import record_custody
from evidence.services.store.claims import lock_bytes
from evidence.services.verification import request_verifications
from evidence.storage import Incoming, Keeping, Kept

FOLLOW_FAULTS = "incidents.follow_store_faults"
"""Opens a case and tells people; the app of cases has the task."""


@transaction.atomic
def note_fault(
    sha256_hex: str, kind: FaultKind, detail: str, *, now: dt.datetime | None = None
) -> StoreFault | None:
    """Note that stored bytes are damaged or missing; None where that is known.

    Each item that has the bytes says so in its chain of custody, its case in its
    history, and its content is verified again, so that no page calls it sound.
    """
    lock_bytes(sha256_hex)
    standing = StoreFault.everything.standing().filter(sha256_hex=sha256_hex).first()
    if standing is not None:
        return None
    return _note(sha256_hex, kind, detail, now or timezone.now())


@transaction.atomic
def end_fault(
    sha256_hex: str,
    ending: FaultEnding,
    detail: str = "",
    *,
    now: dt.datetime | None = None,
) -> bool:
    """End the standing fault of bytes that were just found sound; tell if there was."""
    lock_bytes(sha256_hex)
    moment = now or timezone.now()
    fault = StoreFault.everything.standing().filter(sha256_hex=sha256_hex).first()
    if fault is None:
        return False
    StoreFault.everything.filter(pk=fault.pk).update(
        ended_at=moment, ending=ending, ending_detail=detail
    )
    items = _items_of(sha256_hex)
    _record(fault, items, CustodyKind.REPAIRED, "evidence.repaired", detail, moment)
    _verify_again(items, moment)
    return True


def keep_received(incoming: Incoming, *, now: dt.datetime | None = None) -> None:
    """Keep received bytes; where they put right what was damaged, that is recorded.

    Before the rows that name them: a row always has its bytes.
    """
    keeping = incoming.keep()
    moment = now or timezone.now()
    if keeping.how is Kept.NEW and not _items_of(incoming.sha256_hex):
        return
    if keeping.how is not Kept.PRESENT:
        _note_repair(incoming.sha256_hex, keeping, moment)
    elif (
        StoreFault.everything.standing().filter(sha256_hex=incoming.sha256_hex).exists()
    ):
        # Keeping has just hashed them.
        end_fault(incoming.sha256_hex, FaultEnding.SOUND_AGAIN, now=moment)


@transaction.atomic
def _note_repair(sha256_hex: str, keeping: Keeping, now: dt.datetime) -> None:
    """Record a repair, and first the fault, where nobody had found it before."""
    if keeping.how is Kept.REPAIRED:
        kind, why = FaultKind.DAMAGED, "The stored bytes did not hash to their digest"
        kept = f"The damaged bytes are kept in the store as {keeping.damaged_key}."
    else:
        kind, why = FaultKind.MISSING, "The store had no bytes under the digest"
        kept = ""
    note_fault(sha256_hex, kind, f"{why} when the same bytes were sent again.", now=now)
    detail = f"The same bytes were sent again and put in place. {kept}".strip()
    end_fault(sha256_hex, FaultEnding.REPAIRED, detail, now=now)


def _note(
    sha256_hex: str, kind: FaultKind, detail: str, now: dt.datetime
) -> StoreFault:
    fault = StoreFault.everything.create(
        sha256_hex=sha256_hex, kind=kind, found_at=now, detail=detail
    )
    items = _items_of(sha256_hex)
    _record(fault, items, CustodyKind.DAMAGED, "evidence.damaged", detail, now)
    _verify_again(items, now)
    queue_on_commit(FOLLOW_FAULTS)
    return fault


def _items_of(sha256_hex: str) -> list[EvidenceItem]:
    return list(EvidenceItem.objects.filter(sha256_hex=sha256_hex).order_by("pk"))


def _record(
    fault: StoreFault,
    items: Sequence[EvidenceItem],
    kind: CustodyKind,
    action: str,
    detail: str,
    now: dt.datetime,
) -> None:
    for item in items:
        record_custody(
            item, kind, actor=None, channel=Channel.WORKER, detail=detail, now=now
        )
    record_entry(
        streams=[
            SYSTEM_STREAM,
            *(incident_stream(item.incident_id) for item in items),
        ],
        action=action,
        actor=None,
        obj=fault,
        reason=detail,
        after={
            "sha256_hex": fault.sha256_hex,
            "kind": str(fault.kind),
            "items": [item.pk for item in items],
        },
        now=now,
    )


def _verify_again(items: Sequence[EvidenceItem], now: dt.datetime) -> None:
    request_verifications(item_ids=[item.pk for item in items], actor=None, now=now)
