"""Pruning in the admin: what would go, asked for, decided on, and what stays of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Min, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from unfold.decorators import display

from evidence.admin.base import person_of
from evidence.admin.drawing import draw_page
from evidence.admin.form_answers import answer_form
from evidence.admin.form_fields import PageForm
from evidence.admin.methods import takes_forms
from evidence.admin.telling import Waiting, tell
from evidence.models import Tombstone, TombstoneKind, WorkState
from evidence.templatetags.casefile import badge
from evidence.text import drop_unstorable
from incidents.admin.form_fields import reason_field
from incidents.models import Incident, PruneRequest
from incidents.services.changes import REVIEW
from incidents.services.pruning.plan import plan_pruning, prunable_from
from incidents.services.pruning.requests import (
    ASK,
    approve_pruning,
    decline_pruning,
    request_pruning,
    withdraw_pruning,
)
from policy.admin.pages import OfVisibleIncident, PageAction, PageAdmin
from policy.models import RequestState
from policy.services.requests import lapses_at

SHOWN_STONES = 100
Data = dict[str, Any]


class AskForm(forms.Form):
    """Which case, and why."""

    case = forms.CharField(label="Reference of the case")
    reason = reason_field("Why it is pruned")

    def __init__(self, *args: Any, cases: QuerySet[Incident], **options: Any) -> None:
        super().__init__(*args, **options)
        self.cases = cases

    def clean_case(self) -> Incident:
        """Return the case of this reference, among those the person may see."""
        incident = find_named(self.cases, self.cleaned_data["case"])
        if incident is None:
            raise forms.ValidationError(
                "There is no case of this reference. Check it.", code="no_such_case"
            )
        return incident


class ReasonForm(PageForm):
    reason = reason_field("Why not")


class OptionalReasonForm(PageForm):
    reason = reason_field("A word to go with it", required=False)


@dataclass(frozen=True)
class KindRow:
    """A kind as a table shows it: what would go, or what went."""

    label: str
    things: int
    rows: int
    size: str


def find_named(cases: QuerySet[Incident], reference: str) -> Incident | None:
    """Return the case of a reference; None where there is none to be seen."""
    return cases.filter(reference=drop_unstorable(reference).strip()).first()


def _approve(request: HttpRequest, obj: PruneRequest, data: Data) -> str:
    approve_pruning(actor=person_of(request), request_id=obj.pk, reason=data["reason"])
    return Waiting("Approved. A worker prunes the case; this page shows how far it is.")


def _decline(request: HttpRequest, obj: PruneRequest, data: Data) -> str:
    decline_pruning(actor=person_of(request), request_id=obj.pk, reason=data["reason"])
    return "Declined. Nothing is pruned."


def _withdraw(request: HttpRequest, obj: PruneRequest, data: Data) -> str:
    withdraw_pruning(actor=person_of(request), request_id=obj.pk, reason=data["reason"])
    return "Withdrawn. Nothing is pruned."


def _waits(obj: PruneRequest) -> bool:
    return obj.state == RequestState.PENDING


def _of_another(obj: PruneRequest, user: Any) -> bool:
    return bool(obj.requested_by_id != user.pk)


def _of_own(obj: PruneRequest, user: Any) -> bool:
    return bool(obj.requested_by_id == user.pk)


@admin.register(PruneRequest)
class PruneRequestAdmin(OfVisibleIncident, PageAdmin):
    list_display = (
        "incident",
        "state_badge",
        "requested_at",
        "requested_by",
        "decided_by",
        "came_to",
    )
    list_select_related = ("incident", "requested_by", "decided_by", "run")
    list_filter = ("state",)
    search_fields = ("incident__reference", "reason")
    page_template = "incidents/pruning/request.html"
    page_related = ("incident", "archive", "requested_by", "decided_by", "run")
    page_actions = {
        "approve": PageAction(
            "Approve",
            "Approve the pruning",
            OptionalReasonForm,
            _approve,
            REVIEW,
            help="By a reviewer who did not ask for it. A worker begins at once.",
            tone="danger",
            applies=_waits,
            offered_to=_of_another,
        ),
        "decline": PageAction(
            "Decline",
            "Decline the pruning",
            ReasonForm,
            _decline,
            REVIEW,
            applies=_waits,
            offered_to=_of_another,
            fields={"reason_missing": "reason"},
        ),
        "withdraw": PageAction(
            "Withdraw",
            "Withdraw the request",
            OptionalReasonForm,
            _withdraw,
            ASK,
            applies=_waits,
            offered_to=_of_own,
        ),
    }

    @display(description="State", ordering="state")
    def state_badge(self, obj: PruneRequest) -> str:
        return badge(obj.state, obj.get_state_display())

    @display(description="Came to")
    def came_to(self, obj: PruneRequest) -> str:
        run = getattr(obj, "run", None)
        return "–" if run is None else badge(run.state, _say_run(run), kind="prune")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(ASK)

    @takes_forms
    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Show what would go of a case and what is in the way; on POST ask for it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        visible = Incident.objects.visible_to(request.user)
        named = request.GET.get("case", "")
        incident = find_named(visible, named)
        plan = plan_pruning(incident, now=timezone.now()) if incident else None
        return answer_form(
            request,
            make=lambda data, files: AskForm(
                data, cases=visible, initial={"case": named}, label_suffix=""
            ),
            run=lambda form: _ask(request, form),
            show=lambda form, error: draw_page(
                request,
                "incidents/pruning/ask.html",
                title="Prune a case",
                opts=self.opts,
                form=form,
                plan=plan,
                kinds=_planned(plan.as_document()) if plan else [],
                due_at=prunable_from(incident) if incident else None,
            ),
            fields={"reason_missing": "reason"},
        )

    def page_context(self, request: HttpRequest, obj: PruneRequest) -> dict[str, Any]:
        run = getattr(obj, "run", None)
        stones = Tombstone.objects.filter(request=obj)
        return {
            "asked": obj,
            "run": run,
            "run_words": _say_run(run) if run else "",
            "lapses_at": lapses_at(obj) if obj.decided_at is None else None,
            "kinds": _planned(obj.planned),
            "gone": _gone(stones),
            "span": stones.aggregate(first=Min("pruned_at"), last=Max("pruned_at")),
            "stones": list(stones[:SHOWN_STONES]),
            "stone_count": stones.count(),
        }


def _ask(request: HttpRequest, form: AskForm) -> HttpResponse:
    made = request_pruning(
        actor=person_of(request),
        incident_id=form.cleaned_data["case"].pk,
        reason=form.cleaned_data["reason"],
    )
    tell(request, Waiting("Asked for. Nothing is pruned until a reviewer approves it."))
    return redirect("admin:incidents_prunerequest_change", made.pk)


def _say_run(run: Any) -> str:
    """Return how far the work is, in words."""
    if run.state == WorkState.DONE:
        return "Pruned, but for what stayed" if run.left else "Pruned"
    if run.state == WorkState.RUNNING:
        return f"Being pruned, {run.progress_percent} %"
    if run.state == WorkState.QUEUED:
        return "Waits for a worker"
    return "Stopped"


def _planned(planned: dict[str, Any]) -> list[KindRow]:
    return [
        KindRow(kind.label, found["things"], found["rows"], _size(found["bytes"]))
        for kind in TombstoneKind
        if (found := planned.get(kind.value))
    ]


def _gone(stones: QuerySet[Tombstone]) -> list[KindRow]:
    found = (
        stones.order_by()
        .values("kind")
        .annotate(things=Count("pk"), rows=Sum("row_count"), size=Sum("size_bytes"))
    )
    return [
        KindRow(
            TombstoneKind(row["kind"]).label,
            row["things"],
            row["rows"],
            _size(row["size"]),
        )
        for row in found
    ]


def _size(size_bytes: int) -> str:
    return filesizeformat(size_bytes)


def pruning_context(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    """Return what a closed case's page says of its pruning; one query, or none."""
    if incident.is_open:
        return {"pruning": None, "can_prune": False}
    newest = PruneRequest.objects.filter(incident=incident).select_related(
        "run", "archive", "requested_by", "decided_by"
    )
    return {
        "pruning": newest.first(),
        "can_prune": request.user.has_perm(ASK),
    }
