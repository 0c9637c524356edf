"""Evidence of one case that becomes evidence of another as well.

The store is addressed by content, so no byte is copied: the same stored bytes get a
row in the other case, whose chain of custody says where they came from.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.models import Channel, CustodyKind, EvidenceItem, EvidenceKind
from evidence.services.case_locks import lock_case
from evidence.services.custody import record_custody
from evidence.services.documents import Recognised
from evidence.services.receipt import Delivery, add_item


@dataclass(frozen=True)
class Door:
    """By which door, and from where, somebody asks for something."""

    channel: Channel
    ip_address: str | None = None


def find_not_held(from_incident_id: int, to_incident_id: int) -> QuerySet[EvidenceItem]:
    """Return what arrived for one case and whose bytes the other case does not hold."""
    held = EvidenceItem.objects.filter(
        incident=to_incident_id, sha256_hex=OuterRef("sha256_hex")
    )
    arrived = EvidenceItem.objects.filter(incident=from_incident_id).arrived()
    return arrived.filter(~Exists(held)).order_by("pk")


@transaction.atomic
def take_over_evidence(
    *,
    from_incident_id: int,
    to_incident_id: int,
    actor: Actor,
    door: Door,
    now: dt.datetime | None = None,
) -> Sequence[EvidenceItem]:
    """Make what arrived for one case evidence of another too; return the new items.

    Each is verified anew, and keeps the name, the kind and the source that it has.
    What the other case holds already, and what was made here, is left out.
    """
    require_permission(actor, "evidence.add_evidenceitem")
    moment = now or timezone.now()
    for incident_id in sorted({from_incident_id, to_incident_id}):
        lock_case(incident_id, actor)
    items = find_not_held(from_incident_id, to_incident_id)
    found = list(items.select_related("incident", "received_by"))
    return [_take(item, to_incident_id, actor, door, moment) for item in found]


def _take(
    item: EvidenceItem,
    incident_id: int,
    actor: Actor,
    door: Door,
    now: dt.datetime,
) -> EvidenceItem:
    sender, when = name_of(item.received_by), f"{item.received_at:%Y-%m-%d %H:%M} UTC"
    new, _ = add_item(
        incident_id,
        item,
        Delivery(
            original_name=item.original_name,
            channel=door.channel,
            media_type=item.media_type,
            source=item.source,
            ip_address=door.ip_address,
        ),
        recognised=Recognised(EvidenceKind(item.kind), item.content, item.wrapping),
        actor=actor,
        now=now,
        detail=f"taken over from {item.incident.reference}, which received it on "
        f"{when} from {sender}",
        tlp=item.tlp,
    )
    record_custody(
        item,
        CustodyKind.TAKEN_OVER,
        actor=actor,
        channel=door.channel,
        ip_address=door.ip_address,
        detail=f"by {new.incident.reference}, which holds the same bytes from now on",
        now=now,
    )
    return new
