"""Remediation: what of the playbook was chosen, and what was done, with its proof."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from evidence.models import AppendOnlyModel, EvidenceItem
from evidence.models.case_bound import CaseBound
from evidence.models.choices import choices_of
from evidence.models.columns import has_text, known, optional_person_field
from incidents.models.cases import Cycle, TicketLink
from incidents.models.checklists import ChecklistItem
from incidents.workflow.incident_states import RemediationKind


class RemediationDecision(AppendOnlyModel, CaseBound):
    """Whether a remediation of the playbook was chosen, and why; the newest counts."""

    case_paths = ("item__cycle__incident",)

    item = models.ForeignKey(
        ChecklistItem, on_delete=models.PROTECT, related_name="decisions"
    )
    choice_key = models.CharField(max_length=64)
    chosen = models.BooleanField()
    reason = models.TextField()
    decided_at = models.DateTimeField()
    decided_by = optional_person_field()
    decided_by_name = models.CharField(max_length=150)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        constraints = (has_text("remediation_decision_has_reason"),)

    def __str__(self) -> str:
        return f"{self.choice_key}: {'chosen' if self.chosen else 'not chosen'}"


class RemediationAction(AppendOnlyModel, CaseBound):
    """Something done about the cause, with proof: a text, a ticket or an artifact."""

    case_paths = ("cycle__incident",)

    cycle = models.ForeignKey(
        Cycle, on_delete=models.PROTECT, related_name="remediation_actions"
    )
    kind = models.CharField(max_length=20, choices=choices_of(RemediationKind))
    choice_key = models.CharField(max_length=64, blank=True)
    description = models.TextField()
    proof = models.TextField(blank=True)
    ticket = models.ForeignKey(
        TicketLink,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="remediation_actions",
    )
    evidence_item = models.ForeignKey(
        EvidenceItem,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    done_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    recorded_by = optional_person_field()
    recorded_by_name = models.CharField(max_length=150)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        constraints = (
            known("remediation_action_kind_known", "kind", RemediationKind),
            models.CheckConstraint(
                condition=~Q(proof="")
                | Q(ticket__isnull=False)
                | Q(evidence_item__isnull=False),
                name="remediation_action_has_proof",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.description[:60]}"
