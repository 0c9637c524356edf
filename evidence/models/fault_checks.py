"""What every recorded check of the whole history, or of all rows, has."""

from django.db import models

from evidence.models.append_only import AppendOnlyModel
from evidence.models.columns import optional_person_field


class FaultCheck(AppendOnlyModel):
    """One run of a check, who asked for it, and how many faults it found."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    requested_by = optional_person_field()
    fault_count = models.PositiveIntegerField()

    class Meta(AppendOnlyModel.Meta):
        abstract = True
        ordering = ("-id",)

    @property
    def is_passing(self) -> bool:
        return self.fault_count == 0
