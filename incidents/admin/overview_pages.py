"""Pages over all cases: my open items, and the preview of what is being written."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.paginator import Paginator
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from evidence.admin.drawing import draw_page
from evidence.admin.methods import takes_forms
from evidence.text import unify_lines
from incidents.markdown import render_markdown
from incidents.models import ChecklistItem, Incident, IncidentPhase
from incidents.phase_views import view_phase
from incidents.services.timeline import BODY_LENGTH

PAGE = 50
"""What fills a few screens: somebody has hundreds of items in a bad week."""


def my_items_view(request: HttpRequest) -> HttpResponse:
    """Show what is waiting for this person, over all open cases, soonest first."""
    _require_view(request)
    items = (
        ChecklistItem.objects.waiting()
        .filter(
            assignee_id=request.user.pk,
            cycle__incident__in=Incident.objects.visible_to(request.user).open(),
        )
        .select_related("cycle__incident")
        .prefetch_related("cycle__phases__waivers")
    )
    page = Paginator(_soonest_first(items), PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    return draw_page(
        request,
        "incidents/my_items.html",
        title="My open items",
        page=page,
        rows=[_row(item, now) for item in page],
        shown_cases=sorted({item.cycle.incident_id for item in page}),
    )


def _soonest_first(items: QuerySet[ChecklistItem]) -> QuerySet[ChecklistItem]:
    """Order items by when the phase is due that each belongs to."""
    due = IncidentPhase.objects.filter(cycle=OuterRef("cycle"), phase=OuterRef("phase"))
    return items.alias(due_at=Subquery(due.values("due_at"))).order_by(
        F("due_at").asc(nulls_last=True), "phase_position", "position", "id"
    )


def _row(item: ChecklistItem, now: dt.datetime) -> dict[str, Any]:
    phases = {row.phase: row for row in item.cycle.phases.all()}
    return {
        "item": item,
        "incident": item.cycle.incident,
        "view": view_phase(phases[item.phase], now, is_live=True),
    }


def _require_view(request: HttpRequest) -> None:
    if not request.user.has_perm("incidents.view_incident"):
        raise Http404


@require_POST
@takes_forms
def preview_view(request: HttpRequest) -> HttpResponse:
    """Show Markdown as the page would: a piece for the script, else a page of its own.

    `preview` names the field that is shown. Nothing is stored.
    """
    text = request.POST.get(request.POST.get("preview", ""), "")[:BODY_LENGTH]
    shown = render_markdown(unify_lines(text))
    if request.headers.get("Accept", "").startswith("text/html;fragment"):
        return HttpResponse(shown)
    return draw_page(request, "incidents/preview.html", title="Preview", shown=shown)
