"""Receiving evidence: bytes in, one item, its first link of custody."""

from __future__ import annotations

import datetime as dt
import hmac
import mimetypes
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.errors import (
    DigestMismatch,
    EvidenceMalformed,
    EvidenceNotFound,
)
from evidence.handling import Tlp
from evidence.models import Channel, CustodyKind, EvidenceItem, EvidenceKind
from evidence.models.case_bound import shown_to
from evidence.models.items import SHA256_HEX
from evidence.services.case_locks import incident_model, lock_case, touch_case
from evidence.services.custody import record_custody
from evidence.services.documents import Recognised, recognise
from evidence.services.kind_changes import correct_kind
from evidence.services.marks import inherit_mark
from evidence.services.store.claims import claim_bytes
from evidence.services.store.faults import keep_received
from evidence.services.verification import add_verification_request
from evidence.storage import Incoming, Readable, receive_stream

DEFAULT_MEDIA_TYPE = "application/octet-stream"
MEDIA_TYPE = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}\Z", re.ASCII)
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]")
# What file systems take for one name.
NAME_LENGTH = 255
SOURCE_LENGTH = 200


@dataclass(frozen=True)
class Delivery:
    """What the sender says about the bytes, and who sends them by which door.

    `kind` None: the content decides. `declared_sha256` None: the sender gave none.
    """

    original_name: str
    channel: Channel
    kind: EvidenceKind | None = None
    media_type: str = ""
    source: str = ""
    declared_sha256: str | None = None
    ip_address: str | None = None


