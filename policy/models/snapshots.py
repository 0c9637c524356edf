"""Policy snapshots: what the runtime's settings were at a moment."""

from django.db import models

from evidence.models import AppendOnlyModel, EvidenceItem
from evidence.models.case_bound import CaseBound
from evidence.models.columns import optional_person_field
from evidence.stored_moments import EARLIEST


class PolicySnapshot(AppendOnlyModel, CaseBound):
    """`settings.json`, and the runtime's explanation where given, for a moment.

    Both are evidence items; what is stored of the settings is redacted first.
    `document` is the redacted settings; `faults`, `unknown` and `redactions` name
    members by JSON path (docs/policy.md).
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        "incidents.Incident", on_delete=models.PROTECT, related_name="policy_snapshots"
    )
    settings_item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="policy_snapshots"
    )
    explanation_item = models.ForeignKey(
        EvidenceItem,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="explained_snapshots",
    )
    captured_at = models.DateTimeField(help_text="The moment that it shows.")
    taken_at = models.DateTimeField()
    taken_by = optional_person_field()
    cli_profile = models.CharField(max_length=60, blank=True)
    env_profile = models.CharField(max_length=60, blank=True)
    document = models.JSONField()
    explanation = models.JSONField(null=True, blank=True)
    faults = models.JSONField(default=list)
    unknown = models.JSONField(default=list)
    redactions = models.JSONField(default=list)
    disagreements = models.JSONField(default=list)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-captured_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=models.Q(captured_at__gte=EARLIEST),
                name="policy_snapshot_captured_at_plausible",
            ),
        )

    def __str__(self) -> str:
        return f"settings at {self.captured_at:%Y-%m-%d %H:%M:%S} UTC"
