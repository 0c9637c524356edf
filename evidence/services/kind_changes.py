"""Changing what an item is taken for: recorded, and never against its own structure."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.errors import EvidenceConflict, EvidenceError, EvidenceMalformed
from evidence.models import (
    VERIFIABLE_KINDS,
    Channel,
    CustodyKind,
    EvidenceItem,
    EvidenceKind,
    KindChange,
)
from evidence.services.case_locks import lock_case
from evidence.services.custody import record_custody
from evidence.services.documents import recognise
from evidence.services.verification import add_verification_request
from evidence.text import require_text

REASON_LENGTH = 2_000
FOUND_AGAIN = "The same bytes were sent again, and their structure says what they are."


def change_kind(
    *,
    item_id: int,
    kind: EvidenceKind | str,
    reason: str,
    actor: Actor,
    channel: Channel,
    ip_address: str | None = None,
    now: dt.datetime | None = None,
) -> KindChange:
    """Take an item for another kind, with a reason; a bundle or ledger is verified.

    The stored bytes are looked at first. Raise UnreadableDocument where they are to be
    a bundle or ledger and cannot be read as one, EvidenceError where their structure
    says that they are one and they are to be something else, or nothing changes.
    """
    require_permission(actor, "evidence.verify_evidenceitem")
    wanted, why = _require_known(kind), _require_reason(reason)
    item = EvidenceItem.objects.get(pk=item_id)
    with storage.open_intact(item.sha256_hex) as file:
        found = recognise(file, name=item.original_name, declared=wanted).kind
    if found != wanted:
        raise EvidenceConflict(
            f"The content has the structure of this kind: {found.label}. It keeps "
            "that kind, so that it is verified.",
            code="kind_by_structure",
        )
    with transaction.atomic():
        lock_case(item.incident_id, actor)
        item.refresh_from_db()
        if item.kind == wanted:
            raise EvidenceConflict(
                f"The item is of this kind already: {wanted.label}.",
                code="kind_unchanged",
            )
        return _record_change(
            item,
            wanted,
            why,
            actor=actor,
            now=now or timezone.now(),
            channel=channel,
            ip_address=ip_address,
        )


def correct_kind(
    item: EvidenceItem,
    found: EvidenceKind,
    *,
    actor: Actor,
    channel: Channel,
    now: dt.datetime,
) -> None:
    """Make an item the bundle or ledger that it turned out to be, the case locked."""
    if found in VERIFIABLE_KINDS and item.kind != found:
        _record_change(item, found, FOUND_AGAIN, actor=actor, now=now, channel=channel)


def _record_change(
    item: EvidenceItem,
    kind: EvidenceKind,
    reason: str,
    *,
    actor: Actor,
    now: dt.datetime,
    channel: Channel,
    ip_address: str | None = None,
) -> KindChange:
    change = KindChange.objects.create(
        item=item,
        from_kind=item.kind,
        to_kind=kind,
        reason=reason,
        changed_at=now,
        changed_by=actor,
    )
    EvidenceItem.objects.filter(pk=item.pk).update(kind=kind)
    item.kind = kind
    record_custody(
        item,
        CustodyKind.RECLASSIFIED,
        actor=actor,
        channel=channel,
        ip_address=ip_address,
        detail=f"{change}: {reason}",
        now=now,
    )
    record_entry(
        streams=[incident_stream(item.incident_id)],
        action="evidence.kind_changed",
        actor=actor,
        obj=item,
        reason=reason,
        before={"kind": str(change.from_kind)},
        after={"kind": str(change.to_kind)},
        now=now,
    )
    add_verification_request(item, actor=actor, now=now)
    return change


def _require_known(kind: EvidenceKind | str) -> EvidenceKind:
    if kind not in EvidenceKind.values:
        raise EvidenceMalformed(
            f"Choose one of these kinds: {', '.join(EvidenceKind.values)}. Given: "
            f"{kind!r}.",
            code="unknown_kind",
        )
    return EvidenceKind(kind)


def _require_reason(reason: str) -> str:
    return require_text(reason, refusal=EvidenceError, most=REASON_LENGTH)
