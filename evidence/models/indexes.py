"""Indexes for what people type: any part of a text, and the whole of it in any case."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db.models import Index
from django.db.models.functions import Upper


def part_index(column: str, name: str, **options: Any) -> GinIndex:
    """Return what finds a part of a text (`icontains`), of three letters or more."""
    return GinIndex(OpClass(Upper(column), name="gin_trgm_ops"), name=name, **options)


def any_case_index(column: str, name: str) -> Index:
    """Return what finds the whole of a text, in capitals or not (`iexact`)."""
    return Index(Upper(column), name=name)
