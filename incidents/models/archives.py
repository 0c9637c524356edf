"""Case archives: one file that holds a whole case and checks itself."""

from django.db import models
from django.db.models import Q

from evidence.models import QueuedWork, WorkState
from incidents.models.cases import Incident


class CaseArchive(QueuedWork):
    """A request for an archive of a case as it stands at `requested_at`.

    DONE means that the archive's own checker found nothing in it; the bytes are in the
    evidence store under their digest. `checkpoint_size` is the tree size of the
    checkpoint it was made under.
    """

    noun = "Archive"
    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="archives"
    )
    sha256_hex = models.CharField("SHA-256", max_length=64, blank=True)
    size_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    checkpoint_size = models.PositiveBigIntegerField(null=True, blank=True)

    class Meta(QueuedWork.Meta):
        abstract = False
        constraints = [
            *QueuedWork.Meta.constraints,
            models.CheckConstraint(
                condition=~Q(state=WorkState.DONE)
                | (
                    ~Q(sha256_hex="")
                    & Q(size_bytes__isnull=False, checkpoint_size__isnull=False)
                ),
                name="case_archive_done_has_bytes",
            ),
        ]
        permissions = (
            ("make_casearchive", "Can have a case archived"),
            ("download_casearchive", "Can download an archive with everything in it"),
        )

    def __str__(self) -> str:
        return f"archive {self.pk} of {self.incident.reference}"

    @property
    def file_name(self) -> str:
        return f"{self.incident.reference}-archive-{self.pk}.zip"
