"""Holds: while one stands on a case, nothing of the case is pruned."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from evidence.models.case_bound import CaseBound
from evidence.models.triggers import Protect, ReadOnly
from incidents.models.cases import Incident


class CaseHold(CaseBound):
    """Somebody's decision that a case is kept as it is, until a second one releases it.

    At most one stands at a time; the row of a released one stays.
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="holds"
    )
    reason = models.TextField()
    held_at = models.DateTimeField()
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    release_reason = models.TextField(blank=True)

    class Meta:
        verbose_name = "hold"
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("incident",),
                condition=Q(released_at__isnull=True),
                name="case_held_once",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="hold_has_reason"),
            models.CheckConstraint(
                condition=Q(
                    released_at__isnull=True,
                    released_by__isnull=True,
                    release_reason="",
                )
                | (
                    Q(released_at__isnull=False, released_by__isnull=False)
                    & ~Q(release_reason="")
                    & ~Q(released_by=F("held_by"))
                ),
                name="hold_released_by_second_person",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            Protect(
                name="starts_standing",
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__released_at__isnull=False),
            ),
            ReadOnly(
                name="hold_is_fixed",
                fields=["incident", "reason", "held_at", "held_by"],
            ),
            Protect(
                name="released_stays_released",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__released_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"hold of {self.incident.reference}"
