"""Sealing what was recorded into the audit history, range by range.

A record stands in the database like any other row. A seal is an audit entry with the
SHA-256 over a range of records; its chain, its heads and its exports hold it. So a
record that is changed, added to a sealed range or taken out of it is found, and what is
younger than the last seal is what a superuser could still forge: a minute, by default.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from evidence.audit.history import record_entry
from evidence.audit.records.comparing import SESSION, RecordFault
from evidence.models import AuditEntry, RecordedRow

STREAM = "records"
SEALED = "records.sealed"
RANGE_SIZE = 10_000
WAIT_SECONDS = 2.0
LOCK_KEY = 0x0CA5E5EA
JOURNAL = "evidence_recordedrow"
RANGE_QUERY = """
    SELECT count(*), COALESCE(max(id), 0), encode(sha256(convert_to(COALESCE(string_agg(
               encode(sha256(convert_to(jsonb_build_array(
                   id, table_name, row_key, operation,
                   floor(extract(epoch FROM recorded_at) * 1000000)::bigint, role,
                   program, columns)::text, 'UTF8')), 'hex'), '' ORDER BY id), ''),
               'UTF8')), 'hex')
      FROM (SELECT * FROM evidence_recordedrow WHERE id > %s AND id <= %s
             ORDER BY id LIMIT %s) AS rows
"""
NEWEST_QUERY = "SELECT COALESCE(max(id), 0) FROM evidence_recordedrow"
WRITERS_QUERY = """
    SELECT virtualtransaction FROM pg_locks
     WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted
       AND relation = 'public.evidence_recordedrow'::regclass
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND pid <> pg_backend_pid()
"""
"""A transaction that wrote a record holds this lock until its transaction ends."""


@dataclass(frozen=True)
class Seal:
    """A sealed range of records: after `first_id`, up to and with `last_id`."""

    first_id: int
    last_id: int
    row_count: int
    sha256_hex: str


def seal_records() -> int:
    """Seal every record that is final, and return how many; 0 where others write long.

    Records up to one that can be seen are final when every transaction that was
    writing any then has ended: none can still come in between.
    """
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_QUERY)
        newest = int(cursor.fetchone()[0])
    # In this order: who was given a smaller number is among the writers, or is seen.
    if not _have_ended(_list_writers()):
        return 0
    return _seal_up_to(newest)


@transaction.atomic
def _seal_up_to(newest: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
    sealed, last = 0, _last_sealed()
    while last < newest:
        seal = _compute(last, newest)
        if seal.row_count == 0:
            break
        record_entry(
            streams=[STREAM],
            action=SEALED,
            actor=None,
            obj=RecordedRow.everything.get(pk=seal.last_id),
            after={
                "after_id": seal.first_id,
                "last_id": seal.last_id,
                "rows": seal.row_count,
                "sha256": seal.sha256_hex,
            },
            now=timezone.now(),
        )
        sealed, last = sealed + seal.row_count, seal.last_id
    return sealed


def find_broken_seals() -> Iterator[RecordFault]:
    """Yield the sealed ranges whose records are not those that were sealed."""
    last = 0
    entries = AuditEntry.everything.filter(stream=STREAM, action=SEALED)
    for entry in entries.order_by("sequence").iterator():
        said = _read_seal(entry)
        found = _compute(said.first_id, said.last_id)
        if said.first_id != last or found != said:
            yield RecordFault(
                JOURNAL,
                f"{said.first_id + 1}-{said.last_id}",
                "seal_broken",
                f"the records {said.first_id + 1} to {said.last_id} are not those that "
                f"were sealed (entry {entry.sequence} of {STREAM}): "
                f"{said.row_count} were sealed, {found.row_count} are there",
            )
        last = said.last_id


def _compute(after_id: int, up_to: int) -> Seal:
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in SESSION:
            cursor.execute(statement)
        cursor.execute(RANGE_QUERY, [after_id, up_to, RANGE_SIZE])
        rows, last_id, sha256_hex = cursor.fetchone()
    return Seal(after_id, last_id, rows, sha256_hex)


def _last_sealed() -> int:
    entries = AuditEntry.everything.filter(stream=STREAM, action=SEALED)
    newest = entries.order_by("-sequence").first()
    return _read_seal(newest).last_id if newest else 0


def _read_seal(entry: AuditEntry) -> Seal:
    said: Any = entry.after
    return Seal(said["after_id"], said["last_id"], said["rows"], said["sha256"])


def _have_ended(writers: set[str]) -> bool:
    """Return whether these transactions have ended, or soon did."""
    ends_at = time.monotonic() + WAIT_SECONDS
    while writers and (writers := writers & _list_writers()):
        if time.monotonic() >= ends_at:
            return False
        time.sleep(0.05)
    return True


def _list_writers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(WRITERS_QUERY)
        return {writer for (writer,) in cursor.fetchall()}
