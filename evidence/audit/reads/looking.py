"""Who looked at a case: what is recorded and what is noted, together."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from evidence.lookalikes import show_hidden
from evidence.models import NotedRead, ReadDoor, ReadKind, RecordedRead

MOST = 100


@dataclass
class Looked:
    """How often one person read a case in one way, and when first and last."""

    person: str
    kind: str
    door: str
    count: int
    first_at: dt.datetime
    last_at: dt.datetime


def who_looked(incident_id: int) -> list[Looked]:
    """Return who read a case or what belongs to it, who was here last first."""
    of_case = Q(cases__contains=[incident_id])
    recorded = RecordedRead.objects.filter(Q(incident=incident_id) | of_case)
    found: dict[tuple[str, str, str], Looked] = {}
    for looked in (*_recorded(recorded), *_noted(NotedRead.objects.filter(of_case))):
        key = (looked.person, looked.kind, looked.door)
        known = found.setdefault(key, looked)
        if known is not looked:
            known.count += looked.count
            known.first_at = min(known.first_at, looked.first_at)
            known.last_at = max(known.last_at, looked.last_at)
    return sorted(found.values(), key=lambda each: each.last_at, reverse=True)[:MOST]


WAY = ("reader__username", "kind", "door")


def _recorded(rows: QuerySet[RecordedRead]) -> list[Looked]:
    grouped = (
        rows.order_by()
        .values_list(*WAY)
        .annotate(times=Sum("count"), first=Min("first_at"), last=Max("last_at"))
    )
    return [_make(*row) for row in grouped]


def _noted(rows: QuerySet[NotedRead]) -> list[Looked]:
    grouped = (
        rows.order_by()
        .values_list(*WAY)
        .annotate(times=Count("pk"), first=Min("read_at"), last=Max("read_at"))
    )
    return [_make(*row) for row in grouped]


def _make(
    name: str, kind: str, door: str, times: int, first: dt.datetime, last: dt.datetime
) -> Looked:
    said = ReadKind(kind).label, ReadDoor(door).label
    return Looked(show_hidden(name), *said, times, first, last)
