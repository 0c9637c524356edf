"""What every recorded check of the whole history, or of all rows, has."""

from django.conf import settings
from django.db import models

from evidence.models.append_only import AppendOnlyModel


class FaultCheck(AppendOnlyModel):
    """One run of a check, who asked for it, and how many faults it found."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    fault_count = models.PositiveIntegerField()

    class Meta(AppendOnlyModel.Meta):
        abstract = True
        ordering = ("-id",)

    @property
    def is_passing(self) -> bool:
        return self.fault_count == 0
