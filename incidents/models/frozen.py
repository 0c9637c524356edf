"""What an archive is made from, and what was put on it once it was made."""

from __future__ import annotations

from django.db import models

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound
from incidents.models.archives import CaseArchive


class FrozenCase(AppendOnlyModel, CaseBound):
    """How a case stood when its archive was asked for: `content` as freezing.py says.

    An archive made from it has the same bytes, however its rows change meanwhile.
    """

    case_paths = ("archive__incident",)

    archive = models.OneToOneField(
        CaseArchive, on_delete=models.PROTECT, related_name="frozen"
    )
    content = models.JSONField()

    def __str__(self) -> str:
        return f"case of {self.archive}"


class ArchiveSeal(AppendOnlyModel, CaseBound):
    """The signatures and time stamps that a manifest got when its archive was made.

    Kept, since they cannot be made again: keys change, and a stamp says when it was
    given. `signatures` are those of the envelope; `time_stamps` are objects of `name`
    (the archive's member), `place`, `sha256` (of what is stamped) and `token` (base64).
    `problem` says why no stamp was to be had, empty where none was missing.
    """

    case_paths = ("archive__incident",)

    archive = models.OneToOneField(
        CaseArchive, on_delete=models.PROTECT, related_name="seal"
    )
    manifest_sha256_hex = models.CharField("manifest's SHA-256", max_length=64)
    signatures = models.JSONField()
    time_stamps = models.JSONField(default=list)
    problem = models.CharField(max_length=300, blank=True)
    sealed_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"seal of {self.archive}"
