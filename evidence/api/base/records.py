"""Records that are read as they are stored: a line in a table makes list and detail.

What people do through the API, and what has parts, has views of its own. Everything
else is one kind among many: its columns, its case, the right that it takes. Filters
and orderings follow from the columns, in the same way for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db import models
from django.db.models import QuerySet
from django.http import QueryDict
from rest_framework import serializers
from rest_framework.routers import SimpleRouter

from evidence.api.base import filters
from evidence.api.base.orderings import NATURAL_KEYS
from evidence.api.base.rows import RowSerializer
from evidence.api.base.views import ReadOnlyViewSet
from evidence.models.case_bound import may_lead_nowhere


@dataclass(frozen=True)
class RecordKind:
    """A kind of record: where it is listed, what it is, and who may read it.

    `incident_lookup` leads from a row to its case, whose reference is written after
    the id. Rows of cases that one may not see are left out; a row that has no case is
    shown to everybody with the right. `permission` is the model's own right to view
    unless another is named. `also_by` are columns of text by which the list is
    narrowed, besides its choices, moments and links; `has` those that can be empty by
    whether they are, and `also_ordered_by` those by which its pages can be ordered.
    """

    path: str
    model: type[models.Model]
    about: str
    fields: tuple[str, ...]
    incident_lookup: str = ""
    permission: str = ""
    also_by: tuple[str, ...] = ()
    also_ordered_by: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    require: Callable[[QueryDict], None] | None = None
    """Refuses what is asked for where an empty list would not be true."""
    told: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """What is written of a row in a column that holds more than anybody may see."""

    @property
    def read_permission(self) -> str:
        meta = self.model._meta
        return self.permission or f"{meta.app_label}.view_{meta.model_name}"

    def columns(self) -> Iterator[Any]:
        """Yield the model's fields that are written out."""
        for name in self.fields:
            yield self.model._meta.get_field(name)


def register_kinds(router: SimpleRouter, kinds: tuple[RecordKind, ...]) -> None:
    """Give each kind its list and its details."""
    for kind in kinds:
        router.register(kind.path, make_viewset(kind), basename=kind.path)


def make_viewset(kind: RecordKind) -> type[ReadOnlyViewSet]:
    """Return the view of a kind of record."""
    named = [column for column in kind.columns() if _natural_key(column)]
    many = [column.name for column in named if column.many_to_many]
    lookup = kind.incident_lookup
    joined = {column.name for column in named} - set(many) | {*filter(None, [lookup])}
    rows = kind.model._default_manager.prefetch_related(*many)
    members: dict[str, Any] = {
        "__doc__": kind.about,
        "queryset": rows.select_related(*sorted(joined)) if joined else rows,
        "serializer_class": _make_serializer(kind),
        "filterset_class": _make_filterset(kind),
        "read_permission": kind.read_permission,
        "incident_lookup": lookup,
        "is_shown_without_case": bool(lookup) and may_lead_nowhere(kind.model, lookup),
        "ordering_fields": ("id", *_orderings(kind)),
        "also_ordered_by": kind.also_ordered_by,
    }
    bases = (RequiringViewSet,) if kind.require else (ReadOnlyViewSet,)
    if kind.require:
        members["require"] = staticmethod(kind.require)
    return type(f"{kind.model.__name__}RecordViewSet", bases, members)


class RequiringViewSet(ReadOnlyViewSet):
    """A list that refuses what was asked for, once that was read and makes sense."""

    require: Callable[[QueryDict], None]

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().filter_queryset(queryset)
        self.require(self.request.query_params)
        return rows


class RecordSerializer(RowSerializer):
    """A row as it is stored; people, cases and extensions by what they are called."""

    told: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def to_representation(self, instance: Any) -> dict[str, Any]:
        row: dict[str, Any] = super().to_representation(instance)
        return row | {
            name: self.told[name](instance) for name in row if name in self.told
        }

    def build_relational_field(self, field_name: str, relation_info: Any) -> Any:
        key = NATURAL_KEYS.get(relation_info.related_model._meta.label)
        if key is None:
            return super().build_relational_field(field_name, relation_info)
        options = {"slug_field": key, "read_only": True, "many": relation_info.to_many}
        return serializers.SlugRelatedField, options


def _make_serializer(kind: RecordKind) -> type[RecordSerializer]:
    case = ("incident",) if kind.incident_lookup else ()
    written = ("id", *case, *(name for name in kind.fields if name != "incident"))
    about = {"model": kind.model, "fields": written, "read_only_fields": written}
    members: dict[str, Any] = {
        "__doc__": kind.about,
        "Meta": type("Meta", (), about),
        "told": kind.told,
    }
    if case:
        members["incident"] = serializers.CharField(
            source=f"{kind.incident_lookup.replace('__', '.')}.reference",
            read_only=True,
            allow_null=may_lead_nowhere(kind.model, kind.incident_lookup),
            default=None,
        )
    return type(f"{kind.model.__name__}RecordSerializer", (RecordSerializer,), members)


def _make_filterset(kind: RecordKind) -> type[filters.FilterSet]:
    found: dict[str, Any] = {}
    for column in kind.columns():
        found |= _filters_of(column)
    for name in kind.also_by:
        found[name] = filters.CharFilter(field_name=name)
    for name in kind.has:
        found[f"has_{name.removesuffix('_at')}"] = filters.TruthFilter(
            name, lookup_expr="isnull", exclude=True
        )
    if kind.incident_lookup:
        reference = f"{kind.incident_lookup}__reference"
        found["incident"] = filters.CharFilter(field_name=reference)
    return type(f"{kind.model.__name__}RecordFilter", (filters.FilterSet,), found)


def _filters_of(column: Any) -> dict[str, Any]:
    """Return what a list can be narrowed by, of one of its columns."""
    name = column.name
    if column.is_relation:
        key = _natural_key(column)
        if key:
            return {name: filters.CharFilter(field_name=f"{name}__{key}")}
        return {name: filters.WholeNumberFilter(field_name=name)}
    if column.choices:
        return {name: filters.MultipleChoiceFilter(choices=column.choices)}
    if isinstance(column, models.BooleanField):
        return {name: filters.TruthFilter(field_name=name)}
    if isinstance(column, models.DateTimeField):
        stem = name.removesuffix("_at")
        return {
            f"{stem}_after": filters.MomentFilter(name, "gte"),
            f"{stem}_before": filters.MomentFilter(name, "lt"),
        }
    return {}


def _orderings(kind: RecordKind) -> list[str]:
    """Return the moments that every row has: a cursor needs a value."""
    return [
        column.name
        for column in kind.columns()
        if isinstance(column, models.DateTimeField) and not column.null
    ]


def _natural_key(column: Any) -> str:
    if not column.is_relation:
        return ""
    return NATURAL_KEYS.get(column.related_model._meta.label, "")
