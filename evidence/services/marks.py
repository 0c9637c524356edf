"""Marking evidence: how far an item may be passed on, recorded with who says so."""

from __future__ import annotations

import datetime as dt

from evidence.accounts.access import Actor, name_of
from evidence.audit.history import incident_stream, record_entry
from evidence.handling import Tlp
from evidence.models import EvidenceItem, MarkChange


def record_item_mark(
    item: EvidenceItem,
    tlp: Tlp,
    *,
    actor: Actor,
    now: dt.datetime,
    reason: str = "",
    asked_by: Actor = None,
) -> None:
    """Mark an item, its case locked; whether it may be marked so is the caller's.

    A looser mark was asked for by a second person, `asked_by`, and is approved by the
    actor: the database holds to it.
    """
    MarkChange.objects.create(
        incident_id=item.incident_id,
        item=item,
        from_tlp=item.own_tlp,
        to_tlp=tlp.value,
        reason=reason,
        changed_at=now,
        changed_by=asked_by or actor,
        approved_by=actor if asked_by else None,
    )
    before, item.own_tlp = item.own_tlp, tlp.value
    EvidenceItem.objects.filter(pk=item.pk).update(own_tlp=tlp.value)
    record_entry(
        streams=[incident_stream(item.incident_id)],
        action="evidence.marked",
        actor=actor,
        obj=item,
        reason=reason,
        before={"tlp": before},
        after={
            "tlp": tlp.value,
            "asked_by": name_of(asked_by) if asked_by else None,
        },
        now=now,
    )


def inherit_mark(
    item: EvidenceItem, tlp: Tlp, *, actor: Actor, now: dt.datetime
) -> None:
    """Have an item that is there at least as strictly marked as what it came from."""
    if tlp.rank > item.tlp.rank:
        record_item_mark(
            item,
            tlp,
            actor=actor,
            now=now,
            reason="What the same bytes were made from is marked so.",
        )
