"""Recording in batches what was noted: a row and an entry for each way of reading.

Each case has a stream of its own for who read it, `reads:<pk>`; lists and searches,
which show many cases, are in the stream `reads`, with the cases as ranges of keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import transaction

from evidence.audit.history import READS_STREAM, reads_stream, record_entry
from evidence.models import NotedRead, ReadKind, RecordedRead

BATCH = 2_000
"""Notes in one transaction, so that who writes history meanwhile waits little."""
SHOWN_RANGES = 200

ACTIONS = {
    ReadKind.OPENED: "reads.opened",
    ReadKind.DOWNLOADED: "reads.downloaded",
    ReadKind.LISTED: "reads.listed",
    ReadKind.SEARCHED: "reads.searched",
}


@dataclass(frozen=True)
class Way:
    """What makes one record of many notes: the same person, door, thing and words."""

    case_id: int | None
    reader_id: int
    door: str
    token_id: int | None
    kind: str
    subject: str
    object_id: str
    words: str


def record_reads() -> int:
    """Record all that is noted, batch by batch; return how many notes there were."""
    total = 0
    while True:
        done = _record_batch()
        total += done
        if done < BATCH:
            return total


@transaction.atomic
def _record_batch() -> int:
    notes = list(
        NotedRead.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("reader", "token")
        .order_by("pk")[:BATCH]
    )
    grouped: dict[Way, list[NotedRead]] = defaultdict(list)
    for note in notes:
        grouped[_way_of(note)].append(note)
    known = _find_cases(way.case_id for way in grouped)
    # By case: streams are locked in one order by everybody.
    for way in sorted(grouped, key=lambda way: (way.case_id or 0, repr(way))):
        _record(way, grouped[way], known.get(way.case_id or 0))
    NotedRead.objects.filter(pk__in=[note.pk for note in notes]).delete()
    return len(notes)


def _way_of(note: NotedRead) -> Way:
    is_of_one = note.kind in (ReadKind.OPENED, ReadKind.DOWNLOADED)
    return Way(
        case_id=note.cases[0] if is_of_one and len(note.cases) == 1 else None,
        reader_id=note.reader_id,
        door=note.door,
        token_id=note.token_id,
        kind=note.kind,
        subject=note.subject,
        object_id=note.object_id,
        words=note.words,
    )


def _find_cases(keys: Iterable[int | None]) -> dict[int, Any]:
    wanted = {key for key in keys if key is not None}
    rows: Any = apps.get_model("incidents", "Incident")._base_manager
    found: dict[int, Any] = rows.in_bulk(wanted)
    return found


def _record(way: Way, notes: Sequence[NotedRead], case: Any) -> None:
    """Write the record of one way of reading, and its entry in the history."""
    first = notes[0]
    cases = sorted({key for note in notes for key in note.cases})
    after: dict[str, Any] = {
        "door": way.door,
        "token": str(first.token) if first.token else None,
        "subject": way.subject,
        "object": way.object_id,
        "words": way.words,
        "count": len(notes),
        "first_at": min(note.read_at for note in notes).isoformat(),
        "last_at": max(note.read_at for note in notes).isoformat(),
    }
    if case is None:
        after |= {"cases": fold_ranges(cases), "case_count": len(cases)}
    entry = record_entry(
        streams=[reads_stream(case.pk) if case else READS_STREAM],
        action=ACTIONS[ReadKind(way.kind)],
        actor=first.reader,
        obj=case or first.reader,
        after=after,
    )[0]
    RecordedRead.objects.create(
        incident_id=case.pk if case else None,
        reader=first.reader,
        token=first.token,
        door=way.door,
        kind=way.kind,
        subject=way.subject,
        object_id=way.object_id,
        words=way.words,
        cases=[] if case else cases,
        count=len(notes),
        first_at=min(note.read_at for note in notes),
        last_at=max(note.read_at for note in notes),
        entry=entry,
    )


def fold_ranges(keys: Sequence[int]) -> str:
    """Return sorted keys as ranges: 1, 2, 3, 7 is "1-3, 7"; long ones are cut."""
    ranges: list[list[int]] = []
    for key in keys:
        if ranges and key == ranges[-1][1] + 1:
            ranges[-1][1] = key
        else:
            ranges.append([key, key])
    said = [f"{a}-{b}" if a != b else str(a) for a, b in ranges[:SHOWN_RANGES]]
    more = len(ranges) - SHOWN_RANGES
    return ", ".join(said) + (f", and {more} more ranges" if more > 0 else "")
