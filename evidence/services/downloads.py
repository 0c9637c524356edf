"""Handing evidence out: the bytes as they were received, and who took them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from evidence import storage
from evidence.access import Actor, require_permission
from evidence.audit import incident_stream, record_entry
from evidence.format import read_document
from evidence.models import Channel, CustodyKind, EvidenceItem
from evidence.services.custody import record_custody
from evidence.services.documents import unpack_document


@dataclass(frozen=True)
class Download:
    """An item's bytes, ready to be streamed."""

    item: EvidenceItem
    chunks: Iterator[bytes]


def open_download(
    *,
    item_id: int,
    actor: Actor,
    channel: Channel,
    ip_address: str | None = None,
) -> Download:
    """Open an item for download and record that it was taken.

    Raise EvidenceMissing before anything is recorded where the bytes are gone.
    """
    require_permission(actor, "evidence.download_evidenceitem")
    item = EvidenceItem.objects.get(pk=item_id)
    chunks = storage.iter_open(storage.open_stored(item.sha256_hex))
    with transaction.atomic():
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
    return Download(item, chunks)


def load_bytes(item: EvidenceItem) -> bytes:
    """Return an item's bytes for use inside the application, digest checked.

    For findings, snapshots and scans; what leaves the application is a download.
    """
    return storage.read_verified(item.sha256_hex)


def load_document(item: EvidenceItem) -> dict[str, object]:
    """Return the document of a bundle or ledger, strictly read, digest checked.

    Raise DocumentRefused for one that the reader refuses.
    """
    return read_document(unpack_document(load_bytes(item)))
