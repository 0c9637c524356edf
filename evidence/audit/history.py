"""The audit history: every service writes its entry here, in its own transaction.

One stream for each incident, one for each extension, one for the system, and some for
what machines send in, so that senders seldom wait for each other. Writers of a
stream take turns on an advisory lock that lasts until their transaction ends, so two
at once leave no gap and no fork; a trigger and a unique constraint hold the database
to the same.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone

from evidence.accounts.access import Actor, name_of
from evidence.audit.chain import SCHEMA, ChainFault, entry_hash, find_chain_faults
from evidence.database.plans import kept_plans
from evidence.format.canonical import MAX_SAFE_INTEGER
from evidence.models import AuditEntry, NotedHead
from evidence.models.case_bound import hidden_cases, shown
from evidence.stored_moments import to_ms
from evidence.text import storable

SYSTEM_STREAM = "system"
READS_STREAM = "reads"
"""Who read lists, and searched; with a case's key, who read that case."""
INTAKE_PREFIX = "intake:"
"""Before a number: what came in of the groups of alerts that share it."""
INTAKE_STREAMS = 64
LABEL_LENGTH = 300
LOCK_NAMESPACE = 0x0CA5EF11
"""Keeps these advisory locks apart from any other that shares the database."""
PLAIN_COLUMNS = (
    "stream",
    "sequence",
    "recorded_at",
    "actor_id",
    "actor_name",
    "action",
    "object_type",
    "object_id",
    "object_label",
    "reason",
    "previous_hash",
    "entry_hash",
)
# Written out: nearly every request that changes something adds an entry.
INSERT_ENTRY = f"""
    INSERT INTO evidence_auditentry
           ({", ".join(PLAIN_COLUMNS)}, before, after)
    VALUES ({"%s, " * len(PLAIN_COLUMNS)}%s::jsonb, %s::jsonb)
    RETURNING id
"""  # noqa: S608  (names of columns, from above)
LOCK_END = """
    SELECT pg_advisory_xact_lock(%s, hashtext(%s));
    SELECT sequence, entry_hash FROM evidence_auditentry
     WHERE stream = %s ORDER BY sequence DESC LIMIT 1
"""


def incident_stream(incident_id: int) -> str:
    return f"incident:{incident_id}"


def reads_stream(incident_id: int) -> str:
    """Return the stream of who read a case; its own history has what was changed."""
    return f"{READS_STREAM}:{incident_id}"


def intake_stream(number: int) -> str:
    """Return the stream of what came in of groups of alerts; equal numbers share one.

    A stream's lock is held until its transaction is on the disk: in a single one, all
    senders would wait in line for each other's disk.
    """
    return f"{INTAKE_PREFIX}{number % INTAKE_STREAMS}"


def find_case_of_stream(stream: str) -> int | None:
    """Return the key of the case that a stream is of; None for any other stream."""
    kind, _, key = stream.partition(":")
    is_of_case = kind in ("incident", READS_STREAM) and key.isascii()
    return int(key) if is_of_case and key.isdecimal() and len(key) < 19 else None


def extension_stream(extension_id: str) -> str:
    """Return the stream of an extension, by the runtime's extension ID."""
    return f"extension:{extension_id}"


def record_entry(
    *,
    streams: Sequence[str] = (SYSTEM_STREAM,),
    action: str,
    actor: Actor,
    obj: models.Model,
    reason: str = "",
    before: Any = None,
    after: Any = None,
    now: dt.datetime | None = None,
) -> list[AuditEntry]:
    """Append one entry to each stream and return them, in stream order.

    Must run inside the service's transaction. `action` is `noun.verb_past`
    (`incident.opened`); `before` and `after` are JSON values of what changed, without
    secrets or evidence content. What concerns several streams is recorded in one call,
    so that their locks are taken in one order.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "record_entry() belongs inside the transaction of the change it records"
        )
    moment = _to_milliseconds(now or timezone.now())
    entries = []
    # Sorted: two services that write to the same streams lock them in one order.
    for stream in sorted(set(streams)):
        entry = AuditEntry(
            stream=stream,
            recorded_at=moment,
            actor=actor,
            actor_name=name_of(actor),
            action=action,
            object_type=obj._meta.label_lower,
            object_id=str(obj.pk),
            object_label=plain_json(str(obj)[:LABEL_LENGTH]),
            reason=plain_json(reason),
            before=plain_json(before),
            after=plain_json(after),
        )
        entries.append(_append(entry))
    return entries


def entry_document(entry: Any) -> dict[str, Any]:
    """Return an entry, or a row of its columns, as what is hashed and exported."""
    return {
        "schema": SCHEMA,
        "stream": entry.stream,
        "sequence": entry.sequence,
        "recorded_at_ms": to_ms(entry.recorded_at),
        "actor": {"id": entry.actor_id, "name": entry.actor_name},
        "action": entry.action,
        "object": {
            "type": entry.object_type,
            "id": entry.object_id,
            "label": entry.object_label,
        },
        "reason": entry.reason,
        "before": entry.before,
        "after": entry.after,
        "previous_hash": entry.previous_hash,
        "entry_hash": entry.entry_hash,
    }


def plain_json(value: Any) -> Any:
    """Return a value as JSON that hashes the same before and after the database.

    Enums, moments and IDs become text. PostgreSQL takes no NUL, keeps no negative
    zero and writes large numbers out in full, so none of these is left.
    """
    if isinstance(value, str):
        return storable(value).encode("utf-8", "replace").decode()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _plain_number(value)
    if isinstance(value, Mapping):
        return {plain_json(str(name)): plain_json(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain_json(item) for item in value), key=repr)
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(
        f"an audit entry holds JSON values; {type(value).__name__} has to be given as "
        "an ID or a text"
    )


def _plain_number(value: float) -> int | float | str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return int(value) if abs(value) <= MAX_SAFE_INTEGER else str(value)
    return value if math.isfinite(value) else str(value)


def stream_documents(stream: str) -> Iterator[dict[str, Any]]:
    """Yield a stream's entries as documents, in sequence order, a few at a time."""
    rows = AuditEntry.everything.filter(stream=stream).order_by("sequence")
    return (entry_document(row) for row in rows.iterator())


