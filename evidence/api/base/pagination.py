"""Pages that stay put: a cursor names the last row seen, not how many there were.

Rows that come in while somebody pages neither repeat nor hide others. Rows are ordered
by one field and then by id, so that equal values cannot change places either.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError as FieldError
from django.db.models import Model, Q
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.api.base.orderings import column_at, lookup_of, value_at
from evidence.database.horizon import (
    Horizon,
    HorizonUnknown,
    decode_horizon,
    read_horizon,
    written_since,
)
from evidence.keyset import take_slice
from evidence.models.case_bound import listed
from evidence.storable_values import BIGINT_MAX
from evidence.text import is_storable

PAGE_SIZE = 50
LARGEST_PAGE = 500
CURSOR_LENGTH = 500
SIZE = "Rows in a page: at most 500, of a stream at most 100,000."
SINCE = (
    "The `as_of` of an earlier reading: rows written since come, changed ones too. "
    "Empty for all rows, and an `as_of` to begin with."
)
AS_OF = "Where `modified_since` was given: what to give next time."
READ_ALL = (
    "Not an `as_of` of this database as it is now: it was put back, moved, or is far "
    "ahead. Read everything again, with an empty modified_since."
)
FIRST_PAGE = "Follow `next` as it is; a first page has no as_of, a later one always."


@dataclass(frozen=True)
class Cursor:
    """The row that a page starts after; `backwards` leads to the page before it."""

    ordering: str
    value: str | None
    pk: int
    backwards: bool

    def encode(self) -> str:
        fields = [self.ordering, self.value, self.pk, int(self.backwards)]
        text = json.dumps(fields, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decode_cursor(text: str, *, ordering: str) -> Cursor:
    """Return the cursor; raise ValidationError for one that this list did not give."""
    try:
        padded = text + "=" * (-len(text) % 4)
        named, value, pk, backwards = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise _bad_cursor() from error
    is_text = value is None or (isinstance(value, str) and is_storable(value))
    is_key = type(pk) is int and 0 < pk <= BIGINT_MAX
    if named != ordering or not is_text or not is_key:
        raise _bad_cursor()
    return Cursor(ordering, value, pk, bool(backwards))


def _bad_cursor() -> ValidationError:
    return ValidationError(
        {"cursor": "Not a cursor of this list and ordering: start at the first page."},
        code="invalid_cursor",
    )


class KeysetPagination(BasePagination):
    """`?cursor=…&page_size=…&ordering=…`; the body is `{next, previous, results}`.

    The view says what it can be ordered by (`ordering_fields`, which are never null,
    and `also_ordered_by`) and how it is unless asked (`default_ordering`).
    """

    def names(self, view: Any) -> tuple[str, ...]:
        """Return what this kind of page can be ordered by."""
        return (*view.ordering_fields, *getattr(view, "also_ordered_by", ()))

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any]:
        queryset = self.begin(queryset, request, view)
        self.size = read_count(request, default=PAGE_SIZE, most=LARGEST_PAGE)
        self.page = take_slice(
            queryset,
            ordering=self.order(),
            size=self.size,
            beyond=self.start(queryset.model),
            backwards=self.cursor is not None and self.cursor.backwards,
        )
        return self.page.rows

    def begin(self, queryset: Any, request: Request, view: Any) -> Any:
        """Read what was asked for; return the rows that were written since."""
        self.request = request
        self.ordering = _read_ordering(request, view, self.names(view))
        self.lookup = lookup_of(view, self.ordering.lstrip("-"))
        self.cursor = self._read_cursor()
        self.as_of = ""
        queryset = listed(queryset)
        if "modified_since" not in request.query_params:
            return queryset
        since, first = _read_since(request, has_cursor=self.cursor is not None)
        now = read_horizon(*filter(None, (since, first)))
        self.as_of = (first or now).encode()
        return queryset if since is None else _written_since(queryset, since, now)

    def get_paginated_response(self, data: Any) -> Response:
        page = self.page
        body = {
            "next": self._link(-1, backwards=False) if page.has_next else None,
            "previous": self._link(0, backwards=True) if page.has_previous else None,
            "results": data,
        }
        return Response({**body, "as_of": self.as_of} if self.as_of else body)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": link,
                "previous": link,
                "results": schema,
                "as_of": {"type": "string", "description": AS_OF},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        names = self.names(view)
        fields = [*names, *(f"-{name}" for name in names)]
        size = {"type": "integer", "minimum": 1, "maximum": 100_000}
        order = {"type": "string", "enum": fields, "default": view.default_ordering}
        return [
            _parameter("cursor", {"type": "string"}, "From `next` or `previous`."),
            _parameter("page_size", {**size, "default": PAGE_SIZE}, SIZE),
            _parameter("ordering", order, _about_order(view)),
            _parameter("modified_since", {"type": "string"}, SINCE),
        ]

    def _read_cursor(self) -> Cursor | None:
        text = self.request.query_params.get("cursor", "")
        if not text:
            return None
        if len(text) > CURSOR_LENGTH:
            raise _bad_cursor()
        return decode_cursor(text, ordering=self.ordering)

    def order(self) -> tuple[str, ...]:
        """Return the fields that rows are ordered by, the last of them unique."""
        sign = "-" if self.ordering.startswith("-") else ""
        return tuple(dict.fromkeys((f"{sign}{self.lookup}", f"{sign}id")))

    def start(self, model: type[Model]) -> Q | None:
        """Return the rows that the cursor leads to; None for all."""
        if self.cursor is None:
            return None
        descending = self.ordering.startswith("-") != self.cursor.backwards
        return _after(model, self.lookup, self.cursor, descending)

    def _link(self, index: int, *, backwards: bool) -> str | None:
        if not self.page.rows:
            return None
        row = self.page.rows[index]
        value = value_at(row, self.lookup)
        return self.link_to(value, row.pk, backwards=backwards)

    def link_to(self, value: Any, pk: int, *, backwards: bool = False) -> str:
        """Return the address of the page that begins after a row."""
        parameters = self.request.query_params.copy()
        cursor = Cursor(self.ordering, _text_of(value), pk, backwards)
        parameters["cursor"] = cursor.encode()
        if self.as_of:
            parameters["as_of"] = self.as_of
        return self.request.build_absolute_uri(
            f"{self.request.path}?{parameters.urlencode()}"
        )


def beyond_row(model: type[Model], ordering: str, value: Any, pk: int) -> Q:
    """Return the rows that come after one with this value and key."""
    cursor = Cursor(ordering, _text_of(value), pk, backwards=False)
    return _after(model, ordering.lstrip("-"), cursor, ordering.startswith("-"))


def _text_of(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _after(model: type[Model], field: str, cursor: Cursor, descending: bool) -> Q:
    """Return the rows that come after the cursor's in this direction."""
    side = "lt" if descending else "gt"
    if field == "id":
        return Q(**{f"id__{side}": cursor.pk})
    further = Q(**{f"id__{side}": cursor.pk})
    if cursor.value is None:
        further &= Q(**{f"{field}__isnull": True})
        return further | Q(**{f"{field}__isnull": False}) if descending else further
    try:
        column, may_be_null = column_at(model, field)
        value = column.to_python(cursor.value)
    except FieldError as error:
        raise _bad_cursor() from error
    # The first condition says nothing new, and lets the database use the field's index.
    found = Q(**{f"{field}__{side}e": value}) & (
        Q(**{f"{field}__{side}": value}) | further
    )
    if may_be_null and not descending:
        found |= Q(**{f"{field}__isnull": True})
    return found


