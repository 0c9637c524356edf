"""Times in the admin's lists and read-only fields: the same as on every other page."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, Model

from evidence.templatetags.casefile import show_moment


@cache
def moment_column(model: type[Model], name: str) -> Callable[[Model], Any] | None:
    """Return the column of a field of moments; None for any other field.

    The same function each time: the admin compares columns by identity.
    """
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    if not isinstance(field, DateTimeField):
        return None

    def column(row: Model) -> Any:
        return show_moment(getattr(row, name))

    column.__name__ = name
    column.short_description = field.verbose_name  # type: ignore[attr-defined]
    column.admin_order_field = name  # type: ignore[attr-defined]
    return column