def list_streams() -> list[str]:
    """Return the names of all streams."""
    return list(
        AuditEntry.everything.order_by("stream")
        .values_list("stream", flat=True)
        .distinct()
    )


def verify_stream(stream: str) -> list[ChainFault]:
    """Recompute one stream from its rows; an empty list means that it holds."""
    return [*find_chain_faults(stream_documents(stream)), *find_lost_heads(stream)]


def find_lost_heads(stream: str | None = None) -> list[ChainFault]:
    """Return the heads that a check once noted and that the history no longer has.

    A chain alone cannot show that its newest entries were cut off; this can. None
    looks at all streams.
    """
    noted = NotedHead.everything.all()
    return lost_among(noted if stream is None else noted.filter(stream=stream))


def lost_among(noted: models.QuerySet[NotedHead]) -> list[ChainFault]:
    """Return those of the noted heads that the history no longer has."""
    entry = AuditEntry.everything.filter(
        stream=OuterRef("stream"),
        sequence=OuterRef("sequence"),
        entry_hash=OuterRef("entry_hash"),
    )
    return [
        ChainFault(
            head.stream,
            head.sequence,
            "head_lost",
            f"history check {head.check_run_id} noted the entry {head.entry_hash}, "
            "which is no longer there: entries were cut off or replaced",
        )
        for head in noted.filter(~Exists(entry))
    ]


def newest_of_streams() -> models.QuerySet[AuditEntry]:
    """Return the newest entry of every stream as rows to be ordered and paged."""
    return AuditEntry.everything.filter(_is_newest())


def newest_shown_of_streams() -> models.QuerySet[AuditEntry]:
    """Return of every stream the newest entry that who is looking may see.

    Streams that cases share would be missing while their newest entries are hidden.
    """
    if not hidden_cases():
        return newest_of_streams()
    of_cases = Q(stream__startswith="incident:") | Q(stream__startswith="reads:")
    of_stream = AuditEntry.everything.filter(stream=OuterRef("stream"))
    newest = shown(of_stream).order_by("-sequence").values("pk")[:1]
    shared = newest_of_streams().exclude(of_cases).annotate(newest=Subquery(newest))
    in_shared = Q(pk__in=shared.values("newest"))
    return shown(AuditEntry.everything.filter(of_cases & _is_newest() | in_shared))


def _is_newest() -> Q:
    later = AuditEntry.everything.filter(
        stream=OuterRef("stream"), sequence=OuterRef("sequence") + 1
    )
    return Q(~Exists(later))


def _append(entry: AuditEntry) -> AuditEntry:
    sequence, entry.previous_hash = _lock_end(entry.stream)
    entry.sequence = sequence + 1
    entry.entry_hash = entry_hash(entry_document(entry))
    values = [getattr(entry, name) for name in PLAIN_COLUMNS]
    # Nothing is null in JSON here: what there is not is null in SQL.
    before, after = (
        None if value is None else json.dumps(value)
        for value in (entry.before, entry.after)
    )
    with kept_plans() as cursor:
        cursor.execute(INSERT_ENTRY, [*values, before, after])
        (entry.pk,) = cursor.fetchone()
    entry._state.adding = False
    return entry


def _lock_end(stream: str) -> tuple[int, str | None]:
    """Lock a stream; return the newest entry's number and hash, or 0 and None."""
    # A chain has one end, so its writers take turns, until their transactions end. A
    # new stream has no row to lock. Two names with one hash only wait needlessly.
    # Two statements in one message: the second sees what was committed while the
    # first one waited, and under the lock nobody else can add.
    with connection.cursor() as cursor:
        cursor.execute(LOCK_END, [LOCK_NAMESPACE, stream, stream])
        cursor.nextset()
        return cursor.fetchone() or (0, None)


def _to_milliseconds(moment: dt.datetime) -> dt.datetime:
    # What is hashed must be what the exported document says, which has no more.
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
