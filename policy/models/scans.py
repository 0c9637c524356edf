"""Source scans: a request, the one report that answers it, and its entries."""

from django.db import models

from evidence.models import AppendOnlyModel, EvidenceItem, QueuedWork
from evidence.models.case_bound import CaseBound
from evidence.models.columns import known
from evidence.models.queued_work import pending_once


class ScanClassification(models.TextChoices):
    """The scanner's words, spelt again: importing it would load its parsers."""

    FORBIDDEN = "forbidden", "Forbidden"
    FLAGGED = "flagged", "Flagged"
    SAFE = "safe", "Safe"


class ScanRequest(QueuedWork, CaseBound):
    """A request to scan a stored extension source; one report answers it."""

    case_paths = ("item__incident",)

    noun = "Scan"
    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="scan_requests"
    )

    class Meta(QueuedWork.Meta):
        abstract = False
        constraints = [
            *QueuedWork.Meta.constraints,
            pending_once("scan_pending_once"),
        ]

    def __str__(self) -> str:
        return f"scan of {self.item_id}: {self.get_state_display()}"


class ScanReport(AppendOnlyModel, CaseBound):
    """What one scan found. `details` is the scanner's report without its entries."""

    case_paths = ("item__incident",)

    request = models.OneToOneField(
        ScanRequest, on_delete=models.PROTECT, related_name="report"
    )
    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="scan_reports"
    )
    finished_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    scanner_version = models.CharField(max_length=40)
    classification = models.CharField(max_length=10, choices=ScanClassification)
    file_count = models.PositiveIntegerField(default=0)
    forbidden_count = models.PositiveIntegerField(default=0)
    flagged_count = models.PositiveIntegerField(default=0)
    missed_count = models.PositiveIntegerField(
        default=0, help_text="Entries that the line-based scanner does not see."
    )
    entry_count = models.PositiveIntegerField(default=0)
    refusal_code = models.CharField(max_length=60, blank=True)
    refusal = models.TextField(blank=True)
    details = models.JSONField(default=dict)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            known(
                "scan_report_classification_known", "classification", ScanClassification
            ),
        )

    def __str__(self) -> str:
        return f"scan report {self.pk}: {self.classification}"


class ScanEntry(AppendOnlyModel, CaseBound):
    """One place in the source that the scanner has something to say about."""

    case_paths = ("report__item__incident",)

    report = models.ForeignKey(
        ScanReport, on_delete=models.PROTECT, related_name="entries", db_index=False
    )
    position = models.PositiveIntegerField()
    file = models.CharField(max_length=500)
    line = models.PositiveIntegerField()
    column = models.PositiveIntegerField()
    classification = models.CharField(max_length=10, choices=ScanClassification)
    rule = models.CharField(max_length=60)
    family = models.CharField(max_length=60, blank=True)
    excerpt = models.TextField()
    why = models.TextField()
    techniques = models.JSONField(default=list)
    context = models.JSONField(
        default=dict, help_text="The source around the place: before, marked, after."
    )
    steps = models.JSONField(
        default=list, help_text="The places by which the value came, in source order."
    )
    is_missed_by_line_scanner = models.BooleanField(default=False)
    line_scanner_said = models.CharField(max_length=10, blank=True)
    form = models.TextField(
        blank=True, help_text="In what form the line-based scanner misses it."
    )
    suggested_pattern = models.TextField(blank=True)
    regression_test_idea = models.TextField(blank=True)

    class Meta(AppendOnlyModel.Meta):
        verbose_name_plural = "scan entries"
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(
                fields=("report", "position"), name="scan_entry_position_unique"
            ),
            known(
                "scan_entry_classification_known", "classification", ScanClassification
            ),
        )
        indexes = (
            models.Index(
                fields=("report", "classification", "position"),
                name="scan_entry_by_class",
            ),
        )

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.rule}"
