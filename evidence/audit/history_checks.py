"""Checking the audit history, and noting where each stream stood."""

from __future__ import annotations

import datetime as dt
import logging

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.chain import ChainFault, find_chain_faults
from evidence.audit.history import (
    find_lost_heads,
    list_streams,
    read_heads,
    record_entry,
    stream_documents,
)
from evidence.audit.nightly import require_recent
from evidence.audit.turned_clocks import find_turned_clocks
from evidence.database.reading import Purpose, written_for_reader
from evidence.errors import HistoryError
from evidence.models import AuditEntry, HistoryCheck, NotedHead
from evidence.queue.sending import queue_on_commit

log = logging.getLogger(__name__)

KEPT_FAULTS = 200
LOGGED_FAULTS = 20

NOTIFY_BROKEN = "incidents.notify_broken_history"


@written_for_reader(Purpose.CHECK)
def check_history(
    *, actor: Actor, streams: list[str] | None = None, now: dt.datetime | None = None
) -> HistoryCheck:
    """Recompute the streams (None: all), record what was found, note their heads.

    A head is noted only for a stream that holds: the next check will miss it if
    somebody cuts it off.
    """
    require_permission(actor, "evidence.view_auditentry")
    started_at = now or timezone.now()
    names = list_streams() if streams is None else streams
    faults: list[ChainFault] = []
    # Read before the streams are walked: what is noted has been checked.
    heads = {head.stream: head for head in read_heads() if head.stream in set(names)}
    entry_count = 0
    for name in names:
        faults += find_chain_faults(stream_documents(name))
        faults += find_lost_heads(name)
        entry_count += heads[name].sequence if name in heads else 0
    if streams is None:
        faults += _lost_streams(names)
    check = _record(
        actor=actor,
        started_at=started_at,
        is_whole=streams is None,
        stream_count=len(names),
        entry_count=entry_count,
        faults=faults,
        heads=list(heads.values()),
    )
    for turned in find_turned_clocks():
        log.warning("a clock was set back: %s", turned)
    for fault in faults[:LOGGED_FAULTS]:
        log.error("the history is broken: %s in %s", fault.code, fault.stream)
    return check


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


def _lost_streams(names: list[str]) -> list[ChainFault]:
    """Return the lost heads of streams of which nothing is left at all."""
    known = set(names)
    return [fault for fault in find_lost_heads() if fault.stream not in known]


@transaction.atomic
def _record(
    *,
    actor: Actor,
    started_at: dt.datetime,
    is_whole: bool,
    stream_count: int,
    entry_count: int,
    faults: list[ChainFault],
    heads: list[AuditEntry],
) -> HistoryCheck:
    now = timezone.now()
    check = HistoryCheck.objects.create(
        started_at=started_at,
        finished_at=now,
        requested_by=actor,
        is_whole=is_whole,
        stream_count=stream_count,
        entry_count=entry_count,
        fault_count=len(faults),
        faults=[vars_of(fault) for fault in faults[:KEPT_FAULTS]],
    )
    broken = {fault.stream for fault in faults}
    NotedHead.objects.bulk_create(
        [
            NotedHead(
                check_run=check,
                stream=head.stream,
                sequence=head.sequence,
                entry_hash=head.entry_hash,
            )
            for head in heads
            if head.stream not in broken
        ],
        # A stream that has not grown since was noted already.
        ignore_conflicts=True,
    )
    record_entry(
        action="history.checked",
        actor=actor,
        obj=check,
        after={"streams": stream_count, "faults": len(faults)},
        now=now,
    )
    if faults:
        queue_on_commit(NOTIFY_BROKEN, check.pk)
    return check


def vars_of(fault: ChainFault) -> dict[str, object]:
    """Return a fault as a JSON object."""
    return {
        "stream": fault.stream,
        "sequence": fault.sequence,
        "code": fault.code,
        "message": fault.message,
    }
