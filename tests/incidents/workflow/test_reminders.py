"""Which reminders are owed, when, and that none is lost or doubled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.workflow.clocks import Clock
from incidents.workflow.errors import ReminderPlanError
from incidents.workflow.phases import Phase
from incidents.workflow.reminders import (
    PhaseReminders,
    QuietHours,
    Reminder,
    ReminderKind,
    ReminderPlan,
    due_reminders,
    reminders_to_send,
)

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PLAN = ReminderPlan()
NIGHT = QuietHours(time(22), time(7), BERLIN)


def make_clock(
    total: timedelta = timedelta(hours=2),
    *,
    phase: Phase = Phase.ANALYZE,
    start: datetime = START,
) -> Clock:
    return Clock(phase, start, start, start + total)


def names(reminders: tuple[Reminder, ...]) -> list[str]:
    return [reminder.key.split(":")[1] for reminder in reminders]


@pytest.mark.parametrize(
    ("minutes", "name"),
    [(60, "1-2-left"), (96, "1-5-left"), (120, "breach"), (150, "repeat-1")],
)
def test_each_reminder_appears_at_its_second(minutes: int, name: str) -> None:
    at = START + timedelta(minutes=minutes)
    assert name not in names(due_reminders(make_clock(), at - SECOND, PLAN))
    assert names(due_reminders(make_clock(), at, PLAN))[-1] == name
    assert due_reminders(make_clock(), at, PLAN)[-1].at == at


@pytest.mark.parametrize(
    ("hours", "name"),
    [
        (12, "43200s-before"),
        (20, "14400s-before"),
        (23, "3600s-before"),
        (24, "breach"),
        (28, "repeat-1"),
        (32, "repeat-2"),
    ],
)
@pytest.mark.parametrize(
    "start",
    [
        START,
        datetime(2026, 3, 28, 18, 0, tzinfo=BERLIN),
        datetime(2026, 10, 24, 18, 0, tzinfo=BERLIN),
    ],
    ids=["plain", "23-hour day", "25-hour day"],
)
def test_postmortem_reminds_at_its_own_hours(
    start: datetime, hours: int, name: str
) -> None:
    start = start.astimezone(UTC)
    clock = make_clock(timedelta(hours=24), phase=Phase.POSTMORTEM, start=start)
    at = start + timedelta(hours=hours)
    assert name not in names(due_reminders(clock, at - SECOND, PLAN))
    assert names(due_reminders(clock, at, PLAN))[-1] == name


def test_phase_without_a_due_time_owes_nothing() -> None:
    clock = Clock(Phase.REMEDIATE, START, START)
    assert due_reminders(clock, START + timedelta(days=99), PLAN) == ()


def test_completing_ends_reminders_and_keeps_what_was_owed() -> None:
    done = replace(make_clock(), completed_at=START + timedelta(minutes=97))
    assert names(due_reminders(done, START + timedelta(days=9), PLAN)) == [
        "1-2-left",
        "1-5-left",
    ]
    at_half = replace(make_clock(), completed_at=START + timedelta(minutes=60))
    assert due_reminders(at_half, START + timedelta(days=9), PLAN) == ()


def test_warnings_from_before_the_phase_began_are_not_owed() -> None:
    begun = replace(make_clock(), started_at=START + timedelta(minutes=61))
    assert names(due_reminders(begun, START + timedelta(minutes=120), PLAN)) == [
        "1-5-left",
        "breach",
    ]


def test_phase_that_never_began_still_owes_its_breach() -> None:
    waiting = replace(make_clock(), started_at=None)
    end = START + timedelta(minutes=150)
    assert names(due_reminders(waiting, end, PLAN)) == ["breach", "repeat-1"]


def test_new_due_time_makes_new_reminders() -> None:
    clock = make_clock(phase=Phase.REMEDIATE)
    assert clock.due_at is not None
    moved = replace(clock, due_at=clock.due_at + SECOND)
    now = START + timedelta(days=1)
    old = {r.key for r in due_reminders(clock, now, PLAN)}
    assert old.isdisjoint(r.key for r in due_reminders(moved, now, PLAN))


def test_plan_is_configurable() -> None:
    plan = ReminderPlan(
        default=PhaseReminders(
            fractions_left=(Fraction(1, 10),),
            before=(timedelta(minutes=30),),
            repeat_every=timedelta(hours=1),
        ),
        by_phase={},
    )
    owed = due_reminders(make_clock(), START + timedelta(hours=3), plan)
    assert [(r.at - START).total_seconds() / 60 for r in owed] == [90, 108, 120, 180]


@pytest.mark.parametrize(
    "fields",
    [
        {"fractions_left": (Fraction(1),)},
        {"fractions_left": (Fraction(0),)},
        {"before": (timedelta(0),)},
        {"repeat_every": timedelta(0)},
    ],
)
def test_plan_that_cannot_be_followed_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ReminderPlanError):
        PhaseReminders(**fields)  # type: ignore[arg-type]


def test_late_reminder_says_so() -> None:
    (half,) = due_reminders(make_clock(), START + timedelta(minutes=60), PLAN)
    assert not half.is_late(half.at + timedelta(minutes=2), PLAN)
    assert half.is_late(half.at + timedelta(minutes=2, seconds=1), PLAN)


class TestSending:
    def test_after_an_outage_only_the_newest_repeat_is_sent(self) -> None:
        owed = due_reminders(make_clock(), START + timedelta(hours=12), PLAN)
        sent = {r.key for r in owed if r.kind is ReminderKind.WARNING}
        assert names(reminders_to_send(owed, sent_keys=sent)) == ["breach", "repeat-20"]

    def test_nothing_is_sent_twice(self) -> None:
        owed = due_reminders(make_clock(), START + timedelta(hours=12), PLAN)
        sent = {r.key for r in reminders_to_send(owed, sent_keys=())}
        assert reminders_to_send(owed, sent_keys=sent) == ()

    def test_missed_warning_is_sent_late_once(self) -> None:
        owed = due_reminders(make_clock(), START + timedelta(minutes=61), PLAN)
        assert names(reminders_to_send(owed, sent_keys=())) == ["1-2-left"]


class TestQuietHours:
    PLAN = replace(PLAN, quiet_hours=NIGHT)

    def clock(self, due: datetime) -> Clock:
        start = due.astimezone(UTC) - timedelta(hours=24)
        return make_clock(timedelta(hours=24), phase=Phase.VERIFY, start=start)

    def warnings(self, due: datetime) -> list[datetime]:
        clock = self.clock(due)
        assert clock.due_at is not None
        owed = due_reminders(clock, clock.due_at + timedelta(days=1), self.PLAN)
        return [
            reminder.at.astimezone(BERLIN)
            for reminder in owed
            if reminder.kind is ReminderKind.WARNING
        ]

    def test_warning_at_night_waits_for_the_morning(self) -> None:
        # Half time is 03:00, one fifth left 10:12.
        due = datetime(2026, 6, 2, 15, 0, tzinfo=BERLIN)
        assert self.warnings(due) == [
            datetime(2026, 6, 2, 7, 0, tzinfo=BERLIN),
            datetime(2026, 6, 2, 10, 12, tzinfo=BERLIN),
        ]

    def test_warning_in_the_evening_waits_until_the_next_morning(self) -> None:
        due = datetime(2026, 6, 3, 11, 0, tzinfo=BERLIN)
        assert self.warnings(due)[0] == datetime(
            2026, 6, 3, 6, 12, tzinfo=BERLIN
        ).replace(hour=7, minute=0)

    def test_warning_that_would_wait_past_the_due_time_is_left_out(self) -> None:
        assert self.warnings(datetime(2026, 6, 2, 6, 30, tzinfo=BERLIN)) == [
            datetime(2026, 6, 1, 18, 30, tzinfo=BERLIN)
        ]

    def test_quiet_hours_can_lie_in_the_day(self) -> None:
        plan = replace(PLAN, quiet_hours=QuietHours(time(12), time(13), BERLIN))
        start = datetime(2026, 6, 2, 12, 0, tzinfo=BERLIN)
        clock = make_clock(timedelta(hours=1, minutes=30), start=start)
        at = due_reminders(clock, start + timedelta(hours=1, minutes=29), plan)
        # Half time 12:45 waits; one fifth left is 13:12.
        assert [r.at.astimezone(BERLIN).strftime("%H:%M") for r in at] == [
            "13:00",
            "13:12",
        ]

    def test_end_that_comes_twice_is_the_one_still_ahead(self) -> None:
        # 02:15 on the second pass, when the clocks have gone back from 03:00 to 02:00.
        half = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
        clock = make_clock(timedelta(hours=10), start=half - timedelta(hours=5))
        plan = replace(PLAN, quiet_hours=QuietHours(time(22), time(2, 30), BERLIN))
        (warning, *_) = due_reminders(clock, half + timedelta(hours=1), plan)
        assert warning.at == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    @pytest.mark.parametrize("hour", range(24))
    def test_breach_and_repeats_never_wait(self, hour: int) -> None:
        due = datetime(2026, 6, 2, hour, 0, tzinfo=BERLIN)
        clock = self.clock(due)
        owed = due_reminders(clock, due + timedelta(minutes=30), self.PLAN)
        at = [r.at for r in owed if r.kind is not ReminderKind.WARNING]
        assert at == [due, due + timedelta(minutes=30)]

    @given(
        st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)),
        st.times(),
        st.times(),
        st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        st.integers(1, 200_000),
    )
    def test_waiting_ends_within_a_day(
        self, start: datetime, begin: time, end: time, zone_name: str, seconds: int
    ) -> None:
        zone = ZoneInfo(zone_name)
        clock = make_clock(timedelta(seconds=seconds), start=start.replace(tzinfo=UTC))
        assert clock.due_at is not None
        quiet = replace(PLAN, quiet_hours=QuietHours(begin, end, zone))
        loud = {r.key: r.at for r in due_reminders(clock, clock.due_at, PLAN)}
        for reminder in due_reminders(clock, clock.due_at, quiet):
            waited = reminder.at - loud[reminder.key]
            assert timedelta(0) <= waited <= timedelta(hours=25)


@given(
    st.integers(1, 300_000),
    st.lists(st.integers(0, 1_000_000), min_size=1, max_size=20),
    st.none() | st.integers(0, 1_000_000),
    st.sampled_from(list(Phase)),
)
def test_polling_in_any_rhythm_owes_the_same_reminders(
    total: int, polls: list[int], completed: int | None, phase: Phase
) -> None:
    clock = make_clock(timedelta(seconds=total), phase=phase)
    if completed is not None:
        clock = replace(clock, completed_at=START + timedelta(seconds=completed))
    moments = [START + timedelta(seconds=poll) for poll in sorted(polls)]
    seen: list[str] = []
    since = None
    for now in moments:
        seen += [r.key for r in due_reminders(clock, now, PLAN, since=since)]
        since = now
    at_once = [r.key for r in due_reminders(clock, moments[-1], PLAN)]
    assert seen == at_once
    assert len(set(seen)) == len(seen)
