"""Questions that lists, the dashboard and the API ask about cases."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.utils import timezone

from evidence.models import (
    EvidenceItem,
    ReplayStep,
)
from evidence.models.case_bound import few_shown, listed
from evidence.text import drop_unstorable
from incidents.models import Alert, CaseHold, Cycle, Incident, IncidentPhase
from incidents.models.case_orders import WORST_FIRST


def on_hold(incidents: QuerySet[Incident], *, held: bool = True) -> QuerySet[Incident]:
    """Narrow cases to those on hold, or to those that are not."""
    standing = Exists(
        CaseHold.objects.filter(incident=OuterRef("pk"), released_at=None)
    )
    return incidents.filter(standing if held else ~standing)


def with_hold(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Read with each case the ID of the hold that stands on it, as `hold_id`."""
    standing = CaseHold.objects.filter(incident=OuterRef("pk"), released_at=None)
    return incidents.annotate(hold_id=Subquery(standing.values("pk")[:1]))


def worst_first(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Order cases: open before closed, then severity, then the clock that runs out."""
    return incidents.order_by(*WORST_FIRST)


def with_running_phase(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Read with each open case its current cycle, and of its phases the one that runs.

    For lists that show one clock a case: `current_cycle.running_phase` is there, the
    phases before and after it are not, and a closed case has no cycle at all.
    """
    first = IncidentPhase.objects.filter(completed_at__isnull=True)
    first = first.order_by("cycle_id", "position").distinct("cycle_id")
    cycles = Cycle.objects.filter(ended_at__isnull=True).prefetch_related(
        Prefetch("phases", first.prefetch_related("waivers"))
    )
    return incidents.prefetch_related(Prefetch("cycles", cycles))


def breached(incidents: QuerySet[Incident], *, are: bool = True) -> QuerySet[Incident]:
    """Return the open cases with a breached clock in their cycle, or all others."""
    late = Q(late_at__lte=timezone.now())
    return incidents.filter(late) if are else incidents.exclude(late)


def unverified(
    incidents: QuerySet[Incident], *, are: bool = True
) -> QuerySet[Incident]:
    """Return the cases with evidence whose newest report is missing or not passing.

    Without `are` all others.
    """
    items = EvidenceItem.objects.unverified().filter(incident=OuterRef("pk"))
    return incidents.filter(Exists(items) if are else ~Exists(items))


def search_cases(incidents: QuerySet[Incident], term: str) -> QuerySet[Incident]:
    """Find by reference, title, extension or call ID (the whole of it)."""
    text = drop_unstorable(term)
    if not text:
        return incidents
    # One query for each, put together: an index answers each, and none an "or" of them.
    named = listed(
        Incident.objects.filter(Q(reference__icontains=text) | Q(title__icontains=text))
    )
    extensions = Incident.extensions.through.objects.filter(
        extension__extension_id__icontains=text
    )
    few = few_shown()
    if few is not None:
        extensions = extensions.filter(incident__in=few)
    steps = listed(ReplayStep.objects.filter(call_id=text))
    alerts = listed(Alert.objects.filter(call_id=text, incident__isnull=False))
    found = (
        named.order_by().values("pk"),
        extensions.values("incident"),
        steps.order_by().values("report__item__incident"),
        alerts.order_by().values("incident"),
    )
    return incidents.filter(pk__in=found[0].union(*found[1:]))
