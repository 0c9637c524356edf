"""Source scans: a request, the one report that answers it, and its entries."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from evidence.models import AppendOnlyModel, EvidenceItem, WorkState


class ScanRequest(models.Model):
    """A wish to have a stored extension source scanned."""

    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="scan_requests"
    )
    state = models.CharField(max_length=10, choices=WorkState, default=WorkState.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=WorkState.values), name="scan_request_state_known"
            ),
        )

    def __str__(self) -> str:
        return f"scan of {self.item_id}: {self.get_state_display()}"


class ScanReport(AppendOnlyModel):
    """What one scan found. `details` is the scanner's report without its entries."""

    request = models.OneToOneField(
        ScanRequest, on_delete=models.PROTECT, related_name="report"
    )
    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="scan_reports"
    )
    finished_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    scanner_version = models.CharField(max_length=40)
    classification = models.CharField(max_length=10)
    file_count = models.PositiveIntegerField(default=0)
    forbidden_count = models.PositiveIntegerField(default=0)
    flagged_count = models.PositiveIntegerField(default=0)
    missed_count = models.PositiveIntegerField(
        default=0, help_text="Entries that the line-based scanner does not see."
    )
    refusal = models.TextField(blank=True)
    details = models.JSONField(default=dict)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"scan report {self.pk}: {self.classification}"


class ScanEntry(AppendOnlyModel):
    """One place in the source that the scanner has something to say about."""

    report = models.ForeignKey(
        ScanReport, on_delete=models.PROTECT, related_name="entries"
    )
    position = models.PositiveIntegerField()
    file = models.CharField(max_length=500)
    line = models.PositiveIntegerField()
    column = models.PositiveIntegerField()
    classification = models.CharField(max_length=10)
    rule = models.CharField(max_length=60)
    family = models.CharField(max_length=60, blank=True)
    excerpt = models.TextField()
    why = models.TextField()
    is_missed_by_line_scanner = models.BooleanField(default=False)
    suggested_pattern = models.TextField(blank=True)
    regression_test_idea = models.TextField(blank=True)

    class Meta(AppendOnlyModel.Meta):
        verbose_name_plural = "scan entries"
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(
                fields=("report", "position"), name="scan_entry_position_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.rule}"
