"""Checking every recorded row against its record, nightly and on demand."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from django.apps import apps
from django.db import connection, transaction
from django.utils import timezone
from psycopg import sql

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import record_entry
from evidence.audit.nightly import require_recent
from evidence.audit.records.comparing import (
    SESSION,
    RecordFault,
    compare_table,
    digest_query,
)
from evidence.audit.records.installing import find_unrecorded_tables, note_rows
from evidence.audit.records.kept import find_wrong_outcomes
from evidence.audit.records.pruned import find_unburied
from evidence.audit.records.seals import find_broken_seals, seal_records
from evidence.audit.records.tables import RecordedTable, find_recorded_tables
from evidence.database.reading import Purpose, written_for_reader
from evidence.errors import HealthFailure, RecordsRefused
from evidence.models import RecordCheck, RecordedRow, RowOperation
from evidence.queue.sending import queue_on_commit

log = logging.getLogger(__name__)

PROGRAM = "casefile"
"""What the application calls itself to the database (config/environment/servers.py)."""
KEPT_FAULTS = 200
LOGGED_FAULTS = 20
NOTIFY_CHANGED = "incidents.notify_changed_records"
ELSEWHERE_QUERY = """
    SELECT DISTINCT ON (table_name, row_key)
           table_name, row_key, operation, role, program, recorded_at
      FROM evidence_recordedrow AS one
     WHERE program <> %s AND operation IN ('insert', 'update', 'delete')
       AND NOT EXISTS (SELECT FROM evidence_recordedrow AS later
                        WHERE later.table_name = one.table_name
                          AND later.row_key = one.row_key AND later.id > one.id
                          AND later.operation = 'accepted')
     ORDER BY table_name, row_key, id DESC
"""
LOST_QUERY = """
    SELECT DISTINCT entry.object_id, entry.stream
      FROM evidence_auditentry AS entry
     WHERE entry.object_type = {label}
       AND NOT EXISTS (SELECT FROM {table} AS one
                        WHERE one.{key}::text = entry.object_id)
       AND NOT EXISTS (SELECT FROM evidence_recordedrow AS gone
                        WHERE gone.table_name = {name}
                          AND gone.row_key = entry.object_id
                          AND gone.operation IN ('delete', 'accepted'))
     ORDER BY 1
"""
ACCEPT_QUERY = """
    INSERT INTO evidence_recordedrow
        (table_name, row_key, operation, recorded_at, role, program, columns)
    SELECT {name}, wanted.key, 'accepted', now(), session_user,
           current_setting('application_name'), found.columns
      FROM unnest({keys}::text[]) AS wanted(key)
      LEFT JOIN ({digests}) AS found ON found.key = wanted.key
