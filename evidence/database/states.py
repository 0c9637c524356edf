"""Which tables have a row in some state: one statement for many of them.

A sweep looks every few seconds for what hardly ever waits. Asked table by table, its
statements took more time at rest than all else that workers do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache

from django.db.models import Model
from psycopg import sql

from evidence.database.plans import kept_plans


def find_in_states(
    wanted: Mapping[type[Model], Collection[str]],
) -> set[type[Model]]:
    """Return the models that have a row whose `state` is one of those named for it.

    Where there is none, an index of the rows in these states keeps the whole table from
    being read.
    """
    if not wanted:
        return set()
    models = list(wanted)
    named = ((model._meta.db_table, tuple(map(str, wanted[model]))) for model in models)
    with kept_plans() as cursor:
        cursor.execute(_statement(*named))
        return {models[place] for (place,) in cursor.fetchall()}


@cache
def _statement(*wanted: tuple[str, tuple[str, ...]]) -> str:
    """Return it for tables and their states.

    These are written out: an index of the rows in some states serves only so.
    """
    return (
        sql.SQL(" UNION ALL ")
        .join(
            sql.SQL(
                "SELECT {} WHERE EXISTS (SELECT 1 FROM {} WHERE state IN ({}))"
            ).format(
                sql.Literal(place),
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Literal, states)),
            )
            for place, (table, states) in enumerate(wanted)
        )
        .as_string()
    )
