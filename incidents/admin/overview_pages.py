"""Pages over all cases: my open items, and the preview of what is being written."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from evidence.admin.drawing import draw_page
from evidence.admin.methods import takes_forms
from evidence.text import unify_lines
from incidents.markdown import render_markdown
from incidents.models import ChecklistItem, Incident
from incidents.phase_views import view_phase
from incidents.services.timeline import BODY_LENGTH


def my_items_view(request: HttpRequest) -> HttpResponse:
    """Show what is waiting for this person, over all open cases, soonest first."""
    _require_view(request)
    items = (
        ChecklistItem.objects.waiting()
        .filter(
            assignee_id=request.user.pk,
            cycle__incident__in=Incident.objects.visible_to(request.user).open(),
        )
        .select_related("cycle__incident__playbook_version__playbook")
        .prefetch_related("cycle__phases__waivers")
    )
    now = timezone.now()
    rows = [_row(item, now) for item in items]
    rows.sort(key=lambda row: (row["due_at"] is None, row["due_at"] or now))
    return draw_page(
        request, "incidents/my_items.html", title="My open items", rows=rows
    )


def _row(item: ChecklistItem, now: dt.datetime) -> dict[str, Any]:
    phases = {row.phase: row for row in item.cycle.phases.all()}
    phase = phases[item.phase]
    return {
        "item": item,
        "incident": item.cycle.incident,
        "view": view_phase(phase, now, is_live=True),
        "due_at": phase.due_at,
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
