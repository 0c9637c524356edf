"""How long cases take, counted by the database in one query for each table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ValidationError
from django.db.models import (
    Aggregate,
    CharField,
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    Max,
    Min,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Coalesce, Greatest, TruncMonth, TruncWeek
from django.utils import timezone

from evidence.models.case_bound import listed
from incidents.models import Incident, IncidentPhase
from incidents.models.phases import is_late
from incidents.workflow.incident_states import IncidentStatus
from incidents.workflow.metrics import (
    AGE_GROUPS,
    MEASURED_PHASES,
    AgeCount,
    AgeGroup,
    MetricGroup,
    PhaseFigures,
    WeekCount,
)
from incidents.workflow.phases import Phase

ALL = "all"
GROUPS = ("month", "class", "severity")
# Words for a grouping beside the names themselves, separated by commas.
GROUP_WORDS = {"": (), "none": (), ALL: (), "everything": GROUPS}
# A cycle that has ended counts as what it was, not as what the case became since.
CODE = Coalesce(
    "cycle__ending__playbook_version__playbook__code",
    "cycle__incident__playbook_version__playbook__code",
)
SEVERITY = Coalesce("cycle__ending__severity", "cycle__incident__severity")
MONTH = TruncMonth("cycle__incident__detected_at", tzinfo=dt.UTC)
COMPLETED = Q(completed_at__isnull=False)
LIMITED = Q(due_at__isnull=False)


class OrderedSet(Aggregate):
    """An ordered-set aggregate of PostgreSQL over lengths of time."""

    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"

    def __init__(self, expression: Any, *, share: float, **extra: Any) -> None:
        super().__init__(expression, share=share, output_field=DurationField(), **extra)


class PercentileCont(OrderedSet):
    """The value at a share of the order; between two values, the mean by distance."""

    function = "PERCENTILE_CONT"


class PercentileDisc(OrderedSet):
    """The first value that a share of the values do not exceed (nearest rank)."""

    function = "PERCENTILE_DISC"


@dataclass(frozen=True)
class MetricsQuestion:
    """Whose cases are measured, detected since when, and grouped by what."""

    incidents: QuerySet[Incident]
    since: dt.datetime
    groups: frozenset[str]


def ask_metrics(
    user: User | AnonymousUser, *, days: int, groups: Collection[str] = GROUPS
) -> MetricsQuestion:
    """Return the question about the cases of the last `days` that a person may see."""
    return MetricsQuestion(
        incidents=Incident.objects.visible_to(user),
        since=timezone.now() - dt.timedelta(days=days),
        groups=frozenset(groups),
    )


def read_groups(text: str) -> frozenset[str]:
    """Return what figures are to be grouped by; raise ValidationError for others.

    `text` holds names of `GROUPS`, separated by commas, or one of `GROUP_WORDS`.
    """
    words = {word.strip() for word in text.split(",")}
    groups = {group for word in words for group in GROUP_WORDS.get(word, (word,))}
    unknown = sorted(groups - set(GROUPS))
    if unknown:
        raise ValidationError(
            f"Group by {', '.join(GROUPS)}, or by none. Given: {', '.join(unknown)}."
        )
    return frozenset(groups)


def read_figures(
    *,
    incidents: QuerySet[Incident],
    since: dt.datetime | None = None,
    groups: Collection[str] = GROUPS,
    now: dt.datetime | None = None,
) -> tuple[PhaseFigures, ...]:
    """Return the figures of each group, sorted; what is not grouped by is ``all``.

    `since` leaves out cases detected before. A reopened case counts once for each
    cycle that came so far, its DETECT only in the first: nothing was reported anew.
    """
    rows = (
        _measured_phases(incidents, since, now or timezone.now())
        .annotate(
            month=MONTH if "month" in groups else Value(None, output_field=CharField()),
            code=CODE if "class" in groups else Value(ALL),
            grade=SEVERITY if "severity" in groups else Value(ALL),
            lasted=_lasted(),
        )
        .order_by()
        .values("month", "code", "grade", "phase")
        .annotate(
            sample_size=Count("pk", filter=COMPLETED),
            median=PercentileCont("lasted", share=0.5, filter=COMPLETED),
            percentile_90=PercentileDisc("lasted", share=0.9, filter=COMPLETED),
            judged_count=Count("due_at"),
            within_count=Count("pk", filter=Q(completed_at__lte=F("due_at"))),
            least=Min("target_seconds", filter=LIMITED),
            most=Max("target_seconds", filter=LIMITED),
        )
    )
    return tuple(sorted((_figures(row) for row in rows), key=_position))


def read_weeks(
    *, incidents: QuerySet[Incident], since: dt.datetime
) -> tuple[WeekCount, ...]:
    """Return how many cases of each class were detected in each week, oldest first."""
    rows = (
        incidents.order_by()
        .filter(detected_at__gte=since)
        .values(
            week=TruncWeek("detected_at", tzinfo=dt.UTC),
            code=F("playbook_version__playbook__code"),
            playbook=F("playbook_version__playbook"),
        )
        .annotate(cases=Count("pk"))
        .order_by("week", "code")
    )
    return tuple(
        WeekCount(row["week"].date(), row["code"], row["playbook"], row["cases"])
        for row in rows
    )


def read_ages(
    *, incidents: QuerySet[Incident], now: dt.datetime | None = None
) -> tuple[AgeCount, ...]:
    """Return how many cases are open, by the time since their detection."""
    moment = now or timezone.now()
    counts = incidents.order_by().aggregate(
        **{
            group.key: Count(
                "pk", filter=Q(status=IncidentStatus.OPEN) & is_of_age(group, moment)
            )
            for group in AGE_GROUPS
        }
    )
    return tuple(AgeCount(group, counts[group.key]) for group in AGE_GROUPS)


def is_of_age(group: AgeGroup, now: dt.datetime) -> Q:
    """Return the cases of an age; one detected a moment ahead of this clock is new."""
    condition = Q()
    if group.days:
        condition &= Q(detected_at__lte=now - dt.timedelta(days=group.days))
    if group.until_days is not None:
        condition &= Q(detected_at__gt=now - dt.timedelta(days=group.until_days))
    return condition


def _measured_phases(
    incidents: QuerySet[Incident], since: dt.datetime | None, now: dt.datetime
) -> QuerySet[IncidentPhase]:
    """Return the phases that are complete, or past their limit without being so."""
    rows = listed(IncidentPhase.objects.all()).filter(
        COMPLETED | is_late(now),
        ~Q(phase=Phase.DETECT.value, cycle__number__gt=1),
        cycle__incident__in=incidents.order_by(),
        phase__in=MEASURED_PHASES,
        counted_from__isnull=False,
    )
    if since is None:
        return rows
    return rows.filter(cycle__incident__detected_at__gte=since)


def _lasted() -> Any:
    """Return the time taken; an event reported as later than the work on it took 0."""
    taken = ExpressionWrapper(
        F("completed_at") - F("counted_from"), output_field=DurationField()
    )
    return Greatest(taken, Value(dt.timedelta(0)), output_field=DurationField())


def _figures(row: Mapping[str, Any]) -> PhaseFigures:
    month = row["month"]
    limited = row["least"] is not None and row["least"] == row["most"]
    return PhaseFigures(
        group=MetricGroup(
            month=f"{month:%Y-%m}" if month else ALL,
            playbook_code=row["code"],
            severity=row["grade"],
            phase=Phase(row["phase"]),
        ),
        sample_size=row["sample_size"],
        median=row["median"],
        percentile_90=row["percentile_90"],
        judged_count=row["judged_count"],
        within_count=row["within_count"],
        limit=dt.timedelta(seconds=row["least"]) if limited else None,
    )


def _position(figures: PhaseFigures) -> tuple[str, str, str, int]:
    group = figures.group
    return (group.month, group.playbook_code, group.severity, group.phase.position)
