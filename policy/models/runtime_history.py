"""Imports of the runtime's own record of trust moves and kill switches."""

from django.db import models

from evidence.models import AppendOnlyModel, EvidenceItem
from evidence.models.case_bound import CaseBound
from evidence.models.columns import optional_person_field


class RuntimeHistoryImport(AppendOnlyModel, CaseBound):
    """A record that was replayed through our rules, and what they would have refused.

    It never becomes our own state. `findings` and `faults` are listed in line order.
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        "incidents.Incident", on_delete=models.PROTECT, related_name="runtime_histories"
    )
    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="runtime_histories"
    )
    imported_at = models.DateTimeField()
    imported_by = optional_person_field()
    record_count = models.PositiveIntegerField(default=0)
    finding_count = models.PositiveIntegerField(default=0)
    refused_count = models.PositiveIntegerField(
        default=0, help_text="Moves that our rules would have refused."
    )
    fault_count = models.PositiveIntegerField(default=0)
    findings = models.JSONField(default=list)
    faults = models.JSONField(default=list)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"runtime history of {self.item}"

    @property
    def verdict(self) -> str:
        """What a replay makes of it: refused, odd, or in agreement with our rules."""
        if self.refused_count:
            return "refused"
        return "odd" if self.finding_count or self.fault_count else "agrees"
