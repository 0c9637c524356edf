"""Pruning: asked for by an administrator, decided by a reviewer, done by a worker."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from evidence.models import QueuedWork
from evidence.models.case_bound import CaseBound
from incidents.models.archives import CaseArchive
from incidents.models.cases import Incident
from policy.models.requests import (
    RequestState,
    ReviewedRequest,
    request_constraints,
    request_triggers,
)


class PruneRequest(ReviewedRequest, CaseBound):
    """A request to prune a closed case's bulky rows, which are in its archive.

    `planned` is what would go, as it was shown to who asked: by kind, the number of
    `rows` and `bytes`.
    """

    case_paths = ("incident",)

    what = "request to prune"
    asked = "made"

    incident = models.ForeignKey(
        Incident, on_delete=models.PROTECT, related_name="prune_requests"
    )
    archive = models.ForeignKey(
        CaseArchive, on_delete=models.PROTECT, related_name="prune_requests"
    )
    planned = models.JSONField(default=dict)

    class Meta(ReviewedRequest.Meta):
        abstract = False
        constraints = (
            *request_constraints("prune_request"),
            models.UniqueConstraint(
                fields=("incident",),
                condition=Q(state=RequestState.PENDING),
                name="prune_request_one_pending",
            ),
        )
        triggers = request_triggers(("incident", "archive", "planned"))
        permissions = (("request_pruning", "Can ask for a closed case to be pruned"),)

    def __str__(self) -> str:
        return f"pruning of {self.incident.reference}"


class PruneRun(QueuedWork, CaseBound):
    """The work that an approved request to prune asks for.

    FAILED: something stood against it by then, such as a hold; what had been pruned
    before stays so, and has its tombstones.
    """

    case_paths = ("request__incident",)

    noun = "Pruning"
    request = models.OneToOneField(
        PruneRequest, on_delete=models.PROTECT, related_name="run"
    )
    left = models.JSONField(
        default=list,
        help_text="What stayed, and why: the archive has no copy that is the same.",
    )

    class Meta(QueuedWork.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"{self.request}: {self.get_state_display().lower()}"
