"""The rows of the admin's lists, each cell with its name and no more.

The skin writes some 700 bytes of classes into each cell, and works out the heads of all
columns again for each row. Here heads and what opens a cell are made once for a list;
what a cell looks like stands in `casefile.css`, under `.cf-list`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import lookup_field
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import ForeignKey, Model
from django.urls import NoReverseMatch
from django.utils.encoding import iri_to_uri
from django.utils.safestring import SafeString
from unfold.templatetags.unfold_list import result_headers
from unfold.utils import display_for_field, display_for_label, display_for_value

from evidence.markup import escaped, fill, join_markup, shown

register = template.Library()
CHECKBOX = "action_checkbox"

ROW, STACK = (
    (
        "dark:bg-base-900 border border-base-200 flex min-w-20 rounded-default "
        "shadow-xs text-font-default-light dark:border-base-700 "
        "dark:text-font-default-dark w-full",
        "basis-1/3 border-r border-base-200 grow truncate last:border-r-0 "
        "dark:border-base-700",
        "block py-2 text-center",
    ),
    (
        "border border-base-200 flex flex-col rounded-default shadow-xs "
        "dark:border-base-700",
        "border-b border-base-200 last:border-b-0 dark:border-base-700",
        "block px-3 py-2",
    ),
)
"""The skin's look of a filter: of its list, of a choice and of a choice's link."""
CHOSEN = "font-semibold text-primary-600 dark:text-primary-500 "
NOT_CHOSEN = "hover:text-base-700 dark:hover:text-base-200"
HOVERED = "hover:text-primary-600 dark:hover:text-primary-500"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list: the tags of its cells, and whether these link to the row."""

    name: Any
    start: str
    end: str
    is_link: bool
    empty: str
    """What stands where there is no value."""


@register.inclusion_tag("evidence/_list_rows.html", takes_context=True)
def list_rows(context: template.Context, cl: Any) -> dict[str, Any]:
    """Draw the table of a list: its heads, and a row for each result."""
    heads = list(result_headers(cl))
    columns = make_columns(cl, heads)
    return {
        "cl": cl,
        "result_headers": heads,
        "num_sorted_fields": sum(1 for head in heads if head.get("sorted")),
        "rows": join_markup(draw_row(cl, columns, row) for row in cl.result_list),
        "request": context.get("request"),
    }


@register.simple_tag
def draw_choices(choices: list[dict[str, Any]], *, is_row: bool = False) -> SafeString:
    """Draw the choices of a filter; a list has a dozen filters, and sixty choices."""
    whole, part, link = ROW if is_row else STACK
    pieces = [f'<ul class="{whole}">']
    for choice in choices:
        words = shown(choice["display"])
        look = CHOSEN if choice["selected"] else NOT_CHOSEN
        address = shown(iri_to_uri(choice["query_string"]))
        pieces += (
            f'\n<li class="{part} {look}">\n<a href="{address}" title="{words}"',
            f' class="{link} {HOVERED}">\n{words}\n</a>\n</li>',
        )
    return join_markup([*pieces, "\n</ul>"])


def make_columns(cl: Any, heads: list[dict[str, Any]]) -> list[Column]:
    """Return the columns of a list; the first that links to a row is its head."""
    columns: list[Column] = []
    has_link = False
    empty = cl.model_admin.get_empty_value_display()
    for place, (name, head) in enumerate(zip(cl.list_display, heads, strict=True)):
        is_link = _links(cl, name, is_first=not has_link)
        tag = "th" if is_link and not has_link else "td"
        has_link = has_link or is_link
        columns.append(
            Column(name, _start(tag, name, place, head), f"</{tag}>", is_link, empty)
        )
    return columns


def _links(cl: Any, name: Any, *, is_first: bool) -> bool:
    if cl.list_display_links is None:
        return False
    if not cl.list_display_links:
        return is_first
    return name in cl.list_display_links


def _start(tag: str, name: Any, place: int, head: dict[str, Any]) -> SafeString:
    if name == CHECKBOX:
        return fill(
            '<{} class="{}" data-label="Select record">', tag, "action-checkbox"
        )
    called = getattr(name, "__name__", str(place)) if callable(name) else name
    return fill('<{} class="field-{}" data-label="{}">', tag, called, head["text"])


def draw_row(cl: Any, columns: list[Column], row: Model) -> SafeString:
    """Return the markup of one row; every value in it is escaped."""
    address = _address(cl, row)
    pieces = ['<tr class="data-row">']
    for column in columns:
        words = escaped(show_value(cl, column, row))
        if column.is_link and address:
            words = f'<a class="cf-to" {address}>{words}</a>'
        pieces += (column.start, words, column.end)
    return join_markup([*pieces, "</tr>"])


def _address(cl: Any, row: Model) -> SafeString | None:
    """Return where the page of a row is, as attributes of a link."""
    if cl.list_display_links is None:
        return None
    try:
        url = cl.url_for_result(row)
    except NoReverseMatch:
        return None
    kept = {"preserved_filters": cl.preserved_filters, "opts": cl.opts}
    href = fill('href="{}"', add_preserved_filters(kept, url))
    if not cl.is_popup:
        return href
    value = row.serializable_value(str(cl.to_field or cl.lookup_opts.pk.attname))
    return fill('{} data-popup-opener="{}"', href, value)


def show_value(cl: Any, column: Column, row: Model) -> Any:
    """Return what a cell shows, as the skin shows it."""
    try:
        field, attribute, value = lookup_field(column.name, row, cl.model_admin)
    except ObjectDoesNotExist:
        return column.empty
    nothing = getattr(attribute, "empty_value_display", column.empty)
    if field is None or field.auto_created:
        return _computed(attribute, value, nothing)
    if isinstance(field, ForeignKey):
        other = getattr(row, field.name)
        return nothing if other is None else other
    return display_for_field(value, field, nothing)


def _computed(attribute: Any, value: Any, nothing: str) -> Any:
    label = getattr(attribute, "label", False)
    if label:
        return display_for_label(value, nothing, label)
    is_boolean = bool(getattr(attribute, "boolean", False))
    return display_for_value(value, nothing, is_boolean)
