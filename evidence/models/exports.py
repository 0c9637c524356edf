"""Export requests: a stored bundle, filtered and redacted into a new one."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from evidence.format import REDACTION_FLAGS
from evidence.format.redaction import flags_set, redaction_words
from evidence.handling import Tlp, strictest
from evidence.models.case_bound import CaseBound
from evidence.models.items import EvidenceItem
from evidence.models.queued_work import QueuedWork, WorkState


class ExportRequest(QueuedWork, CaseBound):
    """A request for a filtered, redacted bundle; the result is an evidence item.

    `filter` and `redaction` are the members of docs/evidence-format.md, sections 4
    and 5. A failed request has no result.
    """

    case_paths = ("source__incident",)

    noun = "Export"
    source = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="export_requests"
    )
    more_sources = ArrayField(
        models.BigIntegerField(),
        null=True,
        blank=True,
        help_text="Further items of the same case that it draws on; none: one alone.",
    )
    filter = models.JSONField(default=dict)
    redaction = models.JSONField(default=dict)
    deep = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether what leaks is taken out, where else it fails the export.",
    )
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

    def all_sources(self) -> list[EvidenceItem]:
        """Return the items that it draws on, the one that it was asked of first."""
        more = EvidenceItem.objects.filter(pk__in=self.more_sources or ())
        return [self.source, *more.select_related("incident").order_by("pk")]

    @property
    def redaction_words(self) -> str:
        """How it is redacted, in a word that names and pages tell it apart by."""
        return redaction_words(flags_set(self.redaction), deep=self.deep)

    @property
    def chosen_flags(self) -> str:
        """What is redacted where it was chosen: "remediation, name hash"; "" else."""
        flags = flags_set(self.redaction)
        if len(flags) == len(REDACTION_FLAGS):
            return ""
        return ", ".join(
            flag.removeprefix("redact_").replace("_", " ") for flag in flags
        )

    @property
    def is_redacted(self) -> bool:
        return bool(flags_set(self.redaction))

    @property
    def tlp(self) -> Tlp:
        """The strictest mark of what it draws on, and of what was made."""
        more = self.all_sources()[1:] if self.more_sources else []
        held = [self.source, *more, self.result]
        return strictest(*(item.tlp for item in held if item is not None))

    def __str__(self) -> str:
        return f"export of {self.source_id}: {self.get_state_display()}"
