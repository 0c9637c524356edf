"""The figures: which durations count, how they are grouped, and by which method."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.workflow.incident_states import Severity
from incidents.workflow.metrics import (
    CompletedPhase,
    duration_figures,
    middle,
    nearest_rank,
)
from incidents.workflow.phases import Phase

DETECTED = datetime(2026, 6, 30, 23, 30, tzinfo=UTC)


def make_sample(minutes: float, **fields: object) -> CompletedPhase:
    defaults = {
        "phase": Phase.CONTAIN,
        "counted_from": DETECTED,
        "completed_at": DETECTED + timedelta(minutes=minutes),
        "detected_at": DETECTED,
        "playbook_code": "INC-2",
        "severity": Severity.HIGH,
    }
    return CompletedPhase(**{**defaults, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("minutes", "median", "percentile_90"),
    [
        ([4], 4, 4),
        ([2, 4], 3, 4),
        ([9, 1, 2], 2, 9),
        (range(1, 11), 5.5, 9),
        (range(1, 12), 6, 10),
        (range(1, 101), 50.5, 90),
    ],
)
def test_median_and_nearest_rank(
    minutes: list[int], median: float, percentile_90: float
) -> None:
    (figures,) = duration_figures([make_sample(m) for m in minutes])
    assert figures.sample_size == len(minutes)
    assert figures.median == timedelta(minutes=median)
    assert figures.percentile_90 == timedelta(minutes=percentile_90)


def test_groups_by_month_class_severity_and_phase() -> None:
    samples = [
        make_sample(1),
        make_sample(2, playbook_code="INC-1"),
        make_sample(3, severity=Severity.LOW),
        make_sample(4, phase=Phase.POSTMORTEM),
        make_sample(5, detected_at=DETECTED + timedelta(hours=1)),
    ]
    groups = [
        (f.group.month, f.group.playbook_code, f.group.severity, f.group.phase)
        for f in duration_figures(samples)
    ]
    assert groups == [
        ("2026-06", "INC-1", "high", "contain"),
        ("2026-06", "INC-2", "high", "contain"),
        ("2026-06", "INC-2", "high", "postmortem"),
        ("2026-06", "INC-2", "low", "contain"),
        ("2026-07", "INC-2", "high", "contain"),
    ]
    (total, _) = duration_figures(
        samples, by_month=False, by_class=False, by_severity=False
    )
    assert (total.group.month, total.sample_size) == ("all", 4)


def test_month_is_that_of_utc() -> None:
    tokyo = timezone(timedelta(hours=9))
    (figures,) = duration_figures(
        [make_sample(1, detected_at=DETECTED.astimezone(tokyo))]
    )
    assert figures.group.month == "2026-06"


def test_phases_without_a_target_are_not_measured() -> None:
    samples = [make_sample(1, phase=phase) for phase in Phase]
    measured = [f.group.phase for f in duration_figures(samples)]
    assert measured == [
        Phase.CONTAIN,
        Phase.COLLECT,
        Phase.VERIFY,
        Phase.ANALYZE,
        Phase.POSTMORTEM,
    ]


def test_no_samples_no_figures() -> None:
    assert duration_figures([]) == ()


def test_completed_before_the_event_counts_as_no_time() -> None:
    (figures,) = duration_figures([make_sample(-5)])
    assert figures.median == timedelta(0)


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=99)), min_size=1))
def test_figures_bound_the_samples_they_are_of(durations: list[timedelta]) -> None:
    ninety = nearest_rank(durations, percent=90)
    assert ninety in durations
    assert sum(d <= ninety for d in durations) >= 0.9 * len(durations)
    assert sum(d < ninety for d in durations) < 0.9 * len(durations)
    assert min(durations) <= middle(durations) <= max(durations)
