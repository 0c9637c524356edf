"""The chain of custody: every touch of an item, by whom, when and from where."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.database.reading import Purpose, written_for_reader
from evidence.models import (
    AuditEntry,
    Channel,
    CustodyEvent,
    CustodyKind,
    EvidenceItem,
)
from evidence.text import storable

# A person who pages through a replay views the item once, not at every click.
VIEWING_WINDOW = dt.timedelta(minutes=30)
# Short, so that a look after a case was reopened is told apart from one before.
REPLAY_WINDOW = dt.timedelta(minutes=5)
DETAIL_LENGTH = 300


def record_custody(
    item: EvidenceItem,
    kind: CustodyKind,
    *,
    actor: Actor,
    channel: Channel,
    ip_address: str | None = None,
    original_name: str = "",
    source: str = "",
    detail: str = "",
    now: dt.datetime | None = None,
) -> CustodyEvent:
    """Add one link to an item's chain of custody; a receipt has a name and a source."""
    return CustodyEvent.objects.create(
        item=item,
        kind=kind,
        happened_at=now or timezone.now(),
        actor=actor,
        actor_name=name_of(actor),
        channel=channel,
        ip_address=ip_address,
        original_name=original_name,
        source=source,
        detail=storable(detail)[:DETAIL_LENGTH],
    )


@written_for_reader(Purpose.CUSTODY)
@transaction.atomic
def record_viewing(
    item: EvidenceItem,
    *,
    actor: Actor,
    channel: Channel,
    ip_address: str | None = None,
    now: dt.datetime | None = None,
) -> CustodyEvent | None:
    """Record that a person looked at an item; None where that was within the window.

    Once per person, door, address and VIEWING_WINDOW. Looking twice at the same moment
    may leave two events, which is no untruth.
    """
    require_permission(actor, "evidence.view_evidenceitem")
    moment = now or timezone.now()
    recent = CustodyEvent.objects.filter(
        item=item,
        kind=CustodyKind.VIEWED,
        actor=actor,
        channel=channel,
        ip_address=ip_address,
        happened_at__gt=moment - VIEWING_WINDOW,
    )
    if recent.exists():
        return None
    return record_custody(
        item,
        CustodyKind.VIEWED,
        actor=actor,
        channel=channel,
        ip_address=ip_address,
        now=moment,
    )


@written_for_reader(Purpose.CUSTODY)
@transaction.atomic
def record_replay_viewing(
    item: EvidenceItem, *, actor: Actor, now: dt.datetime | None = None
) -> None:
    """Record that a person opened the forensic replay, once per REPLAY_WINDOW.

    The history of the case says so, since its analysis rests on somebody's look.
    """
    require_permission(actor, "evidence.view_evidenceitem")
    moment = now or timezone.now()
    seen = AuditEntry.objects.filter(
        object_type=item._meta.label_lower,
        object_id=str(item.pk),
        action="evidence.replay_viewed",
        actor=actor,
        recorded_at__gt=moment - REPLAY_WINDOW,
    )
    if not seen.exists():
        record_entry(
            streams=[incident_stream(item.incident_id)],
            action="evidence.replay_viewed",
            actor=actor,
            obj=item,
            now=moment,
        )
