"""Lists in bulk: a row a line, sent while it is read, in memory that does not grow.

A stream is a long page. Where it ends is settled before its first byte, by the key of
its last row: the header `Link` can so say where the next begins, and a stream that
broke off is asked for again as it was.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from django.db.models import Q, QuerySet
from django.http import StreamingHttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.utils.encoders import JSONEncoder

from evidence.api.base.pagination import KeysetPagination, beyond_row, read_count
from evidence.keyset import find_last, take_slice
from evidence.loading import load_people
from evidence.spreadsheets import safe_cell

BATCH_ROWS = 500
STREAM_ROWS = 10_000
LONGEST_STREAM = 100_000
"""What one request may hold a worker with; the next goes on where it ended."""
AS_OF_HEADER = "Casefile-As-Of"


class NdjsonRenderer(JSONRenderer):
    """Lets a client ask for a row a line; what goes wrong is still told as JSON."""

    media_type = "application/x-ndjson"
    format = "ndjson"


class CsvRenderer(JSONRenderer):
    """Lets a client ask for a table; what goes wrong is still told as JSON."""

    media_type = "text/csv"
    format = "csv"


STREAMED = (NdjsonRenderer, CsvRenderer)


def stream_list(view: Any, request: Request) -> StreamingHttpResponse:
    """Answer a list as a stream of its rows, in the format that was asked for."""
    paginator = StreamPagination()
    rows = paginator.begin(view.filter_queryset(view.get_queryset()), request, view)
    bounded = paginator.bound(rows)
    renderer = request.accepted_renderer
    write = csv_lines if renderer.format == CsvRenderer.format else json_lines
    fields = list(view.get_serializer(many=True).child.fields)
    shown: list[int] = []
    batches = _noting(paginator.batches(bounded), view.people, shown)
    response = StreamingHttpResponse(
        write(
            fields, (view.get_serializer(batch, many=True).data for batch in batches)
        ),
        content_type=f"{renderer.media_type}; charset=utf-8",
    )
    # Which rows were sent by now, for who writes down what was read.
    vars(response)["shown_keys"] = shown
    if paginator.next_url:
        response["Link"] = f'<{paginator.next_url}>; rel="next"'
    if paginator.as_of:
        response[AS_OF_HEADER] = paginator.as_of
    return response


def _noting(
    batches: Iterator[list[Any]], people: tuple[str, ...], keys: list[int]
) -> Iterator[list[Any]]:
    """Yield the batches with who is named on them, and keep the keys of their rows."""
    for batch in batches:
        load_people(batch, *people)
        keys.extend(row.pk for row in batch)
        yield batch


class StreamPagination(KeysetPagination):
    """Pages of up to 100,000 rows, read in small batches."""

    next_url = ""

    def names(self, view: Any) -> tuple[str, ...]:
        return tuple(view.ordering_fields)

    def bound(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of this page, and note where the next begins."""
        size = read_count(self.request, default=STREAM_ROWS, most=LONGEST_STREAM)
        beyond = self.start(rows.model)
        narrowed = rows if beyond is None else rows.filter(beyond)
        field = self.ordering.lstrip("-")
        keys = narrowed.order_by(*self.order()).values_list(field, "pk")
        last = find_last(keys, size=size)
        if last is None:
            return rows
        value, pk = last
        self.next_url = self.link_to(value, pk)
        return rows.filter(~beyond_row(rows.model, self.ordering, value, pk))

    def batches(self, rows: QuerySet[Any]) -> Iterator[list[Any]]:
        """Yield the page's rows, some at a time, each by a query of its own."""
        beyond: Q | None = self.start(rows.model)
        while True:
            page = take_slice(
                rows, ordering=self.order(), size=BATCH_ROWS, beyond=beyond
            )
            if page.rows:
                yield page.rows
            if not page.has_next:
                return
            last = page.rows[-1]
            value = getattr(last, self.ordering.lstrip("-"))
            beyond = beyond_row(rows.model, self.ordering, value, last.pk)


Batches = Iterator[list[dict[str, Any]]]
Lines = Callable[[list[str], Batches], Iterator[str]]


def json_lines(fields: list[str], batches: Batches) -> Iterator[str]:
    """Yield the text of each batch: an object a line."""
    for batch in batches:
        yield "".join(f"{_json(row)}\n" for row in batch)


def csv_lines(fields: list[str], batches: Batches) -> Iterator[str]:
    """Yield a table's text: the line of names first, then the lines of each batch."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(fields)
    for batch in batches:
        writer.writerows([_cell(row[name]) for name in fields] for row in batch)
        yield _take(out)
    yield _take(out)


def _take(out: io.StringIO) -> str:
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text


def _cell(value: Any) -> str:
    """Return what a cell holds: nothing for null, JSON for what is no text."""
    if value is None:
        return ""
    return safe_cell(value if isinstance(value, str) else _json(value))


def _json(value: Any) -> str:
    return json.dumps(value, cls=JSONEncoder, ensure_ascii=False, separators=(",", ":"))
