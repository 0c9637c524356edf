"""Holding rows against what was recorded of them, one table at a time.

The database does the hashing, by expressions written here: a function that was replaced
in it does not change what is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from evidence.audit.records.tables import RecordedTable

SESSION = (
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL intervalstyle = 'postgres'",
    # A whole table is read at once, which takes longer than any page may.
    "SET LOCAL statement_timeout = 0",
)
"""As the recording functions have it: the same values are written the same way."""
ROWS = """
    SELECT one.{key}::text AS key,
           (SELECT jsonb_object_agg(part.key, left(encode(sha256(
                       convert_to(part.value::text, 'UTF8')), 'hex'), 16))
              FROM jsonb_each(to_jsonb(one) - {left_out}::text[]) AS part) AS columns
      FROM {table} AS one
"""
GROUPS = """
    SELECT one.{key}::text AS key, jsonb_build_object({digests}) AS columns
      FROM {table} AS one GROUP BY one.{key}
"""
GROUP_DIGEST = """
    {name}, left(encode(sha256(convert_to(string_agg(COALESCE(
        to_jsonb(one.{column})::text, 'NULL'), chr(10) ORDER BY one.id), 'UTF8')),
        'hex'), 16)
"""
COMPARE = """
    WITH newest AS (
        SELECT DISTINCT ON (row_key) row_key, operation, columns
          FROM evidence_recordedrow WHERE table_name = {name}
         ORDER BY row_key, id DESC
    )
    SELECT COALESCE(newest.row_key, found.key), newest.operation, newest.columns,
           found.columns
      FROM newest FULL JOIN ({digests}) AS found ON found.key = newest.row_key
     WHERE newest.columns IS DISTINCT FROM found.columns
     ORDER BY 1
"""
COLUMNS_QUERY = """
    SELECT attname FROM pg_attribute
     WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum
"""


@dataclass(frozen=True)
class RecordFault:
    """One thing that differs: in which table, of which row, and how."""

    table: str
    key: str
    code: str
    message: str
    columns: tuple[str, ...] = ()


def digest_query(table: RecordedTable) -> sql.Composed:
    """Return the query for (key, columns) of what a table holds now."""
    names = {"table": sql.Identifier(table.name), "key": sql.Identifier(table.key)}
    if not table.is_grouped:
        left_out = sql.Literal(list(table.left_out))
        return sql.SQL(ROWS).format(**names, left_out=left_out)
    digests = [
        sql.SQL(GROUP_DIGEST).format(
            name=sql.Literal(column), column=sql.Identifier(column)
        )
        for column in _columns_of(table)
    ]
    return sql.SQL(GROUPS).format(**names, digests=sql.SQL(", ").join(digests))


def compare_table(cursor: CursorWrapper, table: RecordedTable) -> Iterator[RecordFault]:
    """Yield what differs between a table and what was recorded of it."""
    for statement in SESSION:
        cursor.execute(statement)
    query = sql.SQL(COMPARE).format(
        name=sql.Literal(table.name), digests=digest_query(table)
    )
    cursor.execute(query)
    for key, operation, recorded, found in cursor.fetchall():
        fault = _judge(table, key, operation, _load(recorded), _load(found))
        if fault is not None:
            yield fault


def _judge(
    table: RecordedTable,
    key: str,
    operation: str | None,
    recorded: dict[str, str] | None,
    found: dict[str, str] | None,
) -> RecordFault | None:
    what = f"the {table.label} {key}"
    if table.is_grouped:
        what = f"the {table.label} list of {table.key.removesuffix('_id')} {key}"
    if recorded is None:
        why = (
            "was deleted, and is there again"
            if operation
            else "is there, and nothing says that it was ever written"
        )
        return RecordFault(table.name, key, "row_unrecorded", f"{what} {why}")
    if found is None:
        said = f"{what} was written, and is gone without a record of it"
        return RecordFault(table.name, key, "row_missing", said)
    # A column that an update of Casefile added or took away is no difference.
    shared = recorded.keys() & found.keys()
    changed = tuple(
        sorted(column for column in shared if recorded[column] != found[column])
    )
    if not changed:
        return None
    said = f"{what} is not as it was written: {', '.join(changed)}"
    return RecordFault(table.name, key, "row_changed", said, changed)


def _columns_of(table: RecordedTable) -> list[str]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(COLUMNS_QUERY, [f'public."{table.name}"'])
        return [name for (name,) in cursor.fetchall()]


def _load(value: Any) -> dict[str, str] | None:
    """Return a JSON column as an object: the driver may hand it on as text."""
    import json

    return json.loads(value) if isinstance(value, str) else value
