"""What belongs to rows, loaded at one go and read without a manager for each row.

Django makes a manager and a queryset of its own for each relation of each row that it
prefetches, and for each reading: of 30 cases with their cycles and phases some 400. A
relation that is loaded as `listed` is a list beside its row, and nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model, Prefetch, QuerySet

LISTED = "listed_"


def listed(relation: str, rows: QuerySet[Any] | None = None) -> Prefetch[Any]:
    """Return a prefetch of a relation whose rows are read with `read_listed`."""
    return Prefetch(relation, rows, to_attr=f"{LISTED}{relation}")


def read_listed(row: Model, relation: str) -> Sequence[Any]:
    """Return the rows of a relation: the loaded ones, or ask for them."""
    found: Sequence[Any] | None = vars(row).get(f"{LISTED}{relation}")
    return getattr(row, relation).all() if found is None else found


def load_people(rows: Iterable[Model], *paths: str) -> None:
    """Load who is named on rows in one query, instead of a join for each column.

    A path leads to a column of people through what is loaded already.
    """
    places = [
        (row, row._meta.get_field(path.rpartition("__")[2]))
        for path in paths
        for row in _rows_at(rows, path.split("__")[:-1])
    ]
    keys = {getattr(row, column.attname) for row, column in places} - {None}
    people = User.objects.in_bulk(keys) if keys else {}
    for row, column in places:
        key = getattr(row, column.attname)
        if key is not None and not column.is_cached(row):
            column.set_cached_value(row, people[key])


def _rows_at(rows: Iterable[Any], way: list[str]) -> Iterable[Any]:
    """Return the rows at the end of a way of relations, of one row or many each."""
    for name in way:
        rows = [other for row in rows for other in _others(row, name)]
    return rows


def _others(row: Model, name: str) -> Sequence[Any]:
    relation: Any = row._meta.get_field(name)
    if relation.one_to_many or relation.many_to_many:
        return read_listed(row, name)
    other = getattr(row, name, None)
    return () if other is None else (other,)
