"""The timeline of a case: what people and services wrote, filtered and paged."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from incidents.models import Cycle, Incident, TimelineEntry, TimelineKind
from incidents.models.phases import PHASE_CHOICES
from incidents.services.timeline import WRITABLE_KINDS

PAGE = 50


def timeline_tab(
    request: HttpRequest, incident: Incident, cycle: Cycle
) -> dict[str, Any]:
    """Return the entries that were asked for, newest first."""
    entries = filter_entries(request, incident).order_by("-event_at", "-id")
    page = Paginator(entries, PAGE).get_page(request.GET.get("page"))
    return {
        "page": page,
        "kinds": TimelineKind.choices,
        "phase_choices": PHASE_CHOICES,
        "writable_kinds": [(one.value, one.label) for one in WRITABLE_KINDS],
        "kind": request.GET.get("kind", ""),
        "entry_phase": request.GET.get("entry_phase", ""),
    }


def filter_entries(request: HttpRequest, incident: Incident) -> QuerySet[TimelineEntry]:
    """Return the entries of a case in the order of events, as the query filters."""
    entries = (
        incident.timeline.select_related("cycle", "corrects")
        .prefetch_related("corrections")
        .order_by("event_at", "id")
    )
    if kind := request.GET.get("kind"):
        entries = entries.filter(kind=kind)
    if phase := request.GET.get("entry_phase"):
        entries = entries.filter(phase=phase)
    return entries
