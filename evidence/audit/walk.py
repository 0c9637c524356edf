"""One pass over the history: stream after stream, and each entry by entry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from evidence.audit.chain import ChainFault, find_chain_faults
from evidence.audit.history import entry_document
from evidence.audit.turned_clocks import TurnedClock
from evidence.models import AuditEntry
from evidence.set_clocks import TOLERANCE

COLUMNS = (
    *("stream", "sequence", "recorded_at", "actor_id", "actor_name", "action"),
    *("object_type", "object_id", "object_label", "reason", "before", "after"),
    *("previous_hash", "entry_hash"),
)
ROWS_AT_ONCE = 2000


@dataclass
class WalkedStream:
    """A stream that was read to its end: where it stands, and what is wrong with it."""

    stream: str
    sequence: int = 0
    entry_hash: str = ""
    entry_count: int = 0
    faults: list[ChainFault] = field(default_factory=list)
    turned_clocks: list[TurnedClock] = field(default_factory=list)


def walk_streams(
    *, streams: Sequence[str] | None = None, after: str = ""
) -> Iterator[WalkedStream]:
    """Yield each stream (of these; None: all behind `after`), in the database's order.

    Entries are read through one cursor, a few thousand at a time, whatever the history
    holds. Call it within a transaction: otherwise PostgreSQL keeps a copy of all that
    the cursor will give.
    """
    entries = AuditEntry.everything.filter(stream__gt=after)
    if streams is not None:
        entries = AuditEntry.everything.filter(stream__in=streams)
    rows = entries.order_by("stream", "sequence").values_list(*COLUMNS, named=True)
    found = rows.iterator(chunk_size=ROWS_AT_ONCE)
    for stream, of_stream in groupby(found, key=attrgetter("stream")):
        walked = WalkedStream(stream)
        walked.faults += find_chain_faults(_read(of_stream, walked))
        yield walked


def _read(rows: Iterable[Any], walked: WalkedStream) -> Iterator[dict[str, Any]]:
    """Yield each entry's document, and note in `walked` where the stream stands."""
    before_at: dt.datetime | None = None
    for row in rows:
        if before_at is not None and row.recorded_at < before_at - TOLERANCE:
            turned_back = before_at - row.recorded_at
            walked.turned_clocks.append(
                TurnedClock(row.stream, row.sequence, turned_back)
            )
        before_at = row.recorded_at
        walked.sequence, walked.entry_hash = row.sequence, row.entry_hash
        walked.entry_count += 1
        yield entry_document(row)
