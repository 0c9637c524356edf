"""The checklist of a cycle: items, their answers, the artifacts linked to them."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from evidence.models import AppendOnlyModel, EvidenceItem
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.choices import choices_of
from evidence.models.columns import known, optional_person_field
from evidence.models.triggers import Protect
from incidents.models.cases import Cycle
from incidents.models.phases import PHASE_CHOICES, refuse_ended_cycle
from incidents.models.playbooks import PlaybookVersion
from incidents.workflow.incident_states import ItemKind, ItemState
from incidents.workflow.phases import Phase


class ChecklistItemQuerySet(models.QuerySet["ChecklistItem"]):
    def asked(self) -> ChecklistItemQuerySet:
        """Return the items that the case's playbook asks for today."""
        return self.filter(retired_at__isnull=True)

    def waiting(self) -> ChecklistItemQuerySet:
        """Return the open items of cycles that have not ended."""
        return self.asked().filter(state=ItemState.OPEN, cycle__ended_at__isnull=True)


class ChecklistItem(CaseBound):
    """One thing to do or to find, as the playbook version words it.

    `state` and the answer repeat the newest entry, so that pages need not read them
    all; the entries are the truth. An item that a reclassification no longer asks for
    is retired and keeps its answer.
    """

    case_paths = ("cycle__incident",)

    cycle = models.ForeignKey(Cycle, on_delete=models.PROTECT, related_name="checklist")
    playbook_version = models.ForeignKey(
        PlaybookVersion, on_delete=models.PROTECT, related_name="+"
    )
    key = models.CharField(max_length=64)
    kind = models.CharField(max_length=14, choices=choices_of(ItemKind))
    phase = models.CharField(max_length=12, choices=PHASE_CHOICES)
    phase_position = models.PositiveSmallIntegerField()
    position = models.PositiveSmallIntegerField()
    required = models.BooleanField()
    text = models.TextField()
    content = models.JSONField(
        help_text="The item as the playbook version has it (docs/playbooks.md)."
    )
    state = models.CharField(
        max_length=14, choices=choices_of(ItemState), default=ItemState.OPEN.value
    )
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = optional_person_field()
    note = models.TextField(blank=True)
    assignee = optional_person_field(related_name="checklist_items")
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = CaseBoundManager.from_queryset(ChecklistItemQuerySet)()
    everything = ChecklistItemQuerySet.as_manager()

    class Meta:
        ordering = ("phase_position", "position", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("cycle", "key"),
                condition=Q(retired_at__isnull=True),
                name="checklist_item_key_unique",
            ),
            known("checklist_item_kind_known", "kind", ItemKind),
            known("checklist_item_phase_known", "phase", Phase),
            known("checklist_item_state_known", "state", ItemState),
            models.CheckConstraint(
                condition=Q(state=ItemState.OPEN.value, answered_at__isnull=True)
                | (~Q(state=ItemState.OPEN.value) & Q(answered_at__isnull=False)),
                name="checklist_item_answer_has_time",
            ),
        )
        indexes = (
            models.Index(
                fields=("assignee",),
                condition=Q(state=ItemState.OPEN.value, retired_at__isnull=True),
                name="checklist_open_by_assignee",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            refuse_ended_cycle(),
        )

    def __str__(self) -> str:
        return self.text

    @property
    def is_open(self) -> bool:
        return self.state == ItemState.OPEN


class EntryAction(models.TextChoices):
    ANSWERED = "answered", "Answered"
    UNDONE = "undone", "Taken back"
    LINKED = "linked", "Artifact linked"
    ASSIGNED = "assigned", "Assigned"
    RETIRED = "retired", "No longer asked"
    RESTORED = "restored", "Asked again"


class ChecklistEntry(AppendOnlyModel, CaseBound):
    """One thing that happened to an item. Taking an answer back keeps both entries."""

    case_paths = ("item__cycle__incident",)

    item = models.ForeignKey(
        ChecklistItem, on_delete=models.PROTECT, related_name="entries"
    )
    action = models.CharField(max_length=10, choices=EntryAction)
    state = models.CharField(max_length=14, choices=choices_of(ItemState))
    note = models.TextField(blank=True)
    assignee = optional_person_field()
    recorded_at = models.DateTimeField()
    actor = optional_person_field()
    actor_name = models.CharField(max_length=150)

    class Meta(AppendOnlyModel.Meta):
        verbose_name_plural = "checklist entries"
        ordering = ("id",)
        constraints = (
            known("checklist_entry_action_known", "action", EntryAction),
            known("checklist_entry_state_known", "state", ItemState),
        )

    def __str__(self) -> str:
        return f"{self.get_action_display()} by {self.actor_name}"


class ArtifactKind(models.TextChoices):
    EVIDENCE = "evidence", "Evidence item"
    ALERT = "alert", "Alert"
    TRUST_TRANSITION = "trust_transition", "Trust transition"
    KILL_SWITCH = "kill_switch", "Kill switch record"


class ArtifactLink(CaseBound):
    """An artifact that was linked to an item. Taken back, it stays as withdrawn."""

    case_paths = ("item__cycle__incident",)

    item = models.ForeignKey(
        ChecklistItem, on_delete=models.PROTECT, related_name="links"
    )
    kind = models.CharField(max_length=16, choices=ArtifactKind)
    evidence_item = models.ForeignKey(
        EvidenceItem,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="checklist_links",
    )
    record_id = models.CharField(
        max_length=64, blank=True, help_text="The key of a record that is not evidence."
    )
    label = models.CharField(max_length=300)
    linked_at = models.DateTimeField()
    linked_by = optional_person_field()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(kind=ArtifactKind.EVIDENCE, evidence_item__isnull=False)
                | (
                    Q(kind__in=ArtifactKind.values)
                    & ~Q(kind=ArtifactKind.EVIDENCE)
                    & ~Q(record_id="")
                ),
                name="artifact_link_names_artifact",
            ),
            models.UniqueConstraint(
                fields=("item", "evidence_item"),
                condition=Q(withdrawn_at__isnull=True),
                name="artifact_link_evidence_once",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            Protect(
                name="withdrawn_stays_withdrawn",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__withdrawn_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return self.label
