"""Pages by key: as quick at the end of a long table as at its beginning.

A page starts beyond a key, not after so many rows: rows that come in while somebody
pages neither repeat nor hide others. The last field of an ordering has to be unique.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class KeysetSlice(Generic[Row]):
    """Rows in the order asked for, and whether there are more on either side."""

    rows: list[Row]
    has_previous: bool
    has_next: bool


def take_slice(
    rows: QuerySet[Row],
    *,
    ordering: tuple[str, ...],
    size: int,
    beyond: Q | None = None,
    backwards: bool = False,
) -> KeysetSlice[Row]:
    """Return up to `size` rows that lie `beyond` a key; None begins at an end.

    `backwards` takes the rows nearest to the key from the other side. One query, one
    row longer than the page: it says whether more follow. That there are rows on the
    side one came from is taken as given.
    """
    order = tuple(map(_turn_round, ordering)) if backwards else ordering
    narrowed = rows if beyond is None else rows.filter(beyond)
    found = list(narrowed.order_by(*order)[: size + 1])
    ahead, behind = len(found) > size, beyond is not None
    kept = found[:size]
    if backwards:
        return KeysetSlice(kept[::-1], has_previous=ahead, has_next=behind)
    return KeysetSlice(kept, has_previous=behind, has_next=ahead)


def find_last(keys: QuerySet[Any, Any], *, size: int) -> Any:
    """Return the key of a page's last row; None where no row follows the page."""
    found = list(keys[size - 1 : size + 1])
    return found[0] if len(found) > 1 else None


def _turn_round(field: str) -> str:
    return field.removeprefix("-") if field.startswith("-") else f"-{field}"
