"""Handing evidence out: the bytes as they were received, and who took them."""

from __future__ import annotations

import base64
import logging
from contextlib import ExitStack
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.database.reading import Purpose, written_for_reader
from evidence.errors import EvidenceDamaged, EvidenceError, EvidenceMissing
from evidence.models import Channel, CustodyKind, EvidenceItem
from evidence.services.case_locks import lock_case
from evidence.services.custody import record_custody
from evidence.services.verification import add_verification_request

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Download:
    """An item's bytes, checked and ready to be streamed. The opener closes it."""

    item: EvidenceItem
    chunks: storage.Chunks

    @property
    def repr_digest(self) -> str:
        """The value of RFC 9530's field Repr-Digest, for the taker to compare."""
        digest = base64.b64encode(bytes.fromhex(self.item.sha256_hex)).decode()
        return f"sha-256=:{digest}:"


def open_download(
    *,
    item_id: int,
    actor: Actor,
    channel: Channel,
    ip_address: str | None = None,
) -> Download:
    """Open an item for download, its digest checked, and record that it was taken.

    Raise EvidenceDamaged or EvidenceMissing where the store no longer has the bytes
    that were received: nothing is handed out, the history says so, and a verification
    is queued, whose report marks the item.
    """
    require_permission(actor, "evidence.download_evidenceitem")
    item = EvidenceItem.objects.get(pk=item_id)
    try:
        file = storage.open_intact(item.sha256_hex)
    except (EvidenceDamaged, EvidenceMissing) as error:
        _record_refusal(item, error, actor=actor, channel=channel)
        raise
    with ExitStack() as stack:
        stack.enter_context(file)
        _record_download(item, actor=actor, channel=channel, ip_address=ip_address)
        # Handed on open: only where the record failed is it closed here.
        stack.pop_all()
    return Download(item, storage.Chunks(file))


@written_for_reader(Purpose.CUSTODY)
@transaction.atomic
def _record_download(
    item: EvidenceItem, *, actor: Actor, channel: Channel, ip_address: str | None
) -> None:
    record_custody(
        item,
        CustodyKind.DOWNLOADED,
        actor=actor,
        channel=channel,
        ip_address=ip_address,
    )
    record_entry(
        streams=[incident_stream(item.incident_id)],
        action="evidence.downloaded",
        actor=actor,
        obj=item,
        after={"channel": str(channel)},
    )


@written_for_reader(Purpose.CUSTODY)
@transaction.atomic
def _record_refusal(
    item: EvidenceItem, error: EvidenceError, *, actor: Actor, channel: Channel
) -> None:
    lock_case(item.incident_id, actor)
    log.error("evidence item %s was not handed out: %s", item.pk, error.code)
    record_entry(
        streams=[incident_stream(item.incident_id)],
        action="evidence.download_refused",
        actor=actor,
        obj=item,
        after={"channel": str(channel), "code": error.code},
    )
    add_verification_request(item, actor=actor, now=timezone.now())


def load_bytes(item: EvidenceItem) -> bytes:
    """Return an item's bytes for use inside the application, digest checked.

    For findings, snapshots and scans; what leaves the application is a download.
    """
    return storage.read_verified(item.sha256_hex)
