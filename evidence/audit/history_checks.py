"""Checking the audit history, and noting where each stream stood.

The whole history is read in parts, each recorded as it ends: a part that is cut off
costs no more than itself, and the next begins where the last one came to. Only the part
that comes to the end counts as a check of every stream; it holds the sum of all.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.chain import ChainFault
from evidence.audit.history import lost_among, record_entry
from evidence.audit.nightly import require_recent
from evidence.audit.turned_clocks import TurnedClock
from evidence.audit.walk import WalkedStream, walk_streams
from evidence.database.reading import Purpose, written_for_reader
from evidence.errors import HistoryError
from evidence.models import HistoryCheck, NotedHead
from evidence.queue.sending import queue_on_commit

log = logging.getLogger(__name__)

PART_SECONDS = 600.0
PART_STREAMS = 200_000
"""So many heads are kept in memory (about 50 MB) until they are noted."""
GONE_ON_WITH = dt.timedelta(hours=12)
"""For how long a part that was left is worth going on with."""
KEPT_FAULTS = 200
LOGGED_FAULTS = 20

NOTIFY_BROKEN = "incidents.notify_broken_history"
GO_ON = "evidence.check_history"


@dataclass
class Part:
    """What was read of the history in one go."""

    heads: list[tuple[str, int, str]] = field(default_factory=list)
    """The stream, sequence and hash of each stream's newest entry, where it holds."""
    stream_count: int = 0
    entry_count: int = 0
    faults: list[ChainFault] = field(default_factory=list)
    turned_clocks: list[TurnedClock] = field(default_factory=list)
    last: str = ""
    is_at_end: bool = False

    def add(self, walked: WalkedStream) -> None:
        self.stream_count += 1
        self.entry_count += walked.entry_count
        self.faults += walked.faults
        self.turned_clocks += walked.turned_clocks
        self.last = walked.stream
        if not walked.faults:
            self.heads.append((walked.stream, walked.sequence, walked.entry_hash))


@written_for_reader(Purpose.CHECK)
def check_history(
    *,
    actor: Actor,
    streams: list[str] | None = None,
    now: dt.datetime | None = None,
    seconds: float = PART_SECONDS,
) -> HistoryCheck:
    """Recompute the streams (None: all), record what was found, note their heads.

    A head is noted only for a stream that holds: the next check will miss it if
    somebody cuts it off. What of the whole is not read within `seconds` a worker goes
    on with; chosen streams are read to their ends.
    """
    require_permission(actor, "evidence.view_auditentry")
    left_seconds = seconds if streams is None else math.inf
    return _check(actor, streams, None, now or timezone.now(), left_seconds)


def go_on_checking(*, now: dt.datetime | None = None) -> HistoryCheck:
    """Go on where the newest part was left, or begin to check every stream.

    Where another worker went on meanwhile, its part is the answer.
    """
    moment = now or timezone.now()
    left = HistoryCheck.objects.unfinished()
    if left is not None and moment - left.finished_at > GONE_ON_WITH:
        left = None
    try:
        return _check(None, None, left, moment, PART_SECONDS)
    except IntegrityError:
        ours = HistoryCheck.objects.filter(continues=left).first() if left else None
        if ours is None:
            raise
        return ours


def read_history_health() -> str:
    """Return what the newest check found, for a probe; raise HistoryError for faults.

    Raise HealthWarning where nothing was checked yet, or not for too long.
    A broken history keeps nobody from working: it is no reason to take a web process
    out of service, and every reason to look at once.
    """
    check = HistoryCheck.objects.standing()
    if check is not None and not check.is_passing:
        raise HistoryError(
            f"History check {check.pk} found {check.fault_count} faults."
        )
    return f"holds, checked {require_recent(check):%Y-%m-%d %H:%M} UTC"


def _check(
    actor: Actor,
    streams: list[str] | None,
    left: HistoryCheck | None,
    started_at: dt.datetime,
    seconds: float,
) -> HistoryCheck:
    after = left.reached if left is not None else ""
    part = _read_part(streams, after, time.monotonic() + seconds)
    check = _record(actor, streams is None, left, started_at, part)
    for turned in part.turned_clocks:
        log.warning("a clock was set back: %s", turned)
    for fault in part.faults[:LOGGED_FAULTS]:
        log.error("the history is broken: %s in %s", fault.code, fault.stream)
    return check


def _read_part(streams: list[str] | None, after: str, deadline: float) -> Part:
    """Read streams until the end or the deadline, and what was cut off from them.

    Where the work is told to end, or the database fails, what was read up to there is
    kept; where nothing was, the error is passed on.
    """
    part = Part()
    try:
        with transaction.atomic():
            walked = walk_streams(streams=streams, after=after)
            most = PART_STREAMS if streams is None else math.inf
            part.is_at_end = _read_until(part, walked, deadline, most)
    except (SoftTimeLimitExceeded, DatabaseError):
        if not part.stream_count or streams is not None:
            raise
        log.warning("a check of the history was cut off behind %s", part.last)
    lost = _find_lost(streams, after, part)
    part.faults += lost
    broken = {fault.stream for fault in lost}
    part.heads = [head for head in part.heads if head[0] not in broken]
    return part


def _read_until(
    part: Part, walked: Iterator[WalkedStream], deadline: float, most: float
) -> bool:
    """Add streams to the part; return whether there are no more."""
    for stream in walked:
        part.add(stream)
        if time.monotonic() > deadline or part.stream_count >= most:
            return False
    return True


def _find_lost(streams: list[str] | None, after: str, part: Part) -> list[ChainFault]:
    noted = NotedHead.everything.filter(stream__gt=after)
    if streams is not None:
        noted = NotedHead.everything.filter(stream__in=streams)
    elif not part.is_at_end:
        noted = noted.filter(stream__lte=part.last)
    return lost_among(noted)


@transaction.atomic
def _record(
    actor: Actor,
    is_of_all: bool,
    left: HistoryCheck | None,
    started_at: dt.datetime,
    part: Part,
) -> HistoryCheck:
    now = timezone.now()
    found = [vars_of(fault) for fault in part.faults[:KEPT_FAULTS]]
    check = HistoryCheck.objects.create(
        started_at=left.started_at if left else started_at,
        finished_at=now,
        requested_by=left.requested_by if left else actor,
        continues=left,
        reached="" if part.is_at_end else part.last,
        is_whole=is_of_all and part.is_at_end,
        stream_count=part.stream_count + (left.stream_count if left else 0),
        entry_count=part.entry_count + (left.entry_count if left else 0),
        fault_count=len(part.faults) + (left.fault_count if left else 0),
        faults=[*(left.faults if left else ()), *found][:KEPT_FAULTS],
    )
    NotedHead.objects.bulk_create(
        (
            NotedHead(
                check_run=check, stream=stream, sequence=sequence, entry_hash=entry_hash
            )
            for stream, sequence, entry_hash in part.heads
        ),
        # A stream that has not grown since was noted already.
        ignore_conflicts=True,
        batch_size=5000,
    )
    record_entry(
        action="history.checked",
        actor=actor,
        obj=check,
        after={"streams": check.stream_count, "faults": check.fault_count},
        now=now,
    )
    if part.faults:
        queue_on_commit(NOTIFY_BROKEN, check.pk)
    if not part.is_at_end:
        queue_on_commit(GO_ON)
    return check


def vars_of(fault: ChainFault) -> dict[str, object]:
    """Return a fault as a JSON object."""
    return {
        "stream": fault.stream,
        "sequence": fault.sequence,
        "code": fault.code,
        "message": fault.message,
    }
