"""Copies of case archives in a bucket elsewhere, and how far each has come."""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from evidence.models.case_bound import CaseBound
from evidence.models.triggers import Protect
from incidents.models.archives import CaseArchive


class ArchiveCopy(CaseBound):
    """An archive given to a bucket: when it was there as it is here, or why not yet.

    `copied_at` is set once the copy was read back, had the archive's size and digest,
    and was locked until `retain_until`. It stays as it is from then on.
    """

    case_paths = ("archive__incident",)

    archive = models.ForeignKey(
        CaseArchive, on_delete=models.PROTECT, related_name="copies", db_index=False
    )
    bucket = models.CharField(max_length=500)
    noted_at = models.DateTimeField(help_text="From when on the time of the lock runs.")
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    last_problem = models.CharField(max_length=500, blank=True)
    copied_at = models.DateTimeField(null=True, blank=True)
    object_key = models.CharField(max_length=1024, blank=True)
    version_id = models.CharField(max_length=1024, blank=True)
    retain_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "archive copies"
        constraints = (
            models.UniqueConstraint(
                fields=("archive", "bucket"), name="archive_copy_once"
            ),
            models.CheckConstraint(
                condition=Q(copied_at__isnull=True)
                | (Q(retain_until__isnull=False) & ~Q(object_key="")),
                name="archive_copy_has_retention",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            Protect(
                name="copied_stays_copied",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__copied_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"copy of {self.archive} in {self.bucket}"
