"""Questions that lists, the dashboard and the API ask about cases."""

from __future__ import annotations

from django.db.models import (
    Case,
    Exists,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    When,
)
from django.utils import timezone

from evidence.models import (
    EvidenceItem,
    ReplayStep,
)
from evidence.text import drop_unstorable
from incidents.models import Alert, CaseHold, Incident, IncidentPhase
from incidents.workflow.incident_states import IncidentStatus, Severity

OPEN_RANK = Case(
    When(status=IncidentStatus.OPEN, then=1), default=0, output_field=IntegerField()
)
SEVERITY_RANK = Case(
    *(When(severity=severity, then=severity.rank) for severity in Severity),
    default=0,
    output_field=IntegerField(),
)
NEXT_DUE_AT = Subquery(
    IncidentPhase.objects.filter(
        cycle__incident=OuterRef("pk"),
        cycle__ended_at__isnull=True,
        completed_at__isnull=True,
    )
    .order_by("position")
    .values("due_at")[:1]
)
WORST_FIRST = (
    OPEN_RANK.desc(),
    SEVERITY_RANK.desc(),
    NEXT_DUE_AT.asc(nulls_last=True),
    "-last_activity_at",
    "-id",
)
"""Expressions, not names of annotations: other admins' fields that point at a case take
this order for rows of their own query."""


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
    return incidents.annotate(next_due_at=NEXT_DUE_AT).order_by(*WORST_FIRST)


def breached(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Return the cases with a breached clock in a cycle that has not ended."""
    late = IncidentPhase.objects.filter(
        Q(breached_at__isnull=False)
        | Q(completed_at__isnull=True, due_at__lte=timezone.now()),
        cycle__incident=OuterRef("pk"),
        cycle__ended_at__isnull=True,
    )
    return incidents.filter(Exists(late))


def unverified(incidents: QuerySet[Incident]) -> QuerySet[Incident]:
    """Return the cases with evidence whose newest report is missing or not passing."""
    items = EvidenceItem.objects.unverified()
    return incidents.filter(Exists(items.filter(incident=OuterRef("pk"))))


def search_cases(incidents: QuerySet[Incident], term: str) -> QuerySet[Incident]:
    """Find by reference, title, extension or call ID (the whole of it)."""
    text = drop_unstorable(term)
    if not text:
        return incidents
    # One query for each, put together: an index answers each, and none an "or" of them.
    named = Incident.objects.filter(
        Q(reference__icontains=text) | Q(title__icontains=text)
    )
    extensions = Incident.extensions.through.objects.filter(
        extension__extension_id__icontains=text
    )
    steps = ReplayStep.objects.filter(call_id=text)
    alerts = Alert.objects.filter(call_id=text, incident__isnull=False)
    found = (
        named.order_by().values("pk"),
        extensions.values("incident"),
        steps.order_by().values("report__item__incident"),
        alerts.order_by().values("incident"),
    )
    return incidents.filter(pk__in=found[0].union(*found[1:]))
