"""Searches of lists: by columns of their own, and by what their rows point at.

What a row points at is looked up first, as keys, and then compared like a column of its
own. A join instead has every row joined before any can be left out: no index answers
an "or" over two tables.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.text import smart_split, unescape_string_literal

LOOKUPS = ("startswith",)
"""What a search field may end in; it is looked for anywhere in the text otherwise."""

FEW = 1000
"""So many keys are compared as values, of which an index can be asked."""


def find_words(rows: QuerySet[Any], fields: Any, term: str) -> QuerySet[Any]:
    """Return the rows that have each word of a term in one of the fields.

    Fields are written as the admin's `search_fields`: `=name` for the whole of it. A
    list without any has no search, and shows all its rows whatever its address asks.
    """
    for word in smart_split(term) if fields else ():
        if word[0] in "\"'" and word[0] == word[-1] and len(word) > 1:
            word = unescape_string_literal(word)
        found = (_finds(rows.model, *_lookup_of(field), word) for field in fields)
        rows = rows.filter(reduce(or_, found))
    return rows


def _lookup_of(field: str) -> tuple[str, str]:
    """Return the path of a search field, and how it is compared."""
    if field.startswith("="):
        return field[1:], "iexact"
    path, _, last = field.rpartition("__")
    return (path, last) if last in LOOKUPS else (field, "icontains")


def _finds(model: Any, path: str, lookup: str, word: str) -> Q:
    first, _, rest = path.partition("__")
    if not rest:
        return Q(**{f"{path}__{lookup}": word})
    column = model._meta.get_field(first)
    towards = column.related_model._base_manager.order_by()
    pointed_at = towards.filter(**{f"{rest}__{lookup}": word}).values_list("pk")
    keys = [key for (key,) in pointed_at[: FEW + 1]]
    # Of many the first rows of the list soon have one, and each is looked up.
    return Q(**{f"{first}__in": keys if len(keys) <= FEW else pointed_at})
