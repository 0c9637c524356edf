"""Lists of any length: counts up to a bound, and pages that go on from a row.

A count of everything, and a page far from the first, cost as much as the table is long.
So a list counts up to COUNTED rows, and says "more than" beyond it. Its pages reach so
far; the last of them links on to the rows after its own, which are found by their place
in the order and not by counting: every page costs what the first one does.

Where most rows are hidden from who is looking, counting up to a bound may read all of
them. There a page is counted and no more: what is read to count is what is shown.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Paginator
from django.db.models import F, Model, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.views import ChangeList

from evidence.models.case_bound import is_sparse, listed
from evidence.storable_values import safe_bigint
from evidence.text import is_storable

COUNTED = 1000
"""So many rows are counted, and paged through by number."""
AFTER_VAR = "after"
GO_ON = "Go on from its end, or narrow the list by a filter."
LONGEST_CURSOR = 2000
UNREADABLE = (
    *(ValueError, TypeError, OverflowError, RecursionError),
    *(binascii.Error, ValidationError),
)


def counted_to(model: Any, per_page: int) -> int:
    """Return how many rows of a list are counted for who is looking."""
    return min(per_page, COUNTED) if is_sparse(model) else COUNTED


class CountedPaginator(Paginator):
    """Counts no further than `most` rows; `is_more` says that there are more."""

    template_name = "evidence/list_pages.html"

    @cached_property
    def most(self) -> int:
        rows: Any = self.object_list
        return counted_to(rows.model, self.per_page)

    @cached_property
    def counted(self) -> int:
        """Count the rows; one more than `most` stands for any more."""
        rows: Any = self.object_list
        # In their order, where what the page reads is all that may be read.
        counted = rows.order_by() if self.most == COUNTED else rows
        return int(counted[: self.most + 1].count())

    @property
    def is_more(self) -> bool:
        return self.counted > self.most

    @cached_property
    def count(self) -> int:
        return min(self.counted, self.most)

    @property
    def said_count(self) -> str:
        """The count in words: "more than 1,000" beyond what is counted."""
        return f"more than {self.most:,}" if self.is_more else f"{self.count:,}"


class LongChangeList(ChangeList):
    """A list of the admin that goes on after a row, which its address names."""

    page_num: int

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.after = request.GET.get(AFTER_VAR, "")
        super().__init__(request, *args, **kwargs)

    def get_filters_params(self, params: Any = None) -> dict[str, Any]:
        found: dict[str, Any] = super().get_filters_params(params)
        found.pop(AFTER_VAR, None)
        return found

    def get_query_string(self, new_params: Any = None, remove: Any = None) -> str:
        """Return the address's query; another filter or order begins at the start."""
        if PAGE_VAR in (new_params or {}) or AFTER_VAR in (new_params or {}):
            return str(super().get_query_string(new_params, remove))
        return str(super().get_query_string(new_params, [*(remove or ()), AFTER_VAR]))

    def get_queryset(self, request: HttpRequest, *args: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = listed(super().get_queryset(request, *args))
        return go_on_after(rows, self.after) if self.after else rows

    def get_results(self, request: HttpRequest) -> None:
        last = -(-counted_to(self.model, self.list_per_page) // self.list_per_page)
        is_beyond = self.page_num > last
        self.page_num = min(self.page_num, last)
        super().get_results(request)
        if is_beyond:
            messages.warning(
                request,
                f"{_numbered(last)} {GO_ON}",
            )
        if self.paginator.is_more:
            if self.paginator.num_pages == 1:
                # The admin takes what it counted for all there is.
                self.result_list = self.queryset[: self.list_per_page]
                self.can_show_all, self.multi_page = False, True
            # What is told of all rows, or offered for all of them, would be untrue.
            self.result_count = len(self.result_list)
        if self.paginator.is_more or not (self.query or self.has_active_filters):
            self.full_result_count = self.result_count

    @property
    def start_query(self) -> str:
        """The address's query for the first rows, where these are later ones."""
        return self.get_query_string() if self.after else ""

    @property
    def next_query(self) -> str:
        """The address's query for the rows after this page, the last with a number."""
        is_last = self.page_num == self.paginator.num_pages
        rows = list(self.result_list)
        if not (is_last and rows and self.paginator.is_more):
            return ""
        cursor = place_of(self.queryset, rows[-1])
        return self.get_query_string({AFTER_VAR: cursor})


def _numbered(last: int) -> str:
    if last == 1:
        return "This list has one numbered page."
    return f"A list has {last} numbered pages, of which this is the last."


@dataclass(frozen=True)
class Step:
    """One thing that rows are ordered by, as the query knows it."""

    name: str
    is_descending: bool
    nulls_first: bool
    may_be_null: bool

    def after(self, value: Any) -> Q | None:
        """Return what comes after a value; None where nothing can."""
        if value is None:
            return Q(**{f"{self.name}__isnull": False}) if self.nulls_first else None
        side = "lt" if self.is_descending else "gt"
        found = Q(**{f"{self.name}__{side}": value})
        if self.may_be_null and not self.nulls_first:
            found |= Q(**{f"{self.name}__isnull": True})
        return found

    def same(self, value: Any) -> Q:
        if value is None:
            return Q(**{f"{self.name}__isnull": True})
        return Q(**{self.name: value})

    def bound(self, value: Any) -> Q:
        """Return what no later row breaks, so that an index can begin at the value."""
        if value is None or self.may_be_null:
            return Q()
        return Q(**{f"{self.name}__{'lte' if self.is_descending else 'gte'}": value})


def place_of(rows: QuerySet[Any], row: Model) -> str:
    """Return where a row stands in the order of a list, as text for an address."""
    named, steps = _with_order(rows)
    values = {f"{step.name}_at": F(step.name) for step in steps}
    found = named.filter(pk=row.pk).annotate(**values).values_list(*values).first()
    text = json.dumps([_as_text(value) for value in found or ()])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def go_on_after(rows: QuerySet[Any], cursor: str) -> QuerySet[Any]:
    """Return the rows after a place; raise IncorrectLookupParameters for none."""
    named, steps = _with_order(rows)
    values = _read(cursor, named, steps)
    # Of rows that are alike in the first of several orders there are mostly enough:
    # an index then begins at the place itself, and not where the first order changes.
    for alike in range(len(steps) - 2, 0, -1):
        found = _later(named, steps, values, alike=alike)
        if found.order_by()[: COUNTED + 1].count() > COUNTED:
            return found
    return _later(named, steps, values, alike=0)


def _later(
    rows: QuerySet[Any], steps: list[Step], values: list[Any], *, alike: int
) -> QuerySet[Any]:
    """Return the rows after these values, those alike in the first `alike` orders."""
    for step, value in zip(steps[:alike], values, strict=False):
        rows = rows.filter(step.same(value))
    steps, values = steps[alike:], values[alike:]
    later, same = Q(pk__in=()), Q()
    for step, value in zip(steps, values, strict=True):
        after = step.after(value)
        if after is not None:
            later |= same & after
        same &= step.same(value)
    return rows.filter(steps[0].bound(values[0]) & later)


def _with_order(rows: QuerySet[Any]) -> tuple[QuerySet[Any], list[Step]]:
    """Return the list with each thing it is ordered by under a name."""
    steps = []
    for place, order in enumerate(rows.query.order_by):
        name = f"order_{place}"
        step, expression = _read_order(rows.model, order, name)
        rows = rows.alias(**{name: expression})
        steps.append(step)
    return rows, steps


def _read_order(model: type[Model], order: Any, name: str) -> tuple[Step, Any]:
    if isinstance(order, str):
        expression: Any = F(order.lstrip("-"))
        down, first, last = order.startswith("-"), None, None
    elif isinstance(order, OrderBy):
        expression, down = order.expression, order.descending
        first, last = order.nulls_first, order.nulls_last
    else:
        expression, down, first, last = order, False, None, None
    # PostgreSQL takes null for larger than any value.
    nulls_first = bool(first) or (down and not last)
    return Step(name, down, nulls_first, _may_be_null(model, expression)), expression


def _may_be_null(model: type[Model], expression: Any) -> bool:
    name = getattr(expression, "name", "")
    if name == "pk":
        return False
    try:
        return bool(model._meta.get_field(name).null)
    except (FieldDoesNotExist, AttributeError):
        return True


def _as_text(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _read(cursor: str, rows: QuerySet[Any], steps: list[Step]) -> list[Any]:
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError("too long")
        padded = cursor + "=" * (-len(cursor) % 4)
        found = json.loads(base64.urlsafe_b64decode(padded.encode()))
        if not isinstance(found, list) or len(found) != len(steps):
            raise ValueError("of another order")
        return [
            _typed(value, rows.query.annotations[step.name].output_field)
            for value, step in zip(found, steps, strict=True)
        ]
    except UNREADABLE as error:
        raise IncorrectLookupParameters from error


def _typed(value: Any, field: Any) -> Any:
    if isinstance(value, list | dict) or not is_storable(str(value)):
        raise ValueError("not a value")
    typed = field.to_python(value)
    if isinstance(typed, int) and safe_bigint(typed) is None:
        raise ValueError("beyond what the database counts to")
    return typed
