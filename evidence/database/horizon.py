"""Which rows were written since another reading, by the database's own numbers.

A moment in a column is taken before its transaction commits: who asks for what is
newer than the last reading misses what was begun before it and committed after. Every
row carries the number of the transaction that wrote it (`xmin`), and a snapshot knows
the lowest number that was still under way. What is at or above it, the reading may
have missed; all else it has seen. A row may so come twice, and none is lost. A replica
has its primary's numbers, and its snapshots know what it has not got yet.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connection
from django.db.models import F, Func, IntegerField, Model, QuerySet, Value
from django.db.models.lookups import LessThanOrEqual

from evidence.database.reading import leave_replica
from evidence.database.standing import TIMELINE

Row = TypeVar("Row", bound=Model)
LONGEST_TEXT = 200
COMPARABLE = 2**31 - 10_000_000
"""How far apart two numbers may be: rows keep their lowest 32 bits."""
READ = f"""
    SELECT system_identifier::text || '-' ||
           CASE WHEN pg_is_in_recovery() THEN {TIMELINE}
                ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END,
           (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
           pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint
      FROM pg_control_system(), pg_control_recovery()
"""  # noqa: S608  (nothing of anybody's is in it)


class HorizonUnknown(Exception):
    """A horizon of another database, of one that was put back, or far too old."""


@dataclass(frozen=True)
class Horizon:
    """Every transaction below `number` had ended; `place` is whose numbers these are.

    The place names the server, its timeline (a server that was put back or failed over
    begins another, and may use numbers again) and the database. `newest` is above all
    numbers that were given out when this was read; zero for one that was given back.
    """

    place: str
    number: int
    newest: int = 0

    def encode(self) -> str:
        text = json.dumps([self.place, self.number], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_horizon(*passed: Horizon) -> Horizon:
    """Return how far a reading that begins now sees. Read it before the rows.

    A replica that is not as far as horizons that were given out has not got all that a
    reader takes for seen by then: the request goes on at the primary.
    """
    now = _read_horizon()
    if any(now.number < other.number for other in passed) and leave_replica():
        now = _read_horizon()
    return now


def _read_horizon() -> Horizon:
    with connection.cursor() as cursor:
        cursor.execute(READ)
        server, database, number, newest = cursor.fetchone()
    return Horizon(f"{server}-{database}", number, newest)


def decode_horizon(text: str) -> Horizon:
    """Return a horizon that was given out earlier; raise HorizonUnknown for others."""
    try:
        if len(text) > LONGEST_TEXT:
            raise HorizonUnknown
        padded = text + "=" * (-len(text) % 4)
        place, number = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise HorizonUnknown from error
    if not isinstance(place, str) or type(number) is not int:
        raise HorizonUnknown
    return Horizon(place, number)


def written_since(
    rows: QuerySet[Row], horizon: Horizon, *, now: Horizon
) -> QuerySet[Row]:
    """Keep rows that a reading with this horizon may not have seen as they are now.

    Raise HorizonUnknown where the two cannot be compared: everything has to be read.
    """
    distance = now.newest - horizon.number
    if horizon.place != now.place or not 0 <= distance < COMPARABLE:
        raise HorizonUnknown
    number = str(horizon.number % 2**32)
    return rows.filter(LessThanOrEqual(RowAge(F("pk")), NumberAge(Value(number))))


class RowAge(Func):
    """How many transactions ago a row was written."""

    output_field = IntegerField()

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, **context: Any
    ) -> tuple[str, list[Any]]:
        column: Any = self.source_expressions[0]
        table = compiler.quote_name_unless_alias(column.alias)
        return f'age({table}."xmin")', []


class NumberAge(Func):
    """How many transactions ago a number was given."""

    output_field = IntegerField()
    template = "age(%(expressions)s::text::xid)"
