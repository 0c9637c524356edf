"""Verification: a request, the one report that answers it, and what the report lists."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from evidence.models.append_only import AppendOnlyModel
from evidence.models.items import EvidenceItem


class WorkState(models.TextChoices):
    """Where a piece of queued work stands."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class VerificationRequest(models.Model):
    """A wish to have an item verified; the worker's progress is kept here."""

    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="verification_requests"
    )
    state = models.CharField(max_length=10, choices=WorkState, default=WorkState.QUEUED)
    progress_percent = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    requested_at = models.DateTimeField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=WorkState.values),
                name="verification_request_state_known",
            ),
            models.CheckConstraint(
                condition=Q(progress_percent__lte=100),
                name="verification_request_progress_percent",
            ),
        )

    def __str__(self) -> str:
        return f"verification of {self.item_id}: {self.get_state_display()}"


class Outcome(models.TextChoices):
    VALID = "valid", "Valid"
    INVALID = "invalid", "Not valid"
    REFUSED = "refused", "Refused: not a readable document"
    DAMAGED = "damaged", "Stored bytes differ from their digest"
    DIGEST_ONLY = "digest_only", "Digest matches; content has no verifier"


PASSING_OUTCOMES = (Outcome.VALID, Outcome.DIGEST_ONLY)


class VerificationReport(AppendOnlyModel):
    """What one verification found. One request has exactly one.

    `details` is the engine's report (docs/evidence-format.md, sections 2 and 3)
    without `verification_errors`, which are rows of their own so that a page of them
    is as quick in a long ledger as in a short one.
    """

    request = models.OneToOneField(
        VerificationRequest, on_delete=models.PROTECT, related_name="report"
    )
    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="reports"
    )
    outcome = models.CharField(max_length=12, choices=Outcome)
    document_kind = models.CharField(max_length=10, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    engine_version = models.CharField(max_length=40)
    steps = models.JSONField(
        default=dict, help_text="Step name to pass, fail or not_applicable."
    )
    details = models.JSONField(default=dict)
    refusal_code = models.CharField(max_length=60, blank=True)
    refusal_path = models.CharField(max_length=500, blank=True)
    refusal_message = models.TextField(blank=True)
    error_count = models.PositiveIntegerField(default=0)
    step_count = models.PositiveIntegerField(default=0)
    trusted_prefix = models.PositiveIntegerField(null=True, blank=True)
    break_index = models.PositiveIntegerField(null=True, blank=True)
    diagnosis = models.CharField(max_length=12, blank=True)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(outcome__in=Outcome.values),
                name="verification_report_outcome_known",
            ),
        )

    def __str__(self) -> str:
        return f"report {self.pk}: {self.get_outcome_display()}"

    @property
    def is_passing(self) -> bool:
        return self.outcome in PASSING_OUTCOMES


class VerificationError(AppendOnlyModel):
    """One of a report's `verification_errors`, in the report's order."""

    report = models.ForeignKey(
        VerificationReport, on_delete=models.PROTECT, related_name="errors"
    )
    position = models.PositiveIntegerField()
    entry_index = models.PositiveIntegerField()
    sequence = models.CharField(
        max_length=40,
        blank=True,
        help_text="As the entry has it: a number of any size, or nothing.",
    )
    code = models.CharField(max_length=40)
    message = models.TextField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("position",)
        constraints = (
            models.UniqueConstraint(
                fields=("report", "position"), name="verification_error_position_unique"
            ),
        )

    def __str__(self) -> str:
        return f"[{self.entry_index}] {self.code}"


class ReplayStep(AppendOnlyModel):
    """One step of the forensic replay (docs/evidence-format.md, section 6).

    `index` counts from 0 over the ledger's entries. A member that the entry lacks,
    or that the column cannot hold, is null.
    """

    report = models.ForeignKey(
        VerificationReport, on_delete=models.PROTECT, related_name="replay_steps"
    )
    index = models.PositiveIntegerField()
    sequence = models.BigIntegerField(null=True)
    ts_ms = models.BigIntegerField(null=True)
    extension_id = models.TextField(null=True)
    call_id = models.TextField(null=True)
    capability = models.TextField(null=True)
    method = models.TextField(null=True)
    policy_decision = models.TextField(null=True)
    policy_reason = models.TextField(null=True)
    risk_score = models.FloatField(null=True)
    selected_action = models.TextField(null=True)
    outcome = models.TextField(null=True)
    triggers = models.JSONField(default=list)
    trusted = models.BooleanField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("index",)
        constraints = (
            models.UniqueConstraint(
                fields=("report", "index"), name="replay_step_index_unique"
            ),
        )
        indexes = (
            models.Index(
                fields=("report", "extension_id", "index"),
                name="replay_step_by_extension",
            ),
            models.Index(
                fields=("report", "call_id", "index"), name="replay_step_by_call"
            ),
        )

    def __str__(self) -> str:
        return f"step {self.index}"
