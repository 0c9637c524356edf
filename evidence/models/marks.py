"""Changes of marks of handling: of a case, or of one piece of its evidence."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from evidence.handling import CHOICES, LOOSENINGS, Tlp
from evidence.models.append_only import AppendOnlyModel
from evidence.models.case_bound import CaseBound
from evidence.models.choices import values_of
from evidence.models.columns import optional_person_field
from evidence.models.items import EvidenceItem


def _is_loosening() -> Q:
    pairs = Q()
    for before, after in LOOSENINGS:
        pairs |= Q(from_tlp=before.value, to_tlp=after.value)
    return pairs


class MarkChange(AppendOnlyModel, CaseBound):
    """That a case, or an item of it, is marked otherwise from now on: by whom, and why.

    `item` None: it is the case's own mark. A mark is loosened only as somebody asked
    and a second person approved; the row of the case or item takes no mark but that of
    its newest change.
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        "incidents.Incident", on_delete=models.PROTECT, related_name="mark_changes"
    )
    item = models.ForeignKey(
        EvidenceItem,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="mark_changes",
    )
    from_tlp = models.CharField(max_length=10, choices=CHOICES)
    to_tlp = models.CharField(max_length=10, choices=CHOICES)
    reason = models.TextField(blank=True)
    changed_at = models.DateTimeField()
    changed_by = optional_person_field()
    approved_by = optional_person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(from_tlp__in=values_of(Tlp), to_tlp__in=values_of(Tlp)),
                name="mark_change_marks_known",
            ),
            models.CheckConstraint(
                condition=~Q(from_tlp=F("to_tlp")), name="mark_change_changes"
            ),
            models.CheckConstraint(
                condition=~_is_loosening()
                | (
                    Q(changed_by__isnull=False, approved_by__isnull=False)
                    & ~Q(changed_by=F("approved_by"))
                    & ~Q(reason="")
                ),
                name="mark_loosened_by_two",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_from_tlp_display()} → {self.get_to_tlp_display()}"
