"""What the database's rows were when they were written, and checks against that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import QuerySet
from django.utils.text import capfirst

from evidence.models.append_only import AppendOnlyModel
from evidence.models.case_bound import CaseBound
from evidence.models.fault_checks import FaultCheck


class RowOperation(models.TextChoices):
    INSERT = "insert", "Written"
    UPDATE = "update", "Changed"
    DELETE = "delete", "Deleted"
    NOTED = "noted", "Noted as it was found"
    ACCEPTED = "accepted", "Accepted as it was found"


class RecordedRow(AppendOnlyModel, CaseBound):
    """One row of another table, as it was written: a digest of each column.

    Triggers on every recorded table write these, in the same transaction. The newest
    of a row says what the row has to be. What a long list belongs to, such as the
    steps of a report, has one for the whole list. None: the row was deleted.
    """

    case_paths = ()

    table_name = models.CharField(max_length=80)
    row_key = models.CharField(max_length=80)
    operation = models.CharField(max_length=10, choices=RowOperation)
    recorded_at = models.DateTimeField()
    role = models.CharField("database role", max_length=80)
    program = models.CharField(max_length=80, blank=True)
    columns = models.JSONField(null=True)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        indexes = (
            models.Index(
                fields=("table_name", "row_key", "-id"), name="recorded_row_newest"
            ),
        )

    def __str__(self) -> str:
        operation = self.get_operation_display().lower()
        return f"{_say_table(self.table_name)} {self.row_key}, {operation}"

    @classmethod
    def found_in(cls, cases: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
        """Yield the cases themselves: one that is hidden hides every record.

        Records number the rows of all tables. Who sees only some cases would count
        from them what happens in the others.
        """
        yield cases


def _say_table(table: str) -> str:
    """Return what a row of the table is called; the table's name if no model has it."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table == table:
            return str(capfirst(str(model._meta.verbose_name)))
    return table


class RecordCheck(FaultCheck):
    """One comparison of every recorded row with what was recorded of it."""

    table_count = models.PositiveIntegerField()
    row_count = models.PositiveBigIntegerField()
    faults = models.JSONField(
        default=list, help_text="The first faults: table, key, code, message."
    )

    def __str__(self) -> str:
        found = f"{self.fault_count} differences" if self.fault_count else "holds"
        return f"record check {self.pk}: {found}"
