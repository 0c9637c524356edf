"""Fields that the resources of all three apps write and read alike."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from evidence.handling import CHOICES
from evidence.models.case_bound import is_shown
from evidence.text import unify_lines


class ReferenceField(serializers.SlugRelatedField):
    """A case by its reference."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="reference", read_only=True, **kwargs)


class OtherReferenceField(ReferenceField):
    """Another case than the row's own; null where who asks may not see that one."""

    def to_representation(self, obj: Any) -> Any:
        return super().to_representation(obj) if is_shown(obj) else None


class NameField(serializers.SlugRelatedField):
    """A person by the name to sign in; null where the system itself acted."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="username", read_only=True, **kwargs)


class MarkField(serializers.ChoiceField):
    """How far a thing may be passed on: its own mark, or its case's if stricter."""

    def __init__(self, **kwargs: Any) -> None:
        help_text = "TLP 2.0: its own mark, or its case's where that is stricter."
        super().__init__(CHOICES, read_only=True, help_text=help_text, **kwargs)


class LinesField(serializers.CharField):
    """Text whose line ends count once, as in the forms of the pages."""

    def to_internal_value(self, data: Any) -> str:
        return unify_lines(super().to_internal_value(data))
