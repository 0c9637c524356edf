"""Pages of a table whose rows are numbered, with the queries that lead to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet

from evidence.keyset import take_slice

PAGE_SIZE = 50
BIGGEST_KEY = 2**31 - 1


@dataclass(frozen=True)
class Page:
    """Rows in order, and the queries that lead to the pages beside this one."""

    rows: list[Any]
    previous: str = ""
    following: str = ""


def keyset_page(
    rows: QuerySet[Any], *, key: str, query: dict[str, str], size: int = PAGE_SIZE
) -> Page:
    """Return the page that a request's query asks for.

    `query` holds `from` (the first key to show) or `before` (the key after the last to
    show), and what else the page's links have to repeat. Two index look-ups at most.
    """
    kept = {k: v for k, v in query.items() if k not in ("from", "before") and v}
    before = _read_key(query.get("before"))
    first = _read_key(query.get("from")) or 0
    if before is not None:
        beyond: Q | None = Q(**{f"{key}__lt": before})
    else:
        beyond = Q(**{f"{key}__gte": first}) if first else None
    found = take_slice(
        rows, ordering=(key,), size=size, beyond=beyond, backwards=before is not None
    )
    if not found.rows:
        return Page([], previous=urlencode(kept) if found.has_previous else "")
    first_key, last_key = (getattr(found.rows[place], key) for place in (0, -1))
    to_previous = {**kept, "before": first_key}
    to_next = {**kept, "from": last_key + 1}
    return Page(
        found.rows,
        previous=urlencode(to_previous) if found.has_previous and first_key else "",
        following=urlencode(to_next) if found.has_next else "",
    )


def _read_key(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(int(text[:12]), BIGGEST_KEY)
