"""Times in the admin's lists and read-only fields: the same as on every other page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from evidence.templatetags.casefile import show_moment


class CasefileAdmin(ModelAdmin):
    """Shows the moments of lists and read-only fields with their zone, UTC on hover."""

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        return [self._shown(name) for name in super().get_list_display(request)]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> Sequence[Any]:
        names = super().get_readonly_fields(request, obj)
        return [self._shown(name) for name in names]

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Name the read-only moments as get_readonly_fields does: both must match."""
        fixed = {
            str(getattr(field, "__name__", field)): field
            for field in self.get_readonly_fields(request, obj)
        }
        return [
            (title, {**options, "fields": _replaced(options["fields"], fixed)})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def _shown(self, name: Any) -> Any:
        if not isinstance(name, str):
            return name
        own = getattr(self, name, None)
        if callable(own):
            return name
        return _moment_column(self.model, name) or name


@cache
def _moment_column(model: type[Model], name: str) -> Callable[[Model], Any] | None:
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


def _replaced(fields: Sequence[Any], fixed: dict[str, Any]) -> list[Any]:
    return [
        _replaced(field, fixed)
        if isinstance(field, list | tuple)
        else fixed.get(field, field)
        for field in fields
    ]
