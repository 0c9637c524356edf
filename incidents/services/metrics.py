"""How long cases took, read from the phases that were completed."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import models

from incidents.models import Incident, IncidentPhase
from incidents.workflow.incident_states import Severity
from incidents.workflow.metrics import (
    MEASURED_PHASES,
    CompletedPhase,
    DurationFigures,
    duration_figures,
)


def read_figures(
    *,
    incidents: models.QuerySet[Incident],
    since: dt.datetime | None = None,
    by_month: bool = True,
    by_class: bool = True,
    by_severity: bool = True,
) -> tuple[DurationFigures, ...]:
    """Return median, 90th percentile and sample size of each group. One query.

    `since` leaves out cases detected before. A reopened case counts once for each
    cycle that came so far.
    """
    return duration_figures(
        read_samples(incidents=incidents, since=since),
        by_month=by_month,
        by_class=by_class,
        by_severity=by_severity,
    )


def read_samples(
    *, incidents: models.QuerySet[Incident], since: dt.datetime | None = None
) -> list[CompletedPhase]:
    """Return every completed phase that is measured."""
    rows = IncidentPhase.objects.filter(
        cycle__incident__in=incidents.order_by(),
        phase__in=MEASURED_PHASES,
        completed_at__isnull=False,
        counted_from__isnull=False,
    )
    if since is not None:
        rows = rows.filter(cycle__incident__detected_at__gte=since)
    related = (
        "cycle__incident__playbook_version__playbook",
        "cycle__ending__playbook_version__playbook",
    )
    return [_sample(row) for row in rows.select_related(*related)]


def _sample(row: IncidentPhase) -> CompletedPhase:
    incident = row.cycle.incident
    # A cycle that has ended counts as what it was, not as what the case became since.
    classed: Any = getattr(row.cycle, "ending", None) or incident
    if row.counted_from is None or row.completed_at is None:
        raise ValueError("expected a completed phase whose clock ran")
    return CompletedPhase(
        phase=row.name,
        counted_from=row.counted_from,
        completed_at=row.completed_at,
        detected_at=incident.detected_at,
        playbook_code=classed.playbook_version.playbook.code,
        severity=Severity(classed.severity),
    )