"""


@written_for_reader(Purpose.CHECK)
def check_records(
    *, actor: Actor, now: dt.datetime | None = None
) -> tuple[RecordCheck, list[RecordFault]]:
    """Compare every recorded row with its record; store and tell what was found.

    Return the stored check, which keeps the first faults, and all of them.
    """
    require_permission(actor, "evidence.view_auditentry")
    started_at = now or timezone.now()
    faults = list(find_record_faults())
    check = _record(actor, started_at, faults)
    for fault in faults[:LOGGED_FAULTS]:
        log.error("records differ: %s in %s %s", fault.code, fault.table, fault.key)
    # What was found now is sealed now: it cannot be put differently afterwards.
    seal_records()
    return check, faults


def find_record_faults() -> Iterator[RecordFault]:
    """Yield everything that differs from what was recorded, in both directions."""
    with connection.cursor() as cursor:
        off = find_unrecorded_tables(cursor)
    for table in off:
        yield RecordFault(
            table.name,
            "",
            "recording_off",
            f"rows of {table.name} are not recorded: the trigger was taken away, "
            "switched off or replaced. Run `manage.py migrate` as the tables' owner",
        )
    for table in find_recorded_tables():
        with transaction.atomic(), connection.cursor() as cursor:
            yield from compare_table(cursor, table)
    yield from find_wrong_outcomes()
    yield from _find_lost_objects()
    yield from find_unburied()
    yield from _find_written_elsewhere()
    yield from find_broken_seals()


def accept_records(*, reason: str, actor: Actor) -> int:
    """Take every row as it is now, after somebody found out why; return how many.

    What was found stays in the checks and the history, with the reason.
    """
    require_permission(actor, "evidence.view_auditentry")
    if not reason.strip():
        raise RecordsRefused("Say why the rows are as they are, and who found out.")
    faults = [fault for fault in find_record_faults() if fault.code in ACCEPTED]
    by_table: dict[str, set[str]] = {}
    for fault in faults:
        by_table.setdefault(fault.table, set()).add(fault.key)
    tables = {table.name: table for table in find_recorded_tables()}
    with transaction.atomic():
        for name, keys in by_table.items():
            _accept(tables[name], sorted(keys))
        if by_table:
            _record_acceptance(by_table, reason, actor)
    return sum(len(keys) for keys in by_table.values())


ACCEPTED = frozenset(
    {
        *("row_changed", "row_missing", "row_unrecorded"),
        *("entry_without_row", "written_elsewhere"),
    }
)


def read_records_health() -> str:
    """Return what the newest check found, for a probe; raise HealthFailure for any.

    Raise HealthWarning where nothing was checked yet, or not for too long.
    """
    check = RecordCheck.objects.first()
    if check is not None and not check.is_passing:
        raise HealthFailure(
            f"record check {check.pk} found {check.fault_count} differences"
        )
    return f"hold, checked {require_recent(check):%Y-%m-%d %H:%M} UTC"


def _find_lost_objects() -> Iterator[RecordFault]:
    """Yield the entries of the history whose row is gone without a record."""
    known = {table.name for table in find_recorded_tables()}
    for model in apps.get_models():
        meta = model._meta
        if meta.db_table not in known or meta.auto_created or meta.pk is None:
            continue
        query = sql.SQL(LOST_QUERY).format(
            label=sql.Literal(meta.label_lower),
            name=sql.Literal(meta.db_table),
            table=sql.Identifier(meta.db_table),
            key=sql.Identifier(str(meta.pk.column)),
        )
        with connection.cursor() as cursor:
            cursor.execute(query)
            for key, stream in cursor.fetchall():
                said = f"{stream} tells of the {meta.verbose_name} {key}, which is gone"
                yield RecordFault(meta.db_table, key, "entry_without_row", said)


def _find_written_elsewhere() -> Iterator[RecordFault]:
    """Yield the rows that another program than Casefile wrote, triggers on."""
    with connection.cursor() as cursor:
        cursor.execute(ELSEWHERE_QUERY, [PROGRAM])
        for table, key, operation, role, program, moment in cursor.fetchall():
            done = RowOperation(operation).label.lower()
            yield RecordFault(
                table,
                key,
                "written_elsewhere",
                f"row {key} of {table} was {done} by the database role {role} with "
                f"{program or 'an unnamed program'}, not by Casefile, at "
                f"{moment:%Y-%m-%d %H:%M} UTC",
            )


def _accept(table: RecordedTable, keys: Sequence[str]) -> None:
    query = sql.SQL(ACCEPT_QUERY).format(
        name=sql.Literal(table.name),
        keys=sql.Literal(list(keys)),
        digests=digest_query(table),
    )
    with connection.cursor() as cursor:
        for statement in SESSION:
            cursor.execute(statement)
        cursor.execute(query)
        note_rows(cursor, table)


def _record_acceptance(
    by_table: dict[str, set[str]], reason: str, actor: Actor
) -> None:
    newest = RecordedRow.everything.latest("id")
    record_entry(
        action="records.accepted",
        actor=actor,
        obj=newest,
        reason=reason,
        after={name: sorted(keys)[:KEPT_FAULTS] for name, keys in by_table.items()},
    )


@transaction.atomic
def _record(
    actor: Actor, started_at: dt.datetime, faults: Sequence[RecordFault]
) -> RecordCheck:
    now = timezone.now()
    check = RecordCheck.objects.create(
        started_at=started_at,
        finished_at=now,
        requested_by=actor,
        table_count=len(find_recorded_tables()),
        row_count=RecordedRow.everything.count(),
        fault_count=len(faults),
        faults=[asdict(fault) for fault in faults[:KEPT_FAULTS]],
    )
    record_entry(
        action="records.checked",
        actor=actor,
        obj=check,
        after={"tables": check.table_count, "faults": len(faults)},
        now=now,
    )
    if faults:
        queue_on_commit(NOTIFY_CHANGED, check.pk)
    return check
