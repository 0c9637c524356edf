"""What is measured of cases, and how: durations, limits, ages.

The median is the middle value, or the mean of the two middle ones; the 90th percentile
is the nearest-rank one, a duration that did occur. With few samples it is the longest,
so the sample size stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from incidents.workflow.phases import Phase

MEASURED_PHASES = tuple(Phase)
"""DETECT lasts from the event to its report, REMEDIATE has the limit its lead sets."""


@dataclass(frozen=True, order=True)
class MetricGroup:
    """What the phases of a figure have in common; ``month`` is of detection, UTC."""

    month: str
    playbook_code: str
    severity: str
    phase: Phase


@dataclass(frozen=True)
class PhaseFigures:
    """The figures of one group of phases.

    `median` and `percentile_90` are of the `sample_size` completed phases, and None
    where none is. `judged_count` phases had a limit and are complete or past it; of
    these `within_count` were completed in time, the others breached it. `limit` is the
    one they share, None where they have none or several.
    """

    group: MetricGroup
    sample_size: int
    median: timedelta | None
    percentile_90: timedelta | None
    judged_count: int
    within_count: int
    limit: timedelta | None

    @property
    def median_seconds(self) -> float | None:
        """Return the median in seconds."""
        return _seconds(self.median)

    @property
    def percentile_90_seconds(self) -> float | None:
        """Return the 90th percentile in seconds."""
        return _seconds(self.percentile_90)

    @property
    def limit_seconds(self) -> float | None:
        """Return the limit in seconds; None where there is none."""
        return _seconds(self.limit)

    @property
    def breach_count(self) -> int:
        """Return how many were late."""
        return self.judged_count - self.within_count

    @property
    def within_share(self) -> float | None:
        """Return how large a part kept its limit, 0 to 1; None where none had one."""
        return self.within_count / self.judged_count if self.judged_count else None


def _seconds(length: timedelta | None) -> float | None:
    """Return a length in seconds; None stays None."""
    return None if length is None else length.total_seconds()


@dataclass(frozen=True)
class WeekCount:
    """How many cases of a class were detected in the week from `monday`, UTC."""

    monday: date
    playbook_code: str
    playbook_id: int
    case_count: int


@dataclass(frozen=True)
class AgeGroup:
    """Cases detected at least `days` ago, and less than `until_days`."""

    key: str
    words: str
    days: int
    until_days: int | None


AGE_GROUPS = (
    AgeGroup("day", "Under 1 day", 0, 1),
    AgeGroup("week", "1 to 7 days", 1, 7),
    AgeGroup("month", "7 to 30 days", 7, 30),
    AgeGroup("quarter", "30 to 90 days", 30, 90),
    AgeGroup("older", "90 days and more", 90, None),
)


@dataclass(frozen=True)
class AgeCount:
    """How many open cases are of an age."""

    group: AgeGroup
    case_count: int
