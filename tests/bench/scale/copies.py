"""Copies of the cases that the services made: rows by SQL, as many as are wanted.

Copy n of a row has the row's key plus n times one stride that is greater than every key
there was; so has whatever points at it, by a foreign key or by a number. Texts that
have to be unique get the distance behind them, digests are hashed with it, and moments
are moved back, so that the copies are spread over three years. What belongs to no case
(people, teams, playbooks, rules) is there once. No bytes are stored for a copy, and no
trigger runs: the recorded rows are noted afterwards, as an update of Casefile does.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import connection, transaction

from evidence.audit.records.comparing import SESSION
from evidence.audit.records.installing import note_rows
from evidence.audit.records.tables import find_recorded_tables
from tests.bench.scale.history import copy_history

SPREAD = dt.timedelta(days=3 * 365)
ROOT = "incidents_incident"
ALONGSIDE = ("policy_extension", "policy_extensionversion")
"""Of no case, and yet the more the more cases there are."""
ENTRIES = "evidence_auditentry"
COPIES_AT_ONCE = 100
SUFFIXED = {
    ("incidents_alert", "alert_id"),
    ("incidents_alert", "call_id"),
    ("incidents_notification", "key"),
    ("incidents_postmortempdf", "content_key"),
    ("policy_extension", "extension_id"),
    ("policy_extension", "lookalike_key"),
}
POINTERS = {
    ("incidents_notification", "about_id"),
    ("evidence_tombstone", "row_key"),
}
"""Numbers that are keys of rows, without a foreign key that says so."""

KEYS = """
    SELECT conrelid::regclass::text, attname, confrelid::regclass::text
      FROM pg_constraint JOIN pg_attribute
        ON attrelid = conrelid AND attnum = conkey[1]
     WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""
COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
     WHERE table_schema = 'public' AND is_generated = 'NEVER'
     ORDER BY ordinal_position
"""
INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
      FROM pg_index WHERE NOT indisunique AND indrelid::regclass::text = ANY(%s)
"""


@dataclass(frozen=True)
class Plan:
    """What is copied: table by table, and how each of its columns is written."""

    expressions: dict[str, dict[str, str]]
    stride: int
    numbers: int
    copies: int

    @property
    def step(self) -> dt.timedelta:
        """Return how far copies are apart, in whole seconds: entries keep their ms."""
        return dt.timedelta(seconds=SPREAD.total_seconds() // max(1, self.copies))


def copy_cases(*, cases: int, say: Callable[[str], None], bulk: bool = True) -> Plan:
    """Copy all cases until there are so many; return how it was done.

    `bulk` drops indexes for the time, and vacuums afterwards: not inside a transaction
    of the caller's.
    """
    plan = _plan(cases)
    with transaction.atomic():
        _copy_all(plan, say, bulk=bulk)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)" if bulk else "ANALYZE")
    say("analysed")
    return plan


def _copy_all(plan: Plan, say: Callable[[str], None], *, bulk: bool) -> None:
    """Write all copies or none: half of them would be no cases."""
    tables = [*plan.expressions, ENTRIES]
    dropping = _without_indexes(tables) if bulk else contextlib.nullcontext()
    with dropping, _without_triggers():
        for table in plan.expressions:
            _copy_table(table, plan)
        say(f"{len(plan.expressions)} tables copied")
        copied = copy_history(
            stride=plan.stride,
            numbers=plan.numbers,
            copies=plan.copies,
            step=plan.step,
            moved=set(plan.expressions),
        )
        say(f"{copied:,} audit entries chained")
    _set_counters(tables)
    say("indexes made")
    _note_rows()
    say("rows recorded")


