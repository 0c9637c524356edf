"""What checks of the evidence store found: when bytes were read, and what was wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pgtrigger
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet

from evidence.models.append_only import REFUSE_TRUNCATING, AppendOnlyModel
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.columns import known, optional_person_field
from evidence.models.items import SHA256_HEX, EvidenceItem
from evidence.models.triggers import Protect, ReadOnly


class StoreMark(AppendOnlyModel):
    """The ID of the store that this database's evidence is in; the newest counts."""

    store_id = models.UUIDField()
    noted_at = models.DateTimeField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"store {self.store_id}"


def _held_by(cases: QuerySet[Any]) -> QuerySet[Any]:
    """Return what finds the bytes that these cases hold and no other does."""
    items = EvidenceItem.everything.filter(sha256_hex=OuterRef("sha256_hex"))
    elsewhere = items.exclude(incident__in=cases)
    return items.filter(incident__in=cases).exclude(Exists(elsewhere))


class StoreCheck(CaseBound):
    """When stored bytes were last read and hashed. One row for each digest.

    What was never checked has no row: its receipt is the last time it was hashed.
    """

    case_paths = ()

    sha256_hex = models.CharField("SHA-256", max_length=64, unique=True)
    checked_at = models.DateTimeField()

    class Meta:
        ordering = ("checked_at",)
        constraints = (
            models.CheckConstraint(
                condition=Q(sha256_hex__regex=SHA256_HEX),
                name="store_check_sha256_hex",
            ),
        )
        indexes = (models.Index(fields=("checked_at",), name="store_check_oldest"),)

    def __str__(self) -> str:
        return f"{self.sha256_hex[:12]} checked at {self.checked_at}"

    @classmethod
    def found_in(cls, cases: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield what finds the digests that only these cases hold."""
        yield _held_by(cases)


class FaultKind(models.TextChoices):
    DAMAGED = "damaged", "Damaged"
    MISSING = "missing", "Missing"


class FaultEnding(models.TextChoices):
    """How a fault ended. Only a check of the bytes ends one."""

    REPAIRED = "repaired", "The same bytes were sent again and put in place"
    SOUND_AGAIN = "sound_again", "A check found the bytes sound again"


class StoreFaultQuerySet(models.QuerySet["StoreFault"]):
    def standing(self) -> StoreFaultQuerySet:
        """Return the faults that nothing has ended."""
        return self.filter(ended_at__isnull=True)


class StoreFault(AppendOnlyModel, CaseBound):
    """That the store no longer has the bytes that were received under a digest.

    One stands at a time for a digest. It ends when sound bytes are there again, which
    a check or an upload of the same bytes finds; what is ended never changes again.
    """

    case_paths = ("incident",)

    changeable_columns = ("incident_id", "ended_at", "ending", "ending_detail")

    sha256_hex = models.CharField("SHA-256", max_length=64)
    kind = models.CharField(max_length=10, choices=FaultKind)
    found_at = models.DateTimeField()
    detail = models.TextField()
    incident = models.ForeignKey(
        "incidents.Incident",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="store_faults",
        help_text="The case that was opened about it.",
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    ending = models.CharField(max_length=12, choices=FaultEnding, blank=True)
    ending_detail = models.TextField(blank=True)

    objects = CaseBoundManager.from_queryset(StoreFaultQuerySet)()
    everything = StoreFaultQuerySet.as_manager()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("sha256_hex",),
                condition=Q(ended_at__isnull=True),
                name="store_fault_stands_once",
            ),
            models.CheckConstraint(
                condition=Q(sha256_hex__regex=SHA256_HEX),
                name="store_fault_sha256_hex",
            ),
            known("store_fault_kind_known", "kind", FaultKind),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True, ending="")
                | Q(ended_at__isnull=False, ending__in=FaultEnding.values),
                name="store_fault_ended_says_how",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(
                name="found_as_it_is",
                exclude=["incident", "ended_at", "ending", "ending_detail"],
            ),
            Protect(
                name="case_is_named_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__incident__isnull=False)
                & pgtrigger.Q(old__incident__df=pgtrigger.F("new__incident")),
            ),
            Protect(
                name="ended_stays_ended",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__ended_at__isnull=False)
                & (
                    pgtrigger.Q(old__ended_at__df=pgtrigger.F("new__ended_at"))
                    | pgtrigger.Q(old__ending__df=pgtrigger.F("new__ending"))
                    | pgtrigger.Q(
                        old__ending_detail__df=pgtrigger.F("new__ending_detail")
                    )
                ),
            ),
            REFUSE_TRUNCATING,
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.sha256_hex[:12]}"

    @property
    def is_standing(self) -> bool:
        return self.ended_at is None

    @classmethod
    def found_in(cls, cases: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield what finds faults of these cases, and of bytes that only they hold."""
        yield from super().found_in(cases)
        yield _held_by(cases)


class UnclaimedChoice(models.TextChoices):
    KEPT = "kept", "Kept"
    REMOVED = "removed", "Removed"
    CLAIMED = "claimed", "A row came to have them"


class UnclaimedBytes(models.Model):
    """Bytes in the store that no row has: a process ended between file and row.

    They wait for somebody to keep or remove them; sending them again claims them.
    """

    sha256_hex = models.CharField("SHA-256", max_length=64)
    size_bytes = models.PositiveBigIntegerField("size in bytes")
    stored_at = models.DateTimeField()
    found_at = models.DateTimeField()
    choice = models.CharField(max_length=10, choices=UnclaimedChoice, blank=True)
    chosen_at = models.DateTimeField(null=True, blank=True)
    chosen_by = optional_person_field()

    class Meta:
        verbose_name = "bytes without a row"
        verbose_name_plural = "bytes without a row"
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("sha256_hex",),
                condition=Q(choice=""),
                name="unclaimed_waits_once",
            ),
            models.CheckConstraint(
                condition=Q(choice="", chosen_at__isnull=True)
                | Q(choice__in=UnclaimedChoice.values, chosen_at__isnull=False),
                name="unclaimed_choice_has_time",
            ),
        )
        triggers = (Protect(name="never_deleted", operation=pgtrigger.Delete),)

    def __str__(self) -> str:
        return f"{self.sha256_hex[:12]}, {self.size_bytes} bytes"
