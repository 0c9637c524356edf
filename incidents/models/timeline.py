"""The timeline of a case."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import models
from django.db.models import ExpressionWrapper, F, OuterRef, Q, QuerySet

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound, NamedIn
from evidence.models.columns import known, optional_person_field
from evidence.stored_moments import EARLIEST
from incidents.models.cases import Cycle, Incident

TEXT: dict[str, Any] = {"output_field": models.TextField()}


class TimelineKind(models.TextChoices):
    NOTE = "note", "Note"
    EVENT = "event", "Event"
    STATE = "state", "State change"
    EVIDENCE = "evidence", "Evidence"
    ALERT = "alert", "Alert"
    POLICY = "policy", "Policy and trust"
    DECISION = "decision", "Decision"


class TimelineEntry(AppendOnlyModel, CaseBound):
    """One line of a case's timeline. A correction is a new line that names the old.

    `event_at` is when it happened, `entered_at` when it was written down. `body` is
    Markdown; it is rendered safely on display.
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="timeline"
    )
    cycle = models.ForeignKey(Cycle, on_delete=models.PROTECT, related_name="timeline")
    kind = models.CharField(max_length=10, choices=TimelineKind)
    phase = models.CharField(max_length=12, blank=True)
    event_at = models.DateTimeField()
    entered_at = models.DateTimeField()
    author = optional_person_field()
    author_name = models.CharField(max_length=150)
    body = models.TextField()
    corrects = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="corrections",
    )

    class Meta(AppendOnlyModel.Meta):
        verbose_name_plural = "timeline entries"
        ordering = ("event_at", "id")
        constraints = (
            known("timeline_kind_known", "kind", TimelineKind),
            models.CheckConstraint(
                condition=Q(event_at__gte=EARLIEST),
                name="timeline_event_at_plausible",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.event_at:%Y-%m-%d %H:%M %Z}"

    @classmethod
    def found_in(cls, cases: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield what finds the lines of these cases, and lines of others naming them.

        What people wrote in a note of their own stays: it is of the case they wrote in.
        """
        yield from super().found_in(cases)
        told = cases.annotate(kind=ExpressionWrapper(OuterRef("kind"), **TEXT))
        named = NamedIn(F("reference"), OuterRef("body"))
        yield told.exclude(kind=TimelineKind.NOTE).filter(named)
