"""Pages over all cases: my open items, and how long cases take."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from evidence.text import unify_lines
from incidents.markdown import render_markdown
from incidents.models import ChecklistItem, Incident
from incidents.phase_views import view_phase
from incidents.services.metrics import read_figures
from incidents.services.timeline import BODY_LENGTH
from incidents.workflow.metrics import MEASURED_PHASES

MONTHS = (3, 6, 12)
GROUPINGS = {
    "all": {"by_month": False, "by_class": False, "by_severity": False},
    "month": {"by_month": True, "by_class": False, "by_severity": False},
    "class": {"by_month": False, "by_class": True, "by_severity": False},
    "severity": {"by_month": False, "by_class": False, "by_severity": True},
    "everything": {"by_month": True, "by_class": True, "by_severity": True},
}


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
    return _render(request, "my_items", title="My open items", rows=rows)


def metrics_view(request: HttpRequest) -> HttpResponse:
    """Show median and 90th percentile of the times to complete phases."""
    _require_view(request)
    grouping = request.GET.get("by", "all")
    months = request.GET.get("months", str(MONTHS[-1]))
    if grouping not in GROUPINGS or months not in {str(offered) for offered in MONTHS}:
        raise Http404
    figures = read_figures(
        incidents=Incident.objects.visible_to(request.user),
        since=timezone.now() - dt.timedelta(days=int(months) * 365 // 12),
        **GROUPINGS[grouping],
    )
    return _render(
        request,
        "metrics",
        title="Response times",
        rows=_metric_rows(figures),
        phases=MEASURED_PHASES,
        grouping=grouping,
        groupings=list(GROUPINGS),
        months=int(months),
        month_choices=MONTHS,
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


def _metric_rows(figures: Any) -> list[dict[str, Any]]:
    """Return one row for each group, with its figures by phase."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    longest = max((figure.percentile_90 for figure in figures), default=None)
    for figure in figures:
        group = figure.group
        key = (group.month, group.playbook_code, group.severity)
        row = rows.setdefault(
            key,
            {
                "month": group.month,
                "code": group.playbook_code,
                "severity": group.severity,
                "cells": {},
            },
        )
        share = figure.percentile_90 / longest if longest else 0
        row["cells"][group.phase] = {"figures": figure, "percent": round(share * 100)}
    return list(rows.values())


def _require_view(request: HttpRequest) -> None:
    if not request.user.has_perm("incidents.view_incident"):
        raise Http404


def _render(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    request.current_app = admin.site.name
    return TemplateResponse(
        request,
        f"incidents/{template}.html",
        {**admin.site.each_context(request), **context},
    )


@require_POST
def preview_view(request: HttpRequest) -> HttpResponse:
    """Show Markdown as the page would: a piece for the script, else a page of its own.

    `preview` names the field that is shown. Nothing is stored.
    """
    text = request.POST.get(request.POST.get("preview", ""), "")[:BODY_LENGTH]
    shown = render_markdown(unify_lines(text))
    if request.headers.get("Accept", "").startswith("text/html;fragment"):
        return HttpResponse(shown)
    context = {**admin.site.each_context(request), "title": "Preview", "shown": shown}
    return TemplateResponse(request, "incidents/preview.html", context)
