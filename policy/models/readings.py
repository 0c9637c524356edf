"""What the policy app has read out of stored bundles: who appears in them, and how."""

from django.db import models
from django.db.models import Q

from evidence.models import (
    UNFINISHED_STATES,
    AppendOnlyModel,
    EvidenceItem,
    QueuedWork,
    WorkState,
)
from evidence.models.case_bound import CaseBound
from policy.models.extensions import Extension


class BundleReading(QueuedWork, CaseBound):
    """A bundle or ledger that is read once after its verification.

    Evidence knows nothing of policy, so the scheduler's sweep makes these rows for
    items whose verification came to an answer. Another one for the same item is asked
    for by a person, where the one before came to nothing.
    """

    case_paths = ("item__incident",)

    noun = "Reading"
    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="policy_readings"
    )
    extension_count = models.PositiveIntegerField(default=0)
    breach_count = models.PositiveIntegerField(default=0)
    unreadable_count = models.PositiveIntegerField(
        default=0, help_text="Breach records that lack what a breach needs."
    )

    class Meta(QueuedWork.Meta):
        abstract = False
        constraints = [
            *QueuedWork.Meta.constraints,
            models.UniqueConstraint(
                fields=("item",),
                condition=Q(state__in=(*UNFINISHED_STATES, WorkState.DONE)),
                name="reading_comes_to_something_once",
            ),
        ]

    def __str__(self) -> str:
        return f"reading of item {self.item_id}: {self.get_state_display()}"


class ExtensionAppearance(AppendOnlyModel, CaseBound):
    """An extension in a bundle: how often, from when to when, and its risk plot.

    `plot` has the shape of a verification report's `overview["plot"]`, of this
    extension's ledger entries alone.
    """

    case_paths = ("item__incident",)

    extension = models.ForeignKey(
        Extension, on_delete=models.PROTECT, related_name="appearances"
    )
    item = models.ForeignKey(
        EvidenceItem,
        on_delete=models.PROTECT,
        related_name="extension_appearances",
        db_index=False,
    )
    call_count = models.PositiveIntegerField(default=0)
    alert_count = models.PositiveIntegerField(default=0)
    breach_count = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    plot = models.JSONField(default=dict)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("item", "extension"), name="extension_appears_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.extension} in {self.item}"
