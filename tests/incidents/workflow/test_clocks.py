"""Every clock, a second before and after, across both changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

import incidents
from incidents.workflow.clocks import (
    Clock,
    ClockState,
    breached_at,
    clock_state,
    due_at,
    is_breached,
    time_left,
)
from incidents.workflow.errors import MomentError
from incidents.workflow.phases import Phase
from incidents.workflow.playbook_document import PlaybookDocument, parse_playbook

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
ALASKA = timezone(timedelta(hours=-9))
SECOND = timedelta(seconds=1)
# Plain, an hour before each change of the clocks, in the doubled hour, at new year.
DETECTIONS = {
    "plain": datetime(2026, 6, 1, 12, 0, tzinfo=UTC),
    "spring, before the gap": datetime(2026, 3, 29, 1, 57, tzinfo=BERLIN),
    "autumn, first pass": datetime(2026, 10, 25, 2, 57, tzinfo=BERLIN),
    "autumn, second pass": datetime(2026, 10, 25, 2, 57, fold=1, tzinfo=BERLIN),
    "new york, spring": datetime(2026, 3, 8, 1, 59, 59, tzinfo=NEW_YORK),
    "new year": datetime(
        2026, 12, 31, 23, 59, 30, tzinfo=timezone(timedelta(hours=-9))
    ),
}
TARGETS = {
    Phase.CONTAIN: timedelta(minutes=5),
    Phase.COLLECT: timedelta(minutes=15),
    Phase.VERIFY: timedelta(minutes=30),
    Phase.ANALYZE: timedelta(hours=2),
}


@pytest.fixture(scope="module")
def playbook() -> PlaybookDocument:
    path = Path(incidents.__file__).parent / "playbooks" / "inc-1.yaml"
    return parse_playbook(path.read_text(encoding="utf-8"), file_name=path.name)


def moments(
    start: datetime = datetime(2020, 1, 1), end: datetime = datetime(2035, 1, 1)
) -> st.SearchStrategy[datetime]:
    zones = st.sampled_from([UTC, BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe")])
    return st.datetimes(start, end, timezones=zones)


@pytest.mark.parametrize("detected_at", DETECTIONS.values(), ids=DETECTIONS)
@pytest.mark.parametrize("phase", TARGETS)
def test_clock_from_detection_turns_at_its_target(
    playbook: PlaybookDocument, phase: Phase, detected_at: datetime
) -> None:
    target = playbook.target(phase)
    assert target.counts_from == "detection"
    due = due_at(target, counted_from=detected_at)
    assert due is not None
    assert due.tzinfo is UTC
    assert due - detected_at.astimezone(UTC) == TARGETS[phase]
    clock = Clock(phase, detected_at, detected_at, due)
    assert_turns_at_due(clock)


@pytest.mark.parametrize("completed_at", DETECTIONS.values(), ids=DETECTIONS)
def test_postmortem_is_due_a_day_after_remediation(
    playbook: PlaybookDocument, completed_at: datetime
) -> None:
    target = playbook.target(Phase.POSTMORTEM)
    assert target.counts_from != "detection"
    due = due_at(target, counted_from=completed_at)
    assert due is not None
    # 24 hours, also where the day has 23 or 25 of them.
    assert due - completed_at.astimezone(UTC) == timedelta(hours=24)
    assert_turns_at_due(Clock(Phase.POSTMORTEM, completed_at, completed_at, due))


@pytest.mark.parametrize("due", DETECTIONS.values(), ids=DETECTIONS)
def test_remediation_is_due_when_the_lead_says(due: datetime) -> None:
    start = due.astimezone(UTC) - timedelta(days=3)
    assert_turns_at_due(Clock(Phase.REMEDIATE, start, start, due))


def assert_turns_at_due(clock: Clock) -> None:
    """A second before it is running and met; at and after, overdue and breached."""
    due = clock.due_at
    assert due is not None
    assert clock_state(clock, due - SECOND) is ClockState.ONE_FIFTH_LEFT
    assert time_left(clock, due - SECOND) == SECOND
    assert breached_at(clock, due - SECOND) is None
    for late in (due, due + SECOND):
        assert clock_state(clock, late) is ClockState.OVERDUE
        assert time_left(clock, late) == due - late
        assert breached_at(clock, late) == due
    assert completed_state(clock, due - SECOND) is ClockState.MET
    assert completed_state(clock, due) is ClockState.BREACHED
    assert completed_state(clock, due + SECOND) is ClockState.BREACHED


def completed_state(clock: Clock, at: datetime, *, waived: bool = False) -> ClockState:
    done = Clock(
        clock.phase, clock.counted_from, clock.started_at, clock.due_at, at, waived
    )
    # What it is does not change as time goes on.
    assert clock_state(done, at) is clock_state(done, at + timedelta(days=400))
    return clock_state(done, at)


def test_half_and_one_fifth_turn_to_the_second() -> None:
    start = DETECTIONS["autumn, first pass"].astimezone(UTC)
    clock = Clock(Phase.CONTAIN, start, start, start + timedelta(seconds=300))
    expected = {
        0: ClockState.RUNNING,
        149: ClockState.RUNNING,
        150: ClockState.HALF_ELAPSED,
        239: ClockState.HALF_ELAPSED,
        240: ClockState.ONE_FIFTH_LEFT,
        299: ClockState.ONE_FIFTH_LEFT,
        300: ClockState.OVERDUE,
    }
    found = {s: clock_state(clock, start + timedelta(seconds=s)) for s in expected}
    assert found == expected


def test_detection_has_no_clock_and_remediation_none_until_it_is_set(
    playbook: PlaybookDocument,
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert [
        target.phase
        for target in playbook.phases
        if due_at(target, counted_from=now) is None
    ] == [Phase.DETECT, Phase.REMEDIATE]
    late = now + timedelta(days=9)
    remediate = Clock(Phase.REMEDIATE, counted_from=now, started_at=now)
    assert clock_state(remediate, late) is ClockState.RUNNING
    assert time_left(remediate, late) is None
    assert clock_state(Clock(Phase.REMEDIATE), late) is ClockState.NOT_STARTED
    detect = Clock(Phase.DETECT, now, now, None, completed_at=late)
    assert clock_state(detect, late) is ClockState.MET


def test_phase_not_begun_waits_but_still_gets_overdue() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(Phase.VERIFY, start, None, start + timedelta(minutes=30))
    assert clock_state(clock, start + timedelta(minutes=29)) is ClockState.NOT_STARTED
    assert clock_state(clock, start + timedelta(minutes=30)) is ClockState.OVERDUE


def test_waiver_shows_in_time_and_does_not_hide_a_breach() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Clock(Phase.CONTAIN, start, start, start + timedelta(minutes=5))
    in_time, late = start + timedelta(minutes=4), start + timedelta(minutes=6)
    assert completed_state(clock, in_time, waived=True) is ClockState.WAIVED
    assert completed_state(clock, late, waived=True) is ClockState.BREACHED


@pytest.mark.parametrize(
    "name", ["counted_from", "started_at", "due_at", "completed_at"]
)
def test_moment_without_a_zone_is_refused(name: str) -> None:
    with pytest.raises(MomentError, match="has no time zone"):
        Clock(Phase.CONTAIN, **{name: datetime(2026, 1, 1)})


def test_now_without_a_zone_is_refused(playbook: PlaybookDocument) -> None:
    now = datetime(2026, 1, 1)
    clock = Clock(Phase.CONTAIN, due_at=datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(MomentError, match="2026-01-01T00:00:00"):
        clock_state(clock, now)
    with pytest.raises(MomentError, match="2026-01-01T00:00:00"):
        due_at(playbook.target(Phase.CONTAIN), counted_from=now)


@given(moments(), st.integers(1, 10**6), moments())
def test_a_clock_is_breached_exactly_from_its_due_time_on(
    start: datetime, seconds: int, now: datetime
) -> None:
    due = start.astimezone(UTC) + timedelta(seconds=seconds)
    clock = Clock(Phase.CONTAIN, start, start, due)
    late = now.astimezone(UTC) >= due
    assert is_breached(clock, now) is late
    assert (clock_state(clock, now) is ClockState.OVERDUE) is late


@given(moments(), st.lists(st.integers(0, 10**5), min_size=2, max_size=20))
def test_a_running_clock_never_goes_back(start: datetime, steps: list[int]) -> None:
    order = [
        ClockState.RUNNING,
        ClockState.HALF_ELAPSED,
        ClockState.ONE_FIFTH_LEFT,
        ClockState.OVERDUE,
    ]
    start = start.astimezone(UTC)
    clock = Clock(Phase.COLLECT, start, start, start + timedelta(seconds=50_000))
    seen = [
        order.index(clock_state(clock, start + timedelta(seconds=step)))
        for step in sorted(steps)
    ]
    assert seen == sorted(seen)