def _plan(cases: int) -> Plan:
    keys, columns = _read_keys(), _read_columns()
    growing = _find_growing(keys)
    stride, numbers = _find_strides([*growing, ENTRIES], columns)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {ROOT}")
        [there] = cursor.fetchone()
    moved = {
        (table, column)
        for table, column, target in keys
        if target in growing or target == ENTRIES
    }
    expressions = {
        table: {
            column: _expression(table, column, kind, (table, column) in moved)
            for column, kind in columns[table]
        }
        for table in growing
    }
    return Plan(expressions, stride, numbers, max(0, -(-cases // there) - 1))


def _expression(table: str, column: str, kind: str, is_moved: bool) -> str:
    """Return the SQL of a column's value in copy `n`."""
    name = f'one."{column}"'
    if is_moved or column == "id" or (table, column) in POINTERS:
        return f"{name} + n * %(stride)s"
    if (table, column) == ("evidence_recordedread", "cases"):
        return f"ARRAY(SELECT x + n * %(stride)s FROM unnest({name}) AS x)"
    if (table, column) == (ROOT, "number"):
        return f"{name} + n * %(numbers)s"
    if (table, column) == (ROOT, "reference"):
        number = "(one.number + n * %(numbers)s)::text"
        padded = f"lpad({number}, greatest(4, length({number})), '0')"
        return f"'SEC-INC-' || one.year || '-' || {padded}"
    if (table, column) in SUFFIXED:
        return f"CASE WHEN {name} = '' THEN '' ELSE {name} || '-' || n * %(stride)s END"
    if column in ("sha256_hex", "document_sha256"):
        hashed = f"encode(sha256(convert_to({name} || n, 'UTF8')), 'hex')"
        return f"CASE WHEN {name} = '' THEN '' ELSE {hashed} END"
    if kind == "timestamp with time zone":
        return f"{name} - (%(copies)s - n) * %(step)s"
    return name


def _find_growing(keys: list[tuple[str, str, str]]) -> list[str]:
    """Return the tables from which keys lead to a case, those that cases grow first."""
    found = [ROOT, *ALONGSIDE]
    for table in found:
        found += sorted(
            {source for source, _, target in keys if target == table} - set(found)
        )
    return found


def _find_strides(
    tables: list[str], columns: dict[str, list[tuple[str, str]]]
) -> tuple[int, int]:
    """Return powers of ten beyond every key, and beyond every number of a case."""
    highest = 0
    with connection.cursor() as cursor:
        for table in tables:
            if "id" in dict(columns[table]):
                cursor.execute(f'SELECT COALESCE(max(id), 0) FROM "{table}"')
                highest = max(highest, cursor.fetchone()[0])
        cursor.execute(f"SELECT max(number) FROM {ROOT}")
        [number] = cursor.fetchone()
    return 10 ** len(str(highest)), 10 ** len(str(number))


def _read_keys() -> list[tuple[str, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(KEYS)
        return cursor.fetchall()


def _read_columns() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        for table, column, kind in cursor.fetchall():
            found.setdefault(table, []).append((column, kind))
    return found


def _copy_table(table: str, plan: Plan) -> None:
    """Insert the copies in the order in which they would have come."""
    names = ", ".join(f'"{column}"' for column in plan.expressions[table])
    values = ", ".join(plan.expressions[table].values())
    order = ", ".join(
        column for column in ("n", "id") if column in ("n", *plan.expressions[table])
    )
    fixed = {
        "stride": plan.stride,
        "numbers": plan.numbers,
        "copies": plan.copies,
        "step": plan.step,
    }
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.templates")
        cursor.execute(f'CREATE TEMPORARY TABLE templates AS SELECT * FROM "{table}"')
        for first in range(1, plan.copies + 1, COPIES_AT_ONCE):
            last = min(plan.copies, first + COPIES_AT_ONCE - 1)
            cursor.execute(
                f'INSERT INTO "{table}" ({names}) SELECT {values}'
                " FROM templates AS one,"
                " generate_series(%(first)s::bigint, %(last)s::bigint) AS n"
                f" ORDER BY {order}",
                {**fixed, "first": first, "last": last},
            )
        cursor.execute("DROP TABLE pg_temp.templates")


@contextlib.contextmanager
def _without_triggers() -> Iterator[None]:
    """Write rows past triggers and foreign keys, which a copy meets, too."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL session_replication_role = replica")
    yield
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = origin")


@contextlib.contextmanager
def _without_indexes(tables: list[str]) -> Iterator[None]:
    """Drop what holds nothing, and build it again from sorted rows: far quicker."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL maintenance_work_mem = '512MB'")
        cursor.execute(INDEXES, [tables])
        found = cursor.fetchall()
        for name, _ in found:
            cursor.execute(f"DROP INDEX {name}")
    yield
    with connection.cursor() as cursor:
        for _, definition in found:
            cursor.execute(definition)


def _set_counters(tables: list[str]) -> None:
    """Let keys and numbers go on behind those of the copies."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(
                "SELECT pg_get_serial_sequence(%s, column_name)"
                "  FROM information_schema.columns"
                " WHERE table_name = %s AND column_name = 'id'",
                [table, table],
            )
            found = cursor.fetchone()
            if found and found[0]:
                cursor.execute(f'SELECT setval(%s, max(id)) FROM "{table}"', found)
        cursor.execute(
            "UPDATE incidents_referencecounter AS one SET last_number = "
            f"(SELECT max(number) FROM {ROOT} WHERE year = one.year)"
        )


def _note_rows() -> None:
    """Note every copy as it is, as is done where recording begins with rows there."""
    with connection.cursor() as cursor:
        for statement in SESSION:
            cursor.execute(statement)
        for table in find_recorded_tables():
            note_rows(cursor, table)
