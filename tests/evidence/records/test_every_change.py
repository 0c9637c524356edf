"""Every single change of every recorded column, and every row, is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from psycopg import sql

from evidence.audit.records.checking import find_record_faults
from evidence.audit.records.installing import recordings_of
from evidence.audit.records.tables import RecordedTable
from tests.evidence.records.test_recording import TABLES, faults_of
from tests.pages.world import make_everything
from tests.shared import share

pytestmark = pytest.mark.long

OTHER_VALUES = """
    SELECT attname, format_type(atttypid, NULL), NOT attnotnull FROM pg_attribute
     WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
       AND attgenerated = '' ORDER BY attnum
"""
CHANGES = {
    "text": "{c} || 'x'",
    "character varying": "CASE WHEN {c} = 'x' THEN 'y' ELSE 'x' END",
    "boolean": "NOT {c}",
    "integer": "{c} + 1",
    "smallint": "{c} + 1",
    "bigint": "{c} + 1",
    "double precision": "{c} + 0.25",
    "timestamp with time zone": "{c} + interval '1 microsecond'",
    "date": "{c} + 1",
    "time without time zone": "{c} + interval '1 second'",
    "jsonb": "jsonb_build_array({c})",
    "inet": "'203.0.113.78'",
    "uuid": "'00000000-0000-4000-8000-00000000cafe'",
    "bytea": "{c} || '\\x00'",
    "numeric": "{c} + 1",
}
"""Another value of each type; NULL becomes one, in a column that may be NULL."""
FROM_NULL = {
    "text": "'x'",
    "character varying": "'x'",
    "boolean": "true",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "time without time zone": "'12:00'",
    "jsonb": "'{}'",
    "inet": "'203.0.113.77'",
    "uuid": "'00000000-0000-4000-8000-00000000beef'",
    "bytea": "'\\x00'",
}


def columns_of(table: RecordedTable) -> list[tuple[str, str, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(OTHER_VALUES, [f'public."{table.name}"'])
        found = cursor.fetchall()
    kept_out = {*table.left_out, "id"}
    return [one for one in found if one[0] not in kept_out]


class Undone(Exception):
    """Takes a change back: each is found on its own."""


def found_by(table: RecordedTable, change: Callable[[], None]) -> list[Any]:
    """Make a change, and return what is found of it; the change is taken back."""
    found: list[Any] = []
    try:
        with transaction.atomic():
            change()
            found = faults_of(table)
            raise Undone
    except Undone:
        return found


def change_of(table: RecordedTable, column: str, kind: str) -> Callable[[], None]:
    base = kind.partition("(")[0]
    template = CHANGES.get(base, "{c}")
    if base.endswith("[]"):
        template = "array_append({c}, NULL)"
    quoted = f'"{column}"'
    empty = "'{}'" if base.endswith("[]") else FROM_NULL.get(base, "1")
    value = f"(CASE WHEN {quoted} IS NULL THEN {empty}::{kind} ELSE ("
    value += template.format(c=quoted) + f")::{kind} END)"
    key = "id" if table.is_grouped else table.key
    statement = (
        f'UPDATE "{table.name}" SET {quoted} = {value} '
        f'WHERE "{key}" = (SELECT min("{key}") FROM "{table.name}")'
    )
    return lambda: without_constraints(statement)


def without_constraints(statement: str) -> None:
    """Run SQL as a superuser who stops at nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(statement)
        cursor.execute("SET session_replication_role = DEFAULT")


def make_strange_world() -> None:
    """Fill every table, and drop the checks that would refuse a strange value."""
    make_everything()
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype IN ('c', 'u', 'f')"
            " AND connamespace = 'public'::regnamespace"
        )
        for table, name in cursor.fetchall():
            cursor.execute(
                sql.SQL("ALTER TABLE {} DROP CONSTRAINT {} CASCADE").format(
                    sql.SQL(table), sql.Identifier(name)
                )
            )
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index"
            " JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE indisunique AND NOT indisprimary"
            " AND relnamespace = 'public'::regnamespace"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP INDEX {}").format(sql.SQL(name)))
        for table in TABLES.values():
            fill_if_empty(cursor, table)


def fill_if_empty(cursor: Any, table: RecordedTable) -> None:
    """Insert a row of made-up values, past every trigger but the recording."""
    cursor.execute(f'SELECT EXISTS (SELECT FROM "{table.name}")')
    if cursor.fetchone()[0]:
        return
    cursor.execute(f'ALTER TABLE "{table.name}" DISABLE TRIGGER USER')
    for recording in recordings_of(table):
        cursor.execute(f'ALTER TABLE "{table.name}" ENABLE TRIGGER {recording.name}')
    cursor.execute(OTHER_VALUES, [f'public."{table.name}"'])
    columns = [(name, kind) for name, kind, _ in cursor.fetchall() if name != "id"]
    names = ", ".join(f'"{name}"' for name, _ in columns)
    values = ", ".join(
        f"""({"'{}'" if kind.endswith("[]") else FROM_NULL.get(kind, "1")})::{kind}"""
        for _, kind in columns
    )
    cursor.execute(f'INSERT INTO "{table.name}" ({names}) VALUES ({values})')


_kept, world, _django_db_helper, evidence_folder = share(make_strange_world)


@pytest.mark.walk
def test_every_single_change_of_a_recorded_column_is_found(world: None) -> None:
    assert list(find_record_faults()) == []
    missed, tried = [], 0
    for table in TABLES.values():
        for column, kind, _ in columns_of(table):
            if column == table.key:
                continue
            tried += 1
            faults = found_by(table, change_of(table, column, kind))
            if not any(column in fault.columns for fault in faults):
                missed.append((table.name, column, kind))
    assert missed == []
    assert tried > 500


def test_every_row_that_is_taken_away_or_added_is_found(world: None) -> None:
    missed = []
    for table in TABLES.values():
        key = "id" if table.is_grouped else table.key
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT max("{key}")::text FROM "{table.name}"')
            newest = cursor.fetchone()[0]
        gone = f'DELETE FROM "{table.name}" WHERE "{key}"::text = \'{newest}\''
        if not found_by(table, lambda gone=gone: without_constraints(gone)):
            missed.append(("taken away", table.name))
        forgotten = (
            "DELETE FROM evidence_recordedrow WHERE table_name = "
            f"'{table.name}' AND row_key = (SELECT \"{table.key}\"::text FROM "
            f'"{table.name}" LIMIT 1)'
        )
        if not found_by(table, lambda one=forgotten: without_constraints(one)):
            missed.append(("added", table.name))
    assert missed == []
