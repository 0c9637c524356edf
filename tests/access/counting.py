"""What a request changed, counted from the database and not from its answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import connection, transaction

WRITTEN = """
    SELECT relname, rows FROM (
        SELECT relname, pg_stat_get_xact_tuples_inserted(oid)
            + pg_stat_get_xact_tuples_updated(oid)
            + pg_stat_get_xact_tuples_deleted(oid) AS rows
        FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
    ) AS tables WHERE rows > 0
"""
"""Rows that this transaction wrote, given up or not; none: nothing changed.

As pg_stat_xact_user_tables tells it, which asks for all else that it knows as well.
"""
LEDGER = "evidence_notedread"
"""Notes who looked, and so is written by what is only read."""
CONTENT = """
    SELECT coalesce(md5(string_agg(line, '' ORDER BY line)), '')
    FROM (SELECT md5(one::text) AS line FROM {table} AS one) AS lines
"""


@dataclass
class Change:
    """The tables that are not as they were; filled when the request is answered."""

    tables: set[str] = field(default_factory=set)


@contextmanager
def taken_back() -> Iterator[Change]:
    """Note what changes inside, and take it back."""
    change = Change()
    with transaction.atomic():
        before = _written()
        touched: set[str] = set()
        with transaction.atomic():
            yield change
            after = _written()
            touched = {name for name in after if after[name] != before.get(name)}
            now = _contents(touched)
            transaction.set_rollback(True)
        was = _contents(touched)
        change.tables |= {name for name in touched if was[name] != now[name]}
        transaction.set_rollback(True)


def _written() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(WRITTEN)
        return {name: count for name, count in cursor if name != LEDGER}


def _contents(tables: set[str]) -> dict[str, str]:
    """Return a digest of every row of the tables."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(tables):
            cursor.execute(CONTENT.format(table=connection.ops.quote_name(table)))
            found[table] = str(cursor.fetchone()[0])
    return found
