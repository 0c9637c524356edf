"""The audit history: every service writes its entry here, in its own transaction.

One stream for each incident, one for each extension, one for the system. Writers of a
stream take turns on an advisory lock that lasts until their transaction ends, so two
at once leave no gap and no fork; a trigger and a unique constraint hold the database
to the same.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from evidence.access import Actor, name_of
from evidence.audit_chain import SCHEMA, ChainFault, entry_hash, find_chain_faults
from evidence.models import AuditEntry

SYSTEM_STREAM = "system"
LABEL_LENGTH = 300
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LOCK_NAMESPACE = 0x0CA5EF11
"""Keeps these advisory locks apart from any other that shares the database."""


def incident_stream(incident_id: int) -> str:
    return f"incident:{incident_id}"


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
    for stream in sorted(set(streams)):
        entry = AuditEntry(
            stream=stream,
            recorded_at=moment,
            actor=actor,
            actor_name=name_of(actor),
            action=action,
            object_type=obj._meta.label_lower,
            object_id=str(obj.pk),
            object_label=str(obj)[:LABEL_LENGTH],
            reason=reason,
            before=_to_plain(before),
            after=_to_plain(after),
        )
        entries.append(_append(entry))
    return entries


def entry_document(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as the document that is hashed and exported."""
    return {
        "schema": SCHEMA,
        "stream": entry.stream,
        "sequence": entry.sequence,
        "recorded_at_ms": (entry.recorded_at - EPOCH) // dt.timedelta(milliseconds=1),
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


def list_streams() -> list[str]:
    """Return the names of all streams."""
    return list(
        AuditEntry.objects.order_by("stream")
        .values_list("stream", flat=True)
        .distinct()
    )


def verify_stream(stream: str) -> list[ChainFault]:
    """Recompute one stream from its rows; an empty list means that it holds."""
    return list(find_chain_faults(_documents(stream)))


def _append(entry: AuditEntry) -> AuditEntry:
    _lock_stream(entry.stream)
    last = AuditEntry.objects.filter(stream=entry.stream).order_by("-sequence").first()
    entry.sequence = last.sequence + 1 if last else 1
    entry.previous_hash = last.entry_hash if last else None
    entry.entry_hash = entry_hash(entry_document(entry))
    entry.save(force_insert=True)
    return entry


def _to_plain(value: Any) -> Any:
    """Return the value as JSON reads it back: enum members become their text."""
    return json.loads(json.dumps(value))


def _lock_stream(stream: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK_NAMESPACE, stream]
        )


def _documents(stream: str) -> Iterator[dict[str, Any]]:
    rows: Iterable[AuditEntry] = (
        AuditEntry.objects.filter(stream=stream).order_by("sequence").iterator()
    )
    return (entry_document(row) for row in rows)


def _to_milliseconds(moment: dt.datetime) -> dt.datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
