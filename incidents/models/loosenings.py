"""Requests to loosen a mark of handling: asked for, then decided on by a reviewer."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from evidence.handling import CHOICES, LOOSENINGS, Tlp
from evidence.models import EvidenceItem
from evidence.models.case_bound import CaseBound
from incidents.models.cases import Incident
from policy.models.requests import (
    RequestState,
    ReviewedRequest,
    request_constraints,
    request_triggers,
)


def _loosens() -> Q:
    pairs = Q()
    for before, after in LOOSENINGS:
        pairs |= Q(from_tlp=before.value, to_tlp=after.value)
    return pairs


class LooseningRequest(ReviewedRequest, CaseBound):
    """A request to mark a case, or one item of it, more openly than it is marked."""

    case_paths = ("incident",)

    what = "request to loosen a mark"
    asked = "made"

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="loosening_requests"
    )
    item = models.ForeignKey(
        EvidenceItem,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="loosening_requests",
    )
    from_tlp = models.CharField(max_length=10, choices=CHOICES)
    to_tlp = models.CharField(max_length=10, choices=CHOICES)

    class Meta(ReviewedRequest.Meta):
        abstract = False
        constraints = (
            *request_constraints("loosening_request"),
            models.CheckConstraint(condition=_loosens(), name="loosening_loosens"),
            models.UniqueConstraint(
                fields=("incident", "item"),
                condition=Q(state=RequestState.PENDING),
                nulls_distinct=False,
                name="loosening_one_pending",
            ),
        )
        triggers = request_triggers(("incident", "item", "from_tlp", "to_tlp"))

    def __str__(self) -> str:
        about = self.item or self.incident.reference
        return f"{about}: {self.get_from_tlp_display()} → {self.get_to_tlp_display()}"

    @property
    def wanted(self) -> Tlp:
        return Tlp(self.to_tlp)
