"""Entries that are dated before the one in front of them: a clock was set back.

No fault of the chain, which has the order whatever the times say. Who reads the times
has to know it all the same, so it is told wherever the history is read or verified.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from evidence.models import AuditEntry


@dataclass(frozen=True)
class TurnedClock:
    """An entry that is dated before the one in front of it, and by how much."""

    stream: str
    sequence: int
    turned_back: dt.timedelta

    def __str__(self) -> str:
        seconds = self.turned_back.total_seconds()
        return f"{self.stream} #{self.sequence} ({seconds:.0f} s back)"


def with_entry_before(entries: QuerySet[AuditEntry]) -> QuerySet[Any]:
    """Give each entry `before_at`, the time of the one in front of it in its stream."""
    before = AuditEntry.everything.filter(
        stream=OuterRef("stream"), sequence=OuterRef("sequence") - 1
    )
    return entries.annotate(before_at=Subquery(before.values("recorded_at")[:1]))
