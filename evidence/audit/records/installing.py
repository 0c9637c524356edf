"""Putting the recording triggers on tables, after every `migrate`."""

from __future__ import annotations

from typing import Any

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from evidence.audit.records.comparing import SESSION, digest_query
from evidence.audit.records.tables import RecordedTable, find_recorded_tables

TRIGGER = "casefile_recorded"
JOURNAL = "evidence_recordedrow"
ROW_TRIGGER = """
    CREATE OR REPLACE TRIGGER {trigger} AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION casefile_record_row({arguments})
"""
GROUP_TRIGGER = """
    CREATE OR REPLACE TRIGGER {trigger} AFTER INSERT ON {table}
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION casefile_record_group({arguments})
"""
WORKING_QUERY = """
    SELECT relname, proname, tgargs FROM pg_trigger
      JOIN pg_class ON pg_class.oid = tgrelid
      JOIN pg_proc ON pg_proc.oid = tgfoid
     WHERE tgname = %s AND tgenabled IN ('O', 'A')
       AND relnamespace = 'public'::regnamespace
"""
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
            cursor.execute(_trigger_of(table))
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


def find_working_triggers(
    cursor: CursorWrapper,
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return (function, arguments) of each table's recording that is switched on."""
    cursor.execute(WORKING_QUERY, [TRIGGER])
    return {
        table: (function, tuple(bytes(arguments).decode().split("\0")[:-1]))
        for table, function, arguments in cursor.fetchall()
    }


def _made(table: RecordedTable) -> tuple[str, tuple[str, ...]]:
    function = "casefile_record_group" if table.is_grouped else "casefile_record_row"
    return function, (table.key, *table.left_out)


def _trigger_of(table: RecordedTable) -> sql.Composed:
    arguments = sql.SQL(", ").join(map(sql.Literal, (table.key, *table.left_out)))
    return sql.SQL(GROUP_TRIGGER if table.is_grouped else ROW_TRIGGER).format(
        trigger=sql.Identifier(TRIGGER),
        table=sql.Identifier(table.name),
        arguments=arguments,
    )
