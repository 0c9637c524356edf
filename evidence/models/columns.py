"""Columns and constraints that tables of every app have."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q


def person_field(**options: Any) -> models.ForeignKey[User, User]:
    """Return a column for who did something; people are never deleted."""
    options = {"on_delete": models.PROTECT, "related_name": "+", **options}
    return models.ForeignKey(settings.AUTH_USER_MODEL, **options)


def optional_person_field(
    **options: Any,
) -> models.ForeignKey[User | None, User | None]:
    """Return a column for who did something; empty where the system itself did."""
    return person_field(null=True, blank=True, **options)  # type: ignore[return-value]


def known(
    name: str, field: str, members: type[Enum] | Sequence[Enum]
) -> models.CheckConstraint:
    """Return the constraint that a column holds the value of one of these members."""
    values = [member.value for member in members]
    return models.CheckConstraint(condition=Q(**{f"{field}__in": values}), name=name)


def has_text(name: str, field: str = "reason") -> models.CheckConstraint:
    """Return the constraint that a column of text is not empty."""
    return models.CheckConstraint(condition=~Q(**{field: ""}), name=name)