def _about_order(view: Any) -> str:
    text = "A minus sign turns the order round."
    named = ", ".join(view.ordering_fields)
    return (
        f"{text} Of a stream only {named}."
        if getattr(view, "also_ordered_by", ())
        else text
    )


def _read_ordering(request: Request, view: Any, names: tuple[str, ...]) -> str:
    ordering = request.query_params.get("ordering") or view.default_ordering
    if ordering.removeprefix("-") not in names:
        known = ", ".join(names)
        raise ValidationError(
            {"ordering": f"Expected one of {known}, with or without a minus sign."},
            code="invalid_ordering",
        )
    return str(ordering)


def _read_since(
    request: Request, *, has_cursor: bool
) -> tuple[Horizon | None, Horizon | None]:
    """Return what to read from (None: all), and what the first page was as of."""
    text = request.query_params["modified_since"]
    as_of = request.query_params.get("as_of", "")
    if bool(as_of) != has_cursor:
        raise ValidationError({"as_of": FIRST_PAGE}, code="invalid_as_of")
    try:
        first = decode_horizon(as_of) if as_of else None
        return decode_horizon(text) if text else None, first
    except HorizonUnknown as error:
        raise _bad_since() from error


def _written_since(queryset: Any, since: Horizon, now: Horizon) -> Any:
    try:
        return written_since(queryset, since, now=now)
    except HorizonUnknown as error:
        raise _bad_since() from error


def _bad_since() -> ValidationError:
    return ValidationError({"modified_since": READ_ALL}, code="start_anew")


def read_count(request: Request, *, default: int, most: int) -> int:
    """Return how many rows were asked for; raise ValidationError for what is none."""
    text = request.query_params.get("page_size") or str(default)
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not is_number or not 1 <= int(text) <= most:
        raise ValidationError(
            {"page_size": f"Expected a whole number from 1 to {most}."},
            code="invalid_page_size",
        )
    return int(text)


def _parameter(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {
        "name": name,
        "required": False,
        "in": "query",
        "description": text,
        "schema": schema,
    }
