"""How a cycle ended: kept beside it, whatever becomes of the case later."""

from __future__ import annotations

from django.db import models

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound
from evidence.models.choices import choices_of
from evidence.models.columns import optional_person_field
from incidents.models.cases import Cycle, Incident
from incidents.models.outcome_fields import (
    outcome_constraints,
    outcome_field,
    stored_outcome,
)
from incidents.models.playbooks import PlaybookVersion
from incidents.workflow.incident_states import IncidentStatus, Severity
from incidents.workflow.outcomes import (
    FunctionalImpact,
    InformationImpact,
    Outcome,
    Recoverability,
    Resolution,
)


class CycleEnding(AppendOnlyModel, CaseBound):
    """What a case was when a cycle of it ended, and as what it was closed.

    The case's own row tells of today; this one of then. `head` is what documents say
    of the case at their head: title, class, severity, lead, team, labels, extensions.
    """

    case_paths = ("cycle__incident", "original")

    cycle = models.OneToOneField(Cycle, on_delete=models.PROTECT, related_name="ending")
    status = models.CharField(max_length=20, choices=choices_of(IncidentStatus))
    resolution = outcome_field(Resolution)
    functional_impact = outcome_field(FunctionalImpact)
    information_impact = outcome_field(InformationImpact)
    recoverability = outcome_field(Recoverability)
    reason = models.TextField(blank=True)
    original = models.ForeignKey(
        Incident, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    lead = optional_person_field()
    severity = models.CharField(max_length=10, choices=choices_of(Severity))
    playbook_version = models.ForeignKey(
        PlaybookVersion, on_delete=models.PROTECT, related_name="+"
    )
    head = models.JSONField()
    ended_by = optional_person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        constraints = outcome_constraints("cycle_ending")

    def __str__(self) -> str:
        return f"{self.cycle}: {self.get_status_display()}"

    @property
    def outcome(self) -> Outcome | None:
        """What it turned out to be; None for a duplicate."""
        return stored_outcome(self)
