"""What was read, by whom: noted at each request, recorded in batches for good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, OuterRef, QuerySet

from evidence.models.append_only import AppendOnlyModel
from evidence.models.case_bound import CaseBound, KeyAmong
from evidence.models.columns import known, person_field
from evidence.models.history import AuditEntry
from evidence.models.tokens import ApiToken

WORDS_LENGTH = 300


class ReadKind(models.TextChoices):
    OPENED = "opened", "Opened"
    DOWNLOADED = "downloaded", "Downloaded"
    LISTED = "listed", "Listed"
    SEARCHED = "searched", "Searched"


class ReadDoor(models.TextChoices):
    """How somebody read: signed in at a page or the API, or with a token."""

    PAGE = "page", "Page"
    API = "api", "API, signed in"
    TOKEN = "token", "API, with a token"


class ReadingColumns(models.Model):
    """Who read what, by which door.

    `subject` is the model of what was opened, or the name of the list; `object_id` its
    key, empty for a list. `words` are those of a search, or what a list was narrowed
    by. `cases` are the keys of the cases that were shown.
    """

    reader = person_field()
    door = models.CharField(max_length=10, choices=ReadDoor)
    token = models.ForeignKey(
        ApiToken, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=10, choices=ReadKind)
    subject = models.CharField(max_length=100)
    object_id = models.CharField(max_length=80, blank=True)
    words = models.CharField(max_length=WORDS_LENGTH, blank=True)
    cases = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        abstract = True


class NotedRead(ReadingColumns):
    """One request that read, kept until its batch is recorded, and then deleted."""

    read_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        ordering = ("id",)
        constraints = (
            known("noted_read_kind_known", "kind", ReadKind),
            known("noted_read_door_known", "door", ReadDoor),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} {self.object_id}".strip()


class RecordedRead(ReadingColumns, AppendOnlyModel, CaseBound):
    """What one person read in one batch, in one way; `entry` has it in the history.

    What is of one case has it as `incident`; a list, which shows many, has none.
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    count = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    entry = models.ForeignKey(AuditEntry, on_delete=models.PROTECT, related_name="+")

    class Meta(AppendOnlyModel.Meta):
        verbose_name = "recorded reading"
        ordering = ("-last_at", "-id")
        constraints = (
            known("recorded_read_kind_known", "kind", ReadKind),
            known("recorded_read_door_known", "door", ReadDoor),
            models.CheckConstraint(
                condition=models.Q(count__gte=1), name="recorded_read_counts"
            ),
        )
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["incident", "-last_at"], name="recorded_read_of_case"),
            GinIndex(fields=["cases"], name="recorded_read_shown"),
        ]

    def __str__(self) -> str:
        return f"{self.reader_id} {self.kind} {self.subject}: {self.count}"

    @classmethod
    def found_in(cls, cases: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield what finds readings of these cases, and lists that showed one."""
        yield from super().found_in(cases)
        yield cases.filter(KeyAmong(F("pk"), OuterRef("cases")))
