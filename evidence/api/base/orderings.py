"""What pages are ordered by as the admin's lists are: any column, and what it leads to.

Where rows have no value they come last, and first in the opposite direction, as
PostgreSQL has it.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Model

NATURAL_KEYS = {
    settings.AUTH_USER_MODEL: "username",
    "incidents.Incident": "reference",
    "policy.Extension": "extension_id",
}
"""What these rows are called by everywhere; every other row is named by its id."""


def lookup_of(view: Any, name: str) -> str:
    """Return the way from a view's rows to what this ordering compares."""
    model = view.queryset.model
    if name == "incident":
        return f"{view.incident_lookup or model.case_paths[0]}__reference"
    if name in view.ordering_fields:
        return name
    column = model._meta.get_field(name)
    if not column.is_relation:
        return name
    key = NATURAL_KEYS.get(column.related_model._meta.label)
    return f"{name}__{key}" if key else f"{name}_id"


def value_at(row: Any, lookup: str) -> Any:
    """Return what a row is ordered by; None where it has nothing there."""
    for name in lookup.split("__"):
        row = getattr(row, name) if row is not None else None
    return row


def column_at(model: type[Model], lookup: str) -> tuple[Any, bool]:
    """Return the column at the end of a way, and whether rows can be without it."""
    may_be_null = False
    column: Any = None
    for name in lookup.split("__"):
        column = model._meta.get_field(name)
        may_be_null = may_be_null or column.null
        model = column.related_model or model
    return column, may_be_null
