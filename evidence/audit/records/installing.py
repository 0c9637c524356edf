"""Putting the recording triggers on tables, after every `migrate`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from evidence.audit.records.comparing import SESSION, digest_query
from evidence.audit.records.tables import RecordedTable, find_recorded_tables

JOURNAL = "evidence_recordedrow"
TRIGGER = """
    CREATE OR REPLACE TRIGGER {trigger} AFTER {when}
    EXECUTE FUNCTION {function}({arguments})
"""
WORKING_QUERY = """
    SELECT relname, tgname, proname, tgargs, tgtype FROM pg_trigger
      JOIN pg_class ON pg_class.oid = tgrelid
      JOIN pg_proc ON pg_proc.oid = tgfoid
     WHERE tgname = ANY (%s) AND tgenabled IN ('O', 'A')
       AND tgqual IS NULL AND tgattr = ''
       AND relnamespace = 'public'::regnamespace
"""


@dataclass(frozen=True)
class Recording:
    """A trigger that records rows: its name, its function, and when it is called."""

    name: str
    function: str
    when: str
    kind: int
    """What PostgreSQL notes of `when`, in `pg_trigger.tgtype`."""


ADDED = "INSERT ON {table} REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
CHANGES = Recording(
    "casefile_recorded",
    "casefile_record_row",
    "UPDATE OR DELETE ON {table} FOR EACH ROW",
    1 | 8 | 16,
)
# Rows that one statement adds are recorded at once, at two thirds of the cost. Two
# triggers, since PostgreSQL hands the added rows only to a trigger of one operation.
ADDITIONS = Recording("casefile_recorded_added", "casefile_record_added", ADDED, 4)
GROUPS = Recording("casefile_recorded", "casefile_record_group", ADDED, 4)
Working = dict[str, dict[str, tuple[str, tuple[str, ...], int]]]
"""Of each table, by the trigger's name: function, arguments and kind."""
NOTE_QUERY = """
    INSERT INTO evidence_recordedrow
        (table_name, row_key, operation, recorded_at, role, program, columns)
    SELECT {name}, found.key, 'noted', now(), session_user,
           current_setting('application_name'), found.columns
      FROM ({digests}) AS found
     WHERE NOT EXISTS (SELECT FROM evidence_recordedrow AS known
                        WHERE known.table_name = {name} AND known.row_key = found.key)
"""


def install_recording(using: str = "default", **kwargs: Any) -> None:
    """Record every table from now on; note the rows that there are already.

    Rows are noted only where a table was not recorded before: what is missing later,
    somebody put there past the triggers. Runs as the tables' owner, after `migrate`.
    """
    connection = connections[using]
    if JOURNAL not in connection.introspection.table_names():
        return
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for statement in SESSION:
            cursor.execute(statement)
        existing = set(connection.introspection.table_names(cursor))
        working = find_working_triggers(cursor)
        for table in find_recorded_tables():
            if table.name not in existing or working.get(table.name) == _made(table):
                continue
            for recording in recordings_of(table):
                cursor.execute(_trigger_of(table, recording))
            if table.name not in working:
                note_rows(cursor, table)


def note_rows(cursor: CursorWrapper, table: RecordedTable) -> None:
    """Note every row of a table that nothing is recorded of, as it is now."""
    query = sql.SQL(NOTE_QUERY).format(
        name=sql.Literal(table.name), digests=digest_query(table)
    )
    cursor.execute(query)


def find_unrecorded_tables(cursor: CursorWrapper) -> list[RecordedTable]:
    """Return the tables whose recording is missing, switched off or another one."""
    working = find_working_triggers(cursor)
    return [
        table
        for table in find_recorded_tables()
        if working.get(table.name) != _made(table)
    ]


def find_working_triggers(cursor: CursorWrapper) -> Working:
    """Return each table's recording that is switched on, without a condition."""
    names = sorted({one.name for one in (CHANGES, ADDITIONS, GROUPS)})
    cursor.execute(WORKING_QUERY, [names])
    working: Working = {}
    for table, name, function, arguments, kind in cursor.fetchall():
        words = tuple(bytes(arguments).decode().split("\0")[:-1])
        working.setdefault(table, {})[name] = (function, words, kind)
    return working


def recordings_of(table: RecordedTable) -> tuple[Recording, ...]:
    """Return the triggers that record a table."""
    return (GROUPS,) if table.is_grouped else (CHANGES, ADDITIONS)


def _made(table: RecordedTable) -> dict[str, tuple[str, tuple[str, ...], int]]:
    arguments = (table.key, *table.left_out)
    return {
        one.name: (one.function, arguments, one.kind) for one in recordings_of(table)
    }


def _trigger_of(table: RecordedTable, recording: Recording) -> sql.Composed:
    arguments = sql.SQL(", ").join(map(sql.Literal, (table.key, *table.left_out)))
    name = sql.Identifier(table.name)
    return sql.SQL(TRIGGER).format(
        trigger=sql.Identifier(recording.name),
        when=sql.SQL(recording.when).format(table=name),
        function=sql.Identifier(recording.function),
        arguments=arguments,
    )
