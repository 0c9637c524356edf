"""Clocks of the phases: when each is due, how it stands, and what to remind of.

A target of 300 seconds is the runbook's "< 5 min": at the due moment itself the
phase is late. A clock that counts from detection runs from detection, whether or not
its phase has begun. Every moment is aware; it is turned to UTC before any arithmetic,
so that a change to or from daylight-saving time never moves a due time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from incidents.workflow.errors import MomentError
from incidents.workflow.phases import Phase
from incidents.workflow.playbook_document import PhaseTarget

WATCH_PART, WARN_PART = 2, 5
"""A clock is to be watched with a half left, and warns with a fifth."""
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
"""Seconds in each unit of a length in words."""


class ClockState(StrEnum):
    """How a clock stands at a moment."""

    NOT_STARTED = "not_started"
    RUNNING = "running"
    HALF_ELAPSED = "half_elapsed"
    ONE_FIFTH_LEFT = "one_fifth_left"
    OVERDUE = "overdue"
    MET = "met"
    BREACHED = "breached"
    WAIVED = "waived"
    STOPPED = "stopped"


_MOMENTS = ("counted_from", "started_at", "due_at", "completed_at", "stopped_at")


@dataclass(frozen=True)
class Clock:
    """The clock of one phase of a case.

    ``counted_from`` is where the target counts from, ``started_at`` when work on the
    phase began (None: not yet). ``due_at`` None: the phase is automatic, or nobody has
    set its due time yet. ``waived``: it completed past a condition by a waiver.
    ``stopped_at``: the cycle ended; a clock that still ran stands still from then.
    """

    phase: Phase
    counted_from: datetime | None = None
    started_at: datetime | None = None
    due_at: datetime | None = None
    completed_at: datetime | None = None
    waived: bool = False
    stopped_at: datetime | None = None

    def __post_init__(self) -> None:
        """Turn every moment to UTC, so that all compare."""
        for name in _MOMENTS:
            moment = getattr(self, name)
            if moment is not None:
                object.__setattr__(self, name, as_utc(moment))

    @property
    def total(self) -> timedelta | None:
        """The whole time allowed; None where nothing is due."""
        if self.due_at is None or self.counted_from is None:
            return None
        return self.due_at - self.counted_from


def as_utc(moment: datetime) -> datetime:
    """Return the moment in UTC; raise MomentError where it has no zone."""
    if moment.utcoffset() is None:
        raise MomentError(f"{moment.isoformat()} has no time zone. Give one.")
    return moment.astimezone(UTC)


def due_at(target: PhaseTarget, *, counted_from: datetime | None) -> datetime | None:
    """Return when a phase is due.

    None where the phase is automatic, the lead has yet to set the time, or the clock
    has nothing to count from so far.
    """
    if not target.target_seconds or counted_from is None:
        return None
    return as_utc(counted_from) + timedelta(seconds=target.target_seconds)


def clock_state(clock: Clock, now: datetime) -> ClockState:
    """Return how the clock stands at ``now``."""
    if clock.completed_at is not None:
        if is_breached(clock, now):
            return ClockState.BREACHED
        return ClockState.WAIVED if clock.waived else ClockState.MET
    if clock.stopped_at is not None:
        breached = is_breached(clock, now)
        return ClockState.BREACHED if breached else ClockState.STOPPED
    if is_breached(clock, now):
        return ClockState.OVERDUE
    if clock.started_at is None:
        return ClockState.NOT_STARTED
    left, total = time_left(clock, now), clock.total
    if left is None or total is None:
        return ClockState.RUNNING
    if left * WARN_PART <= total:
        return ClockState.ONE_FIFTH_LEFT
    if left * WATCH_PART <= total:
        return ClockState.HALF_ELAPSED
    return ClockState.RUNNING


def tone_moments(counted_from: datetime, due: datetime) -> tuple[datetime, datetime]:
    """Return when half of the time has passed, and when a fifth is left."""
    total = due - counted_from
    return due - total / WATCH_PART, due - total / WARN_PART


def time_left(clock: Clock, now: datetime) -> timedelta | None:
    """Return the time left, negative once overdue; None where nothing is due.

    For a completed phase it is the time that was left when it completed, for one that
    its cycle left open the time that was left then.
    """
    if clock.due_at is None:
        return None
    return clock.due_at - (clock.completed_at or clock.stopped_at or as_utc(now))


def is_breached(clock: Clock, now: datetime) -> bool:
    """Return whether the phase was not, or is not yet, complete when due."""
    left = time_left(clock, now)
    return left is not None and left <= timedelta(0)


def breached_at(clock: Clock, now: datetime) -> datetime | None:
    """Return when the clock was breached, which is its due time; None if it was not."""
    return clock.due_at if is_breached(clock, now) else None


def describe_duration(length: timedelta) -> str:
    """Return a length in its two largest units: 1 h 5 min, 4 min 32 s, 2 d 3 h."""
    seconds = int(abs(length).total_seconds())
    parts: list[str] = []
    for size, unit in UNITS:
        if seconds >= size or (parts and len(parts) < 2):
            count, seconds = divmod(seconds, size)
            parts.append(f"{count} {unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 ")) or "0 s"
