"""Export requests: a stored bundle, filtered and redacted into a new one."""

from django.db import models
from django.db.models import Q

from evidence.handling import Tlp, strictest
from evidence.models.items import EvidenceItem
from evidence.models.queued_work import QueuedWork, WorkState


class ExportRequest(QueuedWork):
    """A request for a filtered, redacted bundle; the result is an evidence item.

    `filter` and `redaction` are the members of docs/evidence-format.md, sections 4
    and 5. A failed request has no result.
    """

    noun = "Export"
    source = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="export_requests"
    )
    filter = models.JSONField(default=dict)
    redaction = models.JSONField(default=dict)
    generated_at_ms = models.BigIntegerField()
    report = models.JSONField(
        null=True, blank=True, help_text="The five steps over the new bundle."
    )
    result = models.ForeignKey(
        EvidenceItem,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="made_by_exports",
    )

    class Meta(QueuedWork.Meta):
        abstract = False
        constraints = [
            *QueuedWork.Meta.constraints,
            models.CheckConstraint(
                condition=~Q(state=WorkState.DONE) | Q(result__isnull=False),
                name="export_done_has_result",
            ),
            models.CheckConstraint(
                condition=Q(state=WorkState.DONE) | Q(result__isnull=True),
                name="export_failed_hands_out_nothing",
            ),
        ]

    @property
    def tlp(self) -> Tlp:
        """The strictest mark of what it draws on, and of what was made."""
        held = [self.source, self.result]
        return strictest(*(item.tlp for item in held if item is not None))

    def __str__(self) -> str:
        return f"export of {self.source_id}: {self.get_state_display()}"
