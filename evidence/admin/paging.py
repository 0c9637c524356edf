"""Keyset pages: as quick at the end of a long table as at its beginning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet

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
    if before is not None:
        found = list(
            rows.filter(**{f"{key}__lt": before}).order_by(f"-{key}")[: size + 1]
        )
        shown = found[:size][::-1]
        has_previous, has_following = len(found) > size, True
    else:
        first = _read_key(query.get("from")) or 0
        found = list(rows.filter(**{f"{key}__gte": first}).order_by(key)[: size + 1])
        shown = found[:size]
        has_previous, has_following = first > 0, len(found) > size
    if not shown:
        return Page([], previous=urlencode(kept) if has_previous else "")
    first_key, last_key = getattr(shown[0], key), getattr(shown[-1], key)
    return Page(
        shown,
        previous=urlencode({**kept, "before": first_key})
        if has_previous and first_key > 0
        else "",
        following=urlencode({**kept, "from": last_key + 1}) if has_following else "",
    )


def _read_key(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit():
        return None
    return min(int(text[:12]), BIGGEST_KEY)
