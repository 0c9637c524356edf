"""What an open page asks now and then: did somebody change the case since it was drawn?

One query answers, by the newest entry of the case's history and its newest finding;
only where these are new is more read.
"""

from __future__ import annotations

import re
from typing import Any

from django.db.models import QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from evidence.admin.base import read_key
from evidence.audit.history import incident_stream
from evidence.audit.words import say_action
from evidence.lookalikes import show_hidden
from evidence.models import AuditEntry
from incidents.models import Finding, Incident
from incidents.models.cases import IncidentQuerySet

SECONDS = 4
"""How long a page waits between two looks."""
SHOWN = 20
LABEL_SHOWN = 90
MARK = re.compile(r'(?:W/)?"(\d{1,18})-(\d{1,18})"')


def with_mark(rows: IncidentQuerySet, incident_id: int) -> Any:
    """Give a case among the rows its newest entry and finding, in the same query.

    So a page knows its mark before it reads anything: what comes in between is seen
    at the next look.
    """
    entries = AuditEntry.objects.filter(stream=incident_stream(incident_id))
    findings = Finding.objects.filter(incident=incident_id)
    return rows.filter(pk=incident_id).annotate(
        newest_entry=_newest(entries, "sequence"),
        newest_finding=_newest(findings, "pk"),
    )


def watch_context(incident: Any) -> dict[str, Any]:
    """Return where a page of a case looks for changes, and how it knows them."""
    return {
        "watch_url": reverse("admin:incidents_incident_changes", args=[incident.pk]),
        "watch_mark": f"{incident.newest_entry}-{incident.newest_finding}",
        "watch_seconds": SECONDS,
    }


def changes_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """Say who did what since the page's mark: 304 where nobody did anything."""
    incident_id = read_key(object_id) or 0
    visible = Incident.objects.visible_to(request.user)
    marks = with_mark(visible, incident_id).values_list(
        "newest_entry", "newest_finding"
    )
    found = marks.first()
    if found is None:
        raise Http404
    mark = f"{found[0]}-{found[1]}"
    given = MARK.fullmatch(request.headers.get("If-None-Match", ""))
    response: HttpResponse
    if given and f"{given[1]}-{given[2]}" == mark:
        response = HttpResponse(status=304)
    else:
        since = int(given[1]) if given else 0
        changes = _changes(request, incident_id, since=since)
        response = JsonResponse({"mark": mark, "changes": changes})
    response["ETag"] = f'"{mark}"'
    response["Cache-Control"] = "no-cache, private"
    return response


def _newest(rows: QuerySet[Any], number: str) -> Coalesce:
    newest = rows.order_by(f"-{number}").values(number)[:1]
    return Coalesce(Subquery(newest), Value(0))


def _changes(
    request: HttpRequest, incident_id: int, *, since: int
) -> list[dict[str, Any]]:
    """Return the newest of what was recorded since, the newest first."""
    entries = AuditEntry.objects.filter(
        stream=incident_stream(incident_id), sequence__gt=since
    ).order_by("-sequence")[:SHOWN]
    return [
        {
            "who": show_hidden(entry.actor_name) or "system",
            "what": _say(entry),
            "is_mine": entry.actor_id == request.user.pk,
        }
        for entry in entries
    ]


def _say(entry: AuditEntry) -> str:
    label = show_hidden(entry.object_label)[:LABEL_SHOWN]
    return f"{say_action(entry.action)}: {label}" if label else say_action(entry.action)
