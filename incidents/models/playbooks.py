"""Playbooks and their versions. A case keeps the version it was opened with."""

import pgtrigger
from django.db import models

from evidence.models import AppendOnlyModel
from evidence.models.columns import optional_person_field
from evidence.models.triggers import Protect, ReadOnly


class Playbook(models.Model):
    """A class of incident (INC-1 … INC-6, or a team's own) and its procedure."""

    code = models.CharField(max_length=40, unique=True)
    title = models.CharField(max_length=200)

    class Meta:
        ordering = ("code",)
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(name="code_is_fixed", fields=["code"]),
        )

    def __str__(self) -> str:
        return f"{self.code}: {self.title}"

    @property
    def current_version(self) -> "PlaybookVersion":
        """The newest version. Costs a query unless `versions` is prefetched."""
        return max(self.versions.all(), key=lambda version: version.number)


class PlaybookVersion(AppendOnlyModel):
    """The content of a playbook as it was loaded (docs/playbooks.md)."""

    playbook = models.ForeignKey(
        Playbook, on_delete=models.PROTECT, related_name="versions"
    )
    number = models.PositiveIntegerField()
    content_sha256 = models.CharField("content SHA-256", max_length=64)
    document = models.JSONField()
    file_name = models.CharField(max_length=255)
    loaded_at = models.DateTimeField()
    loaded_by = optional_person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("playbook__code", "-number")
        constraints = (
            models.UniqueConstraint(
                fields=("playbook", "number"), name="playbook_version_number_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.playbook.code} version {self.number}"
