"""Queued work: what a person asked for and a worker does, and how far it has come."""

from typing import ClassVar

import pgtrigger
from django.db import models
from django.db.models import Q

from evidence.models.columns import known, optional_person_field
from evidence.models.triggers import Protect


class WorkState(models.TextChoices):
    """Where a piece of queued work stands."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    GAVE_UP = "gave_up", "Gave up"


UNFINISHED_STATES = (WorkState.QUEUED, WorkState.RUNNING)
FINISHED_STATES = (WorkState.DONE, WorkState.FAILED, WorkState.GAVE_UP)


class QueuedWork(models.Model):
    """Base of requests that a worker answers. A finished one never changes again.

    DONE has the result, FAILED an answer that is no result, GAVE_UP neither: tries
    came to nothing too often, and somebody may ask again. `failure` says why of both.
    `attempts` counts the tries that came to nothing; `touched_at` is when a worker
    last said how far it is, by which the sweep tells work that was lost.
    """

    noun: ClassVar[str]
    """What pages call a piece of it."""

    state = models.CharField(max_length=10, choices=WorkState, default=WorkState.QUEUED)
    progress_percent = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_problem = models.TextField(
        blank=True, help_text="Why the work waits: what the last try ran into."
    )
    failure = models.TextField(
        blank=True, help_text="Why it ended without a result, in plain words."
    )
    requested_at = models.DateTimeField()
    requested_by = optional_person_field()
    started_at = models.DateTimeField(null=True, blank=True)
    touched_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering = ("-id",)
        constraints = [
            known("%(class)s_state_known", "state", WorkState),
            models.CheckConstraint(
                condition=Q(progress_percent__lte=100), name="%(class)s_percent"
            ),
            models.CheckConstraint(
                condition=Q(state__in=UNFINISHED_STATES, finished_at__isnull=True)
                | Q(
                    state__in=FINISHED_STATES,
                    finished_at__isnull=False,
                ),
                name="%(class)s_finished_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=(WorkState.FAILED, WorkState.GAVE_UP))
                | ~Q(failure=""),
                name="%(class)s_says_why",
            ),
        ]
        indexes = [
            models.Index(
                fields=("touched_at",),
                condition=Q(state__in=UNFINISHED_STATES),
                name="%(class)s_open",
            ),
        ]
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            Protect(
                name="finished_stays_finished",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__finished_at__isnull=False),
            ),
        )

    @property
    def is_pending(self) -> bool:
        """Return whether a worker still has to finish it."""
        return self.state in UNFINISHED_STATES

    @property
    def gave_up(self) -> bool:
        """Return whether it ended without an answer: it can be asked for again."""
        return self.state == WorkState.GAVE_UP


def pending_once(name: str, field: str = "item") -> models.UniqueConstraint:
    """Return the constraint that a row has one piece of a kind that is unfinished."""
    return models.UniqueConstraint(
        fields=(field,), condition=Q(state__in=UNFINISHED_STATES), name=name
    )
