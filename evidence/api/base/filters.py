"""Filters that refuse what they cannot read, and say what they expected.

A word that a filter takes for none would answer with everything.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django_filters import rest_framework as filters
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import CharFilter, FilterSet
from drf_spectacular.utils import extend_schema_field

__all__ = [
    "CharFilter",
    "ChoiceFilter",
    "DateFilter",
    "FilterSet",
    "MomentFilter",
    "MultipleChoiceFilter",
    "TruthFilter",
    "WholeNumberFilter",
]

LARGEST_OFFSET = dt.timedelta(hours=15, minutes=59)
"""PostgreSQL's; zones in use go from -12:00 to +14:00."""
TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class TruthField(forms.CharField):
    """`true` or `false`, in any case, or 1 and 0; None where nothing is given."""

    def clean(self, value: Any) -> bool | None:
        word = super().clean(value)
        if not word:
            return None
        if word.lower() not in TRUTHS:
            raise forms.ValidationError("Expected true or false.", code="invalid")
        return TRUTHS[word.lower()]


class TruthFilter(filters.BooleanFilter):
    """Every filter of the API by yes or no."""

    field_class = TruthField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        options = {"widget": forms.TextInput, "strip": False}
        super().__init__(*args, **{**options, **kwargs})


class WholeNumberFilter(filters.NumberFilter):
    """Every filter of the API by a number; all are counts or the ids of rows."""

    field_class = forms.IntegerField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        messages = {"invalid": "Expected a whole number."}
        super().__init__(*args, **{"error_messages": messages, **kwargs})
        about = {"description": kwargs["help_text"]} if "help_text" in kwargs else {}
        extend_schema_field({"type": "integer", **about})(self)


class DateFilter(filters.DateFilter):
    """Every filter of the API by a day."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        messages = {"invalid": "Expected a date, like 2026-03-01."}
        options = {"input_formats": ["%Y-%m-%d"], "error_messages": messages}
        super().__init__(*args, **{**options, **kwargs})


def _expect_one_of(choices: Any) -> dict[str, str]:
    known = ", ".join(str(value) for value, _ in choices)
    return {"invalid_choice": f"Expected one of {known}."}


class ChoiceFilter(filters.ChoiceFilter):
    """Every filter of the API by one of a few words."""

    def __init__(self, *args: Any, choices: Any, **kwargs: Any) -> None:
        kwargs["error_messages"] = _expect_one_of(choices)
        super().__init__(*args, choices=choices, **kwargs)


class MultipleChoiceFilter(filters.MultipleChoiceFilter):
    """Every filter of the API by some of a few words: the parameter is repeated."""

    def __init__(self, *args: Any, choices: Any, **kwargs: Any) -> None:
        kwargs["error_messages"] = _expect_one_of(choices)
        # Every column is the row's own: nothing comes twice, so no rows are compared.
        kwargs.setdefault("distinct", False)
        super().__init__(*args, choices=choices, **kwargs)


class MomentField(IsoDateTimeField):
    """A moment in ISO 8601, with an offset that exists, of a year that UTC has too."""

    default_error_messages = {
        "invalid": "Expected a moment in ISO 8601, like 2026-03-01T12:00:00Z."
    }

    def clean(self, value: Any) -> dt.datetime | None:
        moment: dt.datetime | None = super().clean(value)
        if moment is None:
            return None
        try:
            offset = moment.utcoffset() or dt.timedelta()
            if abs(offset) > LARGEST_OFFSET:
                raise OverflowError
            return moment.astimezone(dt.UTC)
        except OverflowError as error:
            raise forms.ValidationError(
                "Give a moment whose offset lies between -15:59 and +15:59.",
                code="invalid_offset",
            ) from error


class MomentFilter(filters.IsoDateTimeFilter):
    """Every filter of the API by a moment."""

    field_class = MomentField
