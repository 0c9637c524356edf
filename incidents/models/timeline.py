"""The timeline of a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from evidence.models import AppendOnlyModel
from evidence.models.columns import known, optional_person_field
from evidence.stored_moments import EARLIEST
from incidents.models.cases import Cycle, Incident

if TYPE_CHECKING:
    pass


class TimelineKind(models.TextChoices):
    NOTE = "note", "Note"
    EVENT = "event", "Event"
    STATE = "state", "State change"
    EVIDENCE = "evidence", "Evidence"
    ALERT = "alert", "Alert"
    POLICY = "policy", "Policy and trust"
    DECISION = "decision", "Decision"


class TimelineEntry(AppendOnlyModel):
    """One line of a case's timeline. A correction is a new line that names the old.

    `event_at` is when it happened, `entered_at` when it was written down. `body` is
    Markdown; it is rendered safely on display.
    """

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
