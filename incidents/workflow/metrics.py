"""How long phases took: median and 90th percentile, always with the sample size.

Method: the median is the middle value, or the mean of the two middle ones; the 90th
percentile is the nearest-rank one, a duration that did occur. With few samples it is
the longest, so the sample size stands beside it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from incidents.workflow.clocks import as_utc
from incidents.workflow.incident_states import Severity
from incidents.workflow.phases import Phase

# REMEDIATE has no target of its own, DETECT no work.
MEASURED_PHASES = (
    Phase.CONTAIN,
    Phase.COLLECT,
    Phase.VERIFY,
    Phase.ANALYZE,
    Phase.POSTMORTEM,
)


@dataclass(frozen=True)
class CompletedPhase:
    """One phase of one case: its duration from where its clock counts."""

    phase: Phase
    counted_from: datetime
    completed_at: datetime
    detected_at: datetime
    playbook_code: str
    severity: Severity

    @property
    def duration(self) -> timedelta:
        """Time taken; an event reported as later than the work on it counts as 0."""
        return max(as_utc(self.completed_at) - as_utc(self.counted_from), timedelta(0))


@dataclass(frozen=True, order=True)
class MetricGroup:
    """What the samples of a figure have in common; ``month`` is of detection, UTC."""

    month: str
    playbook_code: str
    severity: str
    phase: Phase


@dataclass(frozen=True)
class DurationFigures:
    """The figures of one group."""

    group: MetricGroup
    sample_size: int
    median: timedelta
    percentile_90: timedelta


def duration_figures(
    samples: Iterable[CompletedPhase],
    *,
    by_month: bool = True,
    by_class: bool = True,
    by_severity: bool = True,
) -> tuple[DurationFigures, ...]:
    """Return the figures of each group, sorted; what is not grouped by is ``all``."""
    groups: dict[MetricGroup, list[timedelta]] = defaultdict(list)
    for sample in samples:
        if sample.phase not in MEASURED_PHASES:
            continue
        month = sample.detected_at.astimezone(UTC).strftime("%Y-%m")
        group = MetricGroup(
            month=month if by_month else "all",
            playbook_code=sample.playbook_code if by_class else "all",
            severity=sample.severity.value if by_severity else "all",
            phase=sample.phase,
        )
        groups[group].append(sample.duration)
    ordered = sorted(
        groups, key=lambda g: (g.month, g.playbook_code, g.severity, g.phase.position)
    )
    return tuple(_figures(group, groups[group]) for group in ordered)


def _figures(group: MetricGroup, durations: list[timedelta]) -> DurationFigures:
    return DurationFigures(
        group=group,
        sample_size=len(durations),
        median=middle(durations),
        percentile_90=nearest_rank(durations, percent=90),
    )


def middle(durations: list[timedelta]) -> timedelta:
    """Return the median of one or more durations."""
    ordered = sorted(durations)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2


def nearest_rank(durations: list[timedelta], *, percent: int) -> timedelta:
    """Return the smallest value that ``percent`` of the values do not exceed."""
    rank = math.ceil(percent * len(durations) / 100)
    return sorted(durations)[max(rank, 1) - 1]
