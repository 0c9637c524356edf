"""Verification: a request, the one report that answers it, and the report's rows."""

import pgtrigger
from django.contrib.postgres.indexes import HashIndex
from django.db import models

from evidence.models.append_only import REFUSE_TRUNCATING, AppendOnlyModel
from evidence.models.case_bound import CaseBound
from evidence.models.columns import known
from evidence.models.items import EvidenceItem, Outcome
from evidence.models.queued_work import QueuedWork, pending_once
from evidence.models.tombstones import ONLY_PRUNED_STEPS
from evidence.models.triggers import Protect, Trigger

SHOW_ON_ITEM = """
    -- Locked first: the kind of the item says whether it shows this report.
    PERFORM FROM evidence_evidenceitem WHERE id = NEW.item_id FOR NO KEY UPDATE;
    UPDATE evidence_evidenceitem
       SET latest_report_id = NEW.id,
           latest_outcome = NEW.outcome,
           latest_checked_at = NEW.finished_at
     WHERE id = NEW.item_id
       AND COALESCE(latest_report_id, 0) < NEW.id
       AND NOT (kind IN ('bundle', 'ledger') AND NEW.outcome = 'digest_only');
    RETURN NULL;
"""


class VerificationRequest(QueuedWork, CaseBound):
    """A request to verify an item; one report answers it.

    An item has at most one that is pending: asking again meanwhile is the same wish.
    """

    case_paths = ("item__incident",)

    noun = "Verification"
    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="verification_requests"
    )

    class Meta(QueuedWork.Meta):
        abstract = False
        constraints = [
            *QueuedWork.Meta.constraints,
            pending_once("verification_pending_once"),
        ]

    def __str__(self) -> str:
        return f"verification of item {self.item_id}: {self.get_state_display()}"


class VerificationReport(AppendOnlyModel, CaseBound):
    """What one verification found. One request has exactly one.

    `error_count` counts all errors; of very many only the first are stored.
    `details` is the engine's report (docs/evidence-format.md, sections 2 and 3)
    without `verification_errors`, which are rows of their own so that a page of them
    is as quick in a long ledger as in a short one. `overview` is what the evidence page
    draws, worked out once: the document's summary, its alerts counted by category and
    severity, and the points of the risk plot.
    """

    case_paths = ("item__incident",)

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
    overview = models.JSONField(default=dict)
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
        constraints = (known("verification_report_outcome_known", "outcome", Outcome),)
        indexes = (models.Index(fields=("finished_at",), name="report_finished_at"),)
        triggers = (
            *AppendOnlyModel.Meta.triggers,
            Trigger(
                name="shown_on_its_item",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                func=SHOW_ON_ITEM,
            ),
        )

    def __str__(self) -> str:
        return f"report {self.pk}: {self.get_outcome_display()}"

    @property
    def is_passing(self) -> bool:
        """Return whether the content was verified; that its digest matches is less."""
        return self.outcome == Outcome.VERIFIED

    def count_unstored_errors(self) -> int:
        """Return how many of the errors counted are not among the rows."""
        if not self.error_count:
            return 0
        last = self.errors.aggregate(last=models.Max("position"))["last"]
        return self.error_count - (0 if last is None else int(last) + 1)


class VerificationError(AppendOnlyModel, CaseBound):
    """One of a report's `verification_errors`, in the report's order."""

    case_paths = ("report__item__incident",)

    report = models.ForeignKey(
        VerificationReport,
        on_delete=models.PROTECT,
        related_name="errors",
        db_index=False,
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


def _optional_text() -> models.TextField:
    # Null is a member that is missing, which an empty string is not.
    return models.TextField(null=True)


class ReplayStep(AppendOnlyModel, CaseBound):
    """One step of the forensic replay (docs/evidence-format.md, section 6).

    `index` counts from 0 over the ledger's entries. A member that the entry lacks,
    or that the column cannot hold, is null.
    """

    case_paths = ("report__item__incident",)

    report = models.ForeignKey(
        VerificationReport,
        on_delete=models.PROTECT,
        related_name="replay_steps",
        db_index=False,
    )
    index = models.PositiveIntegerField()
    sequence = models.BigIntegerField(null=True)
    ts_ms = models.BigIntegerField(null=True)
    extension_id = _optional_text()
    call_id = _optional_text()
    capability = _optional_text()
    method = _optional_text()
    policy_decision = _optional_text()
    policy_reason = _optional_text()
    risk_score = models.FloatField(null=True)
    selected_action = _optional_text()
    outcome = _optional_text()
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
            # The search asks over all reports, and only for the whole of an ID.
            HashIndex(fields=("call_id",), name="replay_step_call"),
        )
        triggers = (
            Protect(name="append_only", operation=pgtrigger.Update),
            Trigger(
                name="only_pruned",
                when=pgtrigger.Before,
                operation=pgtrigger.Delete,
                func=ONLY_PRUNED_STEPS,
            ),
            REFUSE_TRUNCATING,
        )

    def __str__(self) -> str:
        return f"step {self.index}"
