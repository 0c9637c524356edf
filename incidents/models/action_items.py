"""What is still to be done after a case."""

from __future__ import annotations

import pgtrigger
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.db.models import Q

from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.choices import choices_of, values_of
from evidence.models.columns import known, optional_person_field, person_field
from evidence.models.triggers import Protect, ReadOnly
from incidents.models.cases import Cycle, Incident
from incidents.workflow.postmortem import (
    ActionItemState,
    ActionItemType,
)


class ActionItemQuerySet(models.QuerySet["ActionItem"]):
    def visible_to(self, user: AbstractUser | AnonymousUser) -> ActionItemQuerySet:
        """Return the action items of the incidents that this person may see."""
        if not user.is_active or not user.has_perm("incidents.view_actionitem"):
            return self.none()
        return self.filter(incident__in=Incident.objects.visible_to(user))

    def open(self) -> ActionItemQuerySet:
        return self.filter(state=ActionItemState.OPEN)


class ActionItem(CaseBound):
    """Something to do so that it does not happen again; it outlives the case.

    `revision` counts saved edits and is the optimistic lock. Every change is in the
    case's audit history.
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="action_items"
    )
    cycle = models.ForeignKey(
        Cycle, on_delete=models.PROTECT, related_name="action_items"
    )
    text = models.CharField(max_length=500)
    item_type = models.CharField(
        "type", max_length=14, choices=choices_of(ActionItemType)
    )
    owner = person_field(related_name="action_items")
    due_on = models.DateField()
    ticket = models.CharField(max_length=100, blank=True)
    ticket_url = models.URLField(blank=True)
    state = models.CharField(
        max_length=8,
        choices=choices_of(ActionItemState),
        default=ActionItemState.OPEN.value,
    )
    outcome = models.TextField(blank=True, help_text="What was done, or why not.")
    created_at = models.DateTimeField()
    created_by = optional_person_field()
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = optional_person_field()
    revision = models.PositiveIntegerField(default=1)

    objects = CaseBoundManager.from_queryset(ActionItemQuerySet)()
    everything = ActionItemQuerySet.as_manager()

    class Meta:
        ordering = ("due_on", "id")
        constraints = (
            known("action_item_type_known", "item_type", ActionItemType),
            models.CheckConstraint(
                condition=Q(state=ActionItemState.OPEN.value, closed_at__isnull=True)
                | (
                    Q(state__in=values_of(ActionItemState))
                    & ~Q(state=ActionItemState.OPEN.value)
                    & Q(closed_at__isnull=False)
                    & ~Q(outcome="")
                ),
                name="action_item_closed_has_outcome",
            ),
        )
        indexes = (
            models.Index(
                fields=("due_on",),
                condition=Q(state=ActionItemState.OPEN.value),
                name="action_item_open_by_due",
            ),
            models.Index(
                fields=("owner", "due_on"),
                condition=Q(state=ActionItemState.OPEN.value),
                name="action_item_open_by_owner",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(
                name="origin_is_fixed",
                fields=["incident", "cycle", "created_at", "created_by"],
            ),
        )

    def __str__(self) -> str:
        return self.text

    @property
    def is_open(self) -> bool:
        return self.state == ActionItemState.OPEN
