"""Quotas: what was changed and why, and what was exceeded."""

from django.db import models
from django.db.models import Q

from evidence.models import AppendOnlyModel, EvidenceItem
from evidence.models.case_bound import CaseBound
from evidence.models.columns import has_text, person_field
from policy.models.extensions import Extension


class QuotaChange(AppendOnlyModel, CaseBound):
    """A recorded change of an extension's memory quota. Raising needs documentation."""

    case_paths = ("incident",)

    extension = models.ForeignKey(
        Extension, on_delete=models.PROTECT, related_name="quota_changes"
    )
    from_mb = models.PositiveIntegerField()
    to_mb = models.PositiveIntegerField()
    reason = models.TextField()
    documentation = models.TextField(blank=True)
    incident = models.ForeignKey(
        "incidents.Incident",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="quota_changes",
    )
    changed_at = models.DateTimeField()
    changed_by = person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            has_text("quota_change_has_reason"),
            models.CheckConstraint(
                condition=Q(to_mb__lte=models.F("from_mb")) | ~Q(documentation=""),
                name="quota_raise_has_documentation",
            ),
        )

    def __str__(self) -> str:
        return f"{self.extension}: {self.from_mb} MB → {self.to_mb} MB"


class QuotaBreach(AppendOnlyModel, CaseBound):
    """One breach that a stored bundle records."""

    case_paths = ("item__incident",)

    extension = models.ForeignKey(
        Extension,
        on_delete=models.PROTECT,
        related_name="quota_breaches",
        db_index=False,
    )
    item = models.ForeignKey(
        EvidenceItem,
        on_delete=models.PROTECT,
        related_name="quota_breaches",
        db_index=False,
    )
    position = models.PositiveIntegerField()
    resource = models.CharField(max_length=100)
    limit = models.FloatField()
    actual = models.FloatField()
    breached_at = models.DateTimeField()

    class Meta(AppendOnlyModel.Meta):
        verbose_name_plural = "quota breaches"
        ordering = ("-breached_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("item", "position"), name="quota_breach_once"
            ),
        )
        indexes = (
            models.Index(
                fields=("extension", "-breached_at"), name="quota_breach_by_extension"
            ),
            models.Index(fields=("-breached_at", "-id"), name="quota_breach_newest"),
        )

    def __str__(self) -> str:
        return f"{self.resource}: {self.actual} over {self.limit}"
