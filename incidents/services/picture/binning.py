"""Rows put into stretches of a window by the database, however many they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    IntegerField,
    Max,
    Min,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Cast

from incidents.picture.model import BINS, Mark, Window

OTHER = "other"
BEFORE, AFTER = 0, BINS + 1
"""What PostgreSQL's width_bucket answers for what lies outside the window."""


@dataclass(frozen=True)
class Bin:
    """What lies in one stretch and has one word; `first_pk` is the least key there."""

    bin: int
    word: str
    count: int
    first_ms: int
    last_ms: int
    first_pk: int

    @property
    def is_inside(self) -> bool:
        """Return whether it lies in the window."""
        return BEFORE < self.bin < AFTER


def epoch_ms(field: str) -> ExpressionWrapper:
    """Return a column of moments as milliseconds since 1970."""
    seconds = Func(
        F(field),
        template="EXTRACT(EPOCH FROM %(expressions)s) * 1000",
        output_field=FloatField(),
    )
    return ExpressionWrapper(
        Cast(seconds, BigIntegerField()), output_field=BigIntegerField()
    )


def one_of(field: str, words: Iterable[str]) -> Case:
    """Return a column of free text as one of these words, or OTHER.

    What evidence writes there is up to its author: the number of groups is not.
    """
    whens = [When(**{field: word}, then=Value(word)) for word in words]
    return Case(*whens, default=Value(OTHER), output_field=TextField())


def bin_rows(
    rows: QuerySet[Any],
    window: Window,
    *,
    moment: Any,
    word: Any,
    key: Any = "pk",
) -> list[Bin]:
    """Return what rows there are in each stretch, by word; one query.

    `moment` is in milliseconds. What lies before and after comes as one bin each.
    """
    bounds = (
        Value(float(window.from_ms)),
        # The last moment belongs to the window.
        Value(float(window.to_ms + 1)),
        Value(BINS),
    )
    found = (
        rows.order_by()
        .annotate(at_ms=moment, said=word, key_=F(key) if key == "pk" else key)
        .annotate(
            stretch=Func(
                Cast("at_ms", FloatField()),
                *bounds,
                function="width_bucket",
                output_field=IntegerField(),
            )
        )
        .values("stretch", "said")
        .annotate(
            many=Count("*"),
            first=Min("at_ms"),
            last=Max("at_ms"),
            least=Min("key_"),
        )
        .order_by("stretch", "said")
    )
    return [
        Bin(
            row["stretch"],
            row["said"],
            row["many"],
            row["first"],
            row["last"],
            row["least"],
        )
        for row in found
    ]


def marks_of(
    bins: Iterable[Bin], kind: str, say: Callable[[Bin], Mapping[str, Any]]
) -> tuple[Mark, ...]:
    """Return a mark for each bin inside the window; `say` has its words and target."""
    return tuple(
        Mark(
            at_ms=found.first_ms,
            last_ms=found.last_ms,
            state=found.word,
            kind=kind,
            count=found.count,
            **say(found),
        )
        for found in bins
        if found.is_inside
    )


def outside(bins: Iterable[Bin]) -> dict[str, Any]:
    """Return how many lie before the window and after it."""
    listed = list(bins)
    return {
        "before": sum(found.count for found in listed if found.bin == BEFORE),
        "after": sum(found.count for found in listed if found.bin == AFTER),
    }
