"""The outcome of a closed case as columns, with what the database holds them to."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.db import models
from django.db.models import Q

from evidence.models.choices import choices_of, values_of
from incidents.workflow.incident_states import IncidentStatus
from incidents.workflow.outcomes import (
    FunctionalImpact,
    InformationImpact,
    Outcome,
    Recoverability,
    Resolution,
    read_outcome,
)

FIELDS: dict[str, type[StrEnum]] = {
    "resolution": Resolution,
    "functional_impact": FunctionalImpact,
    "information_impact": InformationImpact,
    "recoverability": Recoverability,
}
ASKED = ("resolution", "functional_impact", "information_impact")
HAS_OUTCOME = (IncidentStatus.CLOSED.value, IncidentStatus.CLOSED_FALSE_ALARM.value)
"""A duplicate's outcome is its original's."""


def outcome_field(members: type[StrEnum]) -> models.CharField[str, str]:
    """Return a column for one part of an outcome; "" where there is none."""
    return models.CharField(max_length=20, blank=True, choices=choices_of(members))


def outcome_constraints(prefix: str) -> tuple[models.CheckConstraint, ...]:
    """Return the constraints: known values, asked for where closed, none elsewhere."""
    known = Q()
    for name, members in FIELDS.items():
        known &= Q((f"{name}__in", ["", *values_of(members)]))
    asked = Q(status__in=HAS_OUTCOME)
    for name in ASKED:
        asked &= ~Q((name, ""))
    none = ~Q(status__in=HAS_OUTCOME)
    for name in FIELDS:
        none &= Q((name, ""))
    is_true = Q(
        status=IncidentStatus.CLOSED_FALSE_ALARM.value,
        resolution=Resolution.TRUE_POSITIVE.value,
    )
    return (
        models.CheckConstraint(condition=known, name=f"{prefix}_outcome_known"),
        models.CheckConstraint(condition=asked | none, name=f"{prefix}_outcome_asked"),
        models.CheckConstraint(
            condition=~is_true, name=f"{prefix}_false_alarm_not_true"
        ),
    )


def stored_outcome(row: Any) -> Outcome | None:
    """Return the outcome that a row holds; None where it holds none."""
    if not row.resolution:
        return None
    return read_outcome(**{name: getattr(row, name) for name in FIELDS})