class Hashed(Protocol):
    """Bytes that the store holds, or will before the row is committed."""

    @property
    def sha256_hex(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...


def receive_evidence(
    *,
    incident_id: int,
    stream: Readable,
    original_name: str,
    channel: Channel,
    actor: Actor,
    kind: EvidenceKind | str | None = None,
    media_type: str = "",
    source: str = "",
    declared_sha256: str | None = None,
    ip_address: str | None = None,
    tlp: Tlp = Tlp.CLEAR,
    now: dt.datetime | None = None,
) -> tuple[EvidenceItem, bool]:
    """Take in a stream as evidence of an incident; return (item, created).

    The same bytes for the same case are one item: `created` is False where it was
    there, even with two sending at once, and the second name and source stand in its
    chain of custody. Raise UploadTooLarge, UploadBroken,
    DigestMismatch, UnreadableDocument or StorageUnavailable; nothing is kept then.
    Bundles and ledgers are verified by a worker after the commit, the digest of
    everything else likewise. `tlp` is the strictest mark of what it was made from.
    """
    require_permission(actor, "evidence.add_evidenceitem")
    delivery = Delivery(
        original_name=_clean_name(original_name),
        channel=channel,
        kind=_require_kind(kind),
        media_type=_clean_media_type(media_type, original_name),
        source=CONTROL_CHARACTERS.sub(" ", _sound(source)).strip()[:SOURCE_LENGTH],
        declared_sha256=_require_sha256(declared_sha256),
        ip_address=ip_address,
    )
    # Before a byte is read: nobody sends gigabytes to a case that is not there.
    _require_incident(incident_id, actor)
    with receive_stream(stream) as incoming:
        # Before anything is kept: a broken transfer leaves nothing behind.
        _require_declared_digest(incoming, delivery.declared_sha256)
        with incoming.open() as file:
            recognised = recognise(
                file, name=delivery.original_name, declared=delivery.kind
            )
        # Before the row: a row always has its bytes. Bytes whose row then fails to be
        # written are found again, by their digest, when they are sent again.
        keep_received(incoming, now=now)
        return add_item(
            incident_id,
            incoming,
            delivery,
            recognised=recognised,
            actor=actor,
            now=now or timezone.now(),
            tlp=tlp,
        )


@transaction.atomic
def add_item(
    incident_id: int,
    incoming: Hashed,
    delivery: Delivery,
    *,
    recognised: Recognised,
    actor: Actor,
    now: dt.datetime,
    derived_from: EvidenceItem | None = None,
    detail: str = "",
    tlp: Tlp = Tlp.CLEAR,
) -> tuple[EvidenceItem, bool]:
    """Add the row of bytes that are kept, or one more receipt to the row there is.

    `detail` is what the chain of custody says of the receipt; "" for what the content
    was recognised as, or that the bytes were there. `tlp` is the strictest mark of what
    it was made from.
    """
    # Two uploads of the same bytes take turns here; the second finds the first's row.
    lock_case(incident_id, actor)
    touch_case(incident_id, now)
    claim_bytes(incoming.sha256_hex, now=now)
    same = EvidenceItem.objects.filter(
        incident_id=incident_id, sha256_hex=incoming.sha256_hex
    )
    if (item := same.first()) is not None:
        again = detail or "the same bytes were sent again"
        # Who had the same bytes, and when, is a fact of its own, so it is noted again.
        _record_receipt(item, delivery, actor, now, again)
        correct_kind(
            item, recognised.kind, actor=actor, channel=delivery.channel, now=now
        )
        inherit_mark(item, tlp, actor=actor, now=now)
        record_entry(
            streams=[incident_stream(incident_id)],
            action="evidence.received_again",
            actor=actor,
            obj=item,
            after={
                "original_name": delivery.original_name,
                "source": delivery.source,
                "channel": str(delivery.channel),
            },
            now=now,
        )
        return item, False
    item = EvidenceItem.objects.create(
        incident_id=incident_id,
        sha256_hex=incoming.sha256_hex,
        size_bytes=incoming.size_bytes,
        kind=recognised.kind,
        content=recognised.content,
        wrapping=recognised.wrapping,
        original_name=delivery.original_name,
        media_type=delivery.media_type,
        channel=delivery.channel,
        source=delivery.source,
        received_at=now,
        received_by=actor,
        derived_from=derived_from,
        own_tlp=tlp.value,
    )
    _record_receipt(item, delivery, actor, now, detail or recognised.words)
    record_entry(
        streams=[incident_stream(incident_id)],
        action="evidence.received",
        actor=actor,
        obj=item,
        after={
            "sha256_hex": item.sha256_hex,
            "size_bytes": item.size_bytes,
            "kind": str(item.kind),
            "channel": str(item.channel),
        },
        now=now,
    )
    # In the same transaction: no item is left that nobody was asked to verify.
    add_verification_request(item, actor=actor, now=now)
    return item, True


def _record_receipt(
    item: EvidenceItem,
    delivery: Delivery,
    actor: Actor,
    now: dt.datetime,
    detail: str,
) -> None:
    record_custody(
        item,
        CustodyKind.RECEIVED,
        actor=actor,
        channel=delivery.channel,
        ip_address=delivery.ip_address,
        original_name=delivery.original_name,
        source=delivery.source,
        detail=detail,
        now=now,
    )


def _require_incident(incident_id: int, actor: Actor) -> None:
    cases = shown_to(actor, incident_model().objects.filter(pk=incident_id))
    if not cases.exists():
        raise EvidenceNotFound(
            f"There is no case {incident_id}. Name a case that is open here.",
            code="no_such_incident",
        )


def _require_kind(kind: EvidenceKind | str | None) -> EvidenceKind | None:
    if not kind:
        return None
    if kind not in EvidenceKind.values:
        raise EvidenceMalformed(
            f"Choose one of these kinds: {', '.join(EvidenceKind.values)}. Given: "
            f"{kind!r}.",
            code="unknown_kind",
        )
    return EvidenceKind(kind)


def _require_sha256(declared: str | None) -> str | None:
    if not declared:
        return None
    lowered = declared.strip().lower()
    if not re.fullmatch(SHA256_HEX, lowered):
        raise EvidenceMalformed(
            "A SHA-256 has 64 hexadecimal digits. Check it, or leave it empty.",
            code="malformed_digest",
        )
    return lowered


def _require_declared_digest(incoming: Incoming, declared: str | None) -> None:
    if declared is None or hmac.compare_digest(declared, incoming.sha256_hex):
        return
    raise DigestMismatch(
        f"The sender announced SHA-256 {declared}, and the bytes that arrived hash "
        f"to {incoming.sha256_hex}: they were changed on the way, or it is another "
        "file. Nothing was stored; send it again."
    )


def _clean_name(name: str) -> str:
    """Return the last part of a name, without control characters."""
    # Some clients send their whole path, and those on Windows with backslashes.
    last = PurePosixPath(_sound(name).replace("\\", "/")).name
    # The end of a long name is kept, since the extension is there.
    cleaned = CONTROL_CHARACTERS.sub("_", last)[-NAME_LENGTH:]
    return "unnamed" if cleaned.strip(". ") == "" else cleaned


def _sound(text: str) -> str:
    """Return a text that UTF-8 can write: a file's name may be bytes of no encoding."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _clean_media_type(media_type: str, name: str) -> str:
    """Return the declared type, or one guessed by the name; both held to one check."""
    # As a path: `mimetypes` would take `data:…` for an address that names its type.
    guessed = mimetypes.guess_type(f"./{_clean_name(name)}")[0] or ""
    for candidate in (media_type.partition(";")[0].strip().lower(), guessed):
        if MEDIA_TYPE.match(candidate):
            return candidate
    return DEFAULT_MEDIA_TYPE
