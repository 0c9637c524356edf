"""The timeline of a case: what people and services wrote, filtered and paged."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.http import HttpRequest

from evidence.admin.base import read_key
from incidents.models import Cycle, Incident, TimelineKind
from incidents.models.phases import PHASE_CHOICES
from incidents.services.policy_records import CaseSwitches
from incidents.timeline_reading import TimelineLine, TimelineReader

PAGE = 50


def timeline_tab(
    request: HttpRequest, incident: Incident, cycle: Cycle, switches: CaseSwitches
) -> dict[str, Any]:
    """Return the lines that were asked for, newest first."""
    lines = read_timeline(request, incident, newest_first=True)
    wanted = request.GET.get("page") or _page_with(request, lines)
    page: Page[TimelineLine] = Paginator(lines, PAGE).get_page(wanted)
    asked = {"tab": "timeline", "kind": lines.kind, "entry_phase": lines.phase}
    return {
        "page": page,
        "kinds": TimelineKind.choices,
        "phase_choices": PHASE_CHOICES,
        "kind": lines.kind,
        "entry_phase": lines.phase,
        "filtered": f"?{urlencode(asked)}",
    }


def _page_with(request: HttpRequest, lines: TimelineReader) -> int:
    """Return the page that holds the entry that the query names; 1 without one."""
    entry = read_key(request.GET.get("entry", ""))
    return 1 if entry is None else lines.count_before(entry) // PAGE + 1


def read_timeline(
    request: HttpRequest, incident: Incident, *, newest_first: bool = False
) -> TimelineReader:
    """Return the lines that the query asks for; an unknown filter is none."""
    kind = request.GET.get("kind", "")
    phase = request.GET.get("entry_phase", "")
    return TimelineReader(
        incident,
        kind=kind if kind in TimelineKind.values else "",
        phase=phase if phase in dict(PHASE_CHOICES) else "",
        newest_first=newest_first,
    )
