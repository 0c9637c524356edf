"""Rows that are written out: how each field is read is settled once, not for each row.

What is written is what Django REST framework writes; it asks of each value of each row
whether it is a mapping, a manager or something to call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from operator import attrgetter
from typing import Any, cast

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model
from rest_framework import serializers
from rest_framework.fields import Field, SkipField
from rest_framework.relations import ManyRelatedField, RelatedField

from evidence.loading import read_listed

Reader = Callable[[Any], Any]
PLAIN = (Field.get_attribute, RelatedField.get_attribute)
"""Read what the field's source names; of a relation by its key, see `_is_plain`."""


class RowSerializer(serializers.ModelSerializer[Any]):
    """Base of what writes rows of a model out."""

    @cached_property
    def _ways(self) -> list[tuple[str, Reader, Reader]]:
        model = self.Meta.model
        return [
            (name, reader_of(field, model), field.to_representation)
            for name, field in self.fields.items()
            if not field.write_only
        ]

    def to_representation(self, instance: Any) -> dict[str, Any]:
        if not isinstance(instance, self.Meta.model):
            return super().to_representation(instance)
        written = {}
        for name, read, write in self._ways:
            try:
                value = read(instance)
            except SkipField:
                continue
            written[name] = None if value is None else write(value)
        return written


def reader_of(field: Any, model: type[Model]) -> Reader:
    """Return what reads a field's value of a row, the short way where there is one."""
    is_many = isinstance(field, serializers.ListSerializer | ManyRelatedField)
    is_plain = _is_plain(field)
    if field.source == "*" and is_plain:
        return _itself
    if (is_many or is_plain) and len(field.source_attrs) == 1:
        (name,) = field.source_attrs
        relation = _column(model, name)
        if relation is None:
            return cast(Reader, field.get_attribute)
        if is_many and (relation.one_to_many or relation.many_to_many):
            return partial(read_listed, relation=name)
        if is_plain and relation.concrete and not relation.many_to_many:
            return attrgetter(name)
    return cast(Reader, field.get_attribute)


def _is_plain(field: Any) -> bool:
    """Return whether a field reads all of what its source names.

    A relation that is written by its key reads no more than the key of the row itself:
    the other row would be asked for, once for each.
    """
    by_key = isinstance(field, RelatedField) and field.use_pk_only_optimization()
    return type(field).get_attribute in PLAIN and not by_key


def _itself(row: Any) -> Any:
    return row


def _column(model: type[Model], name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
