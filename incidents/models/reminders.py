"""When people are reminded of clocks, and where the planning stands."""

from __future__ import annotations

import datetime as dt

from django.db import models
from django.db.models import BooleanField, F, Func, Q

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.columns import optional_person_field, person_field
from incidents.models.phases import IncidentPhase


class ReminderSettings(AppendOnlyModel):
    """When to remind: the newest row counts, and where there is none the defaults.

    `plan` is the document of incidents.workflow.reminder_documents.
    """

    plan = models.JSONField()
    hold_minutes = models.PositiveIntegerField(
        help_text="How long an acknowledgement holds back the repeats of a breach."
    )
    set_at = models.DateTimeField()
    set_by = optional_person_field()

    class Meta(AppendOnlyModel.Meta):
        verbose_name_plural = "reminder settings"
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(hold_minutes__gt=0), name="reminder_hold_is_positive"
            ),
        )

    def __str__(self) -> str:
        return f"reminder settings {self.pk}"


class IsDistinct(Func):
    """`a IS DISTINCT FROM b`: differs, where two NULLs do not."""

    arg_joiner = " IS DISTINCT FROM "
    template = "(%(expressions)s)"
    output_field = BooleanField()


class ReminderCursorQuerySet(models.QuerySet["ReminderCursor"]):
    def stale(self, now: dt.datetime) -> ReminderCursorQuerySet:
        """Keep those of open cases that owe a reminder, or whose clock has changed."""
        return self._of_open_cases().filter(
            Q(next_at__lte=now)
            | Q(IsDistinct(F("seen_started_at"), F("phase__started_at")))
            | Q(IsDistinct(F("seen_due_at"), F("phase__due_at")))
            | Q(IsDistinct(F("seen_completed_at"), F("phase__completed_at"))),
        )

    def due(self, now: dt.datetime) -> ReminderCursorQuerySet:
        """Keep those of open cases that owe a reminder by the clock as it was seen."""
        return self._of_open_cases().filter(next_at__lte=now)

    def _of_open_cases(self) -> ReminderCursorQuerySet:
        return self.filter(
            phase__cycle__ended_at__isnull=True,
            phase__cycle__incident__status="open",
        )


class ReminderCursor(CaseBound):
    """How far the reminders of a phase are planned, for the clock as it was seen.

    It only saves work: the notifications themselves say what was planned, and the
    check never looks here.
    """

    case_paths = ("phase__cycle__incident",)

    phase = models.OneToOneField(
        IncidentPhase,
        primary_key=True,
        on_delete=models.PROTECT,
        related_name="reminder_cursor",
    )
    seen_started_at = models.DateTimeField(null=True, blank=True)
    seen_due_at = models.DateTimeField(null=True, blank=True)
    seen_completed_at = models.DateTimeField(null=True, blank=True)
    planned_until = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)

    objects = CaseBoundManager.from_queryset(ReminderCursorQuerySet)()
    everything = ReminderCursorQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=("next_at",), name="reminder_cursor_next"),)

    def __str__(self) -> str:
        return f"reminders of phase {self.phase_id}"


class ReminderAcknowledgement(AppendOnlyModel, CaseBound):
    """Somebody says that they work on it: repeats wait until `holds_until`."""

    case_paths = ("phase__cycle__incident",)

    phase = models.ForeignKey(
        IncidentPhase, on_delete=models.PROTECT, related_name="acknowledgements"
    )
    acknowledged_at = models.DateTimeField()
    acknowledged_by = person_field()
    holds_until = models.DateTimeField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(holds_until__gt=F("acknowledged_at")),
                name="acknowledgement_holds_for_a_time",
            ),
        )

    def __str__(self) -> str:
        return f"acknowledged until {self.holds_until:%Y-%m-%d %H:%M} UTC"


class ReminderCheckState(models.Model):
    """One row: when the check last ran, and what it has counted since the start."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    last_run_at = models.DateTimeField(null=True, blank=True)
    last_missed_at = models.DateTimeField(null=True, blank=True)
    runs = models.PositiveBigIntegerField(default=0)
    missed = models.PositiveBigIntegerField(default=0)
    repaired = models.PositiveBigIntegerField(default=0)
    stuck = models.PositiveBigIntegerField(default=0)
    without_recipient = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(condition=Q(id=1), name="one_reminder_check_state"),
        )

    def __str__(self) -> str:
        return "state of the reminder check"
