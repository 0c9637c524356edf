"""Which reminders a clock owes by a moment.

Nothing here sends. A reminder has a key that stays the same however often it is
derived, so that sending, retrying and checking come to the same list. The key
holds the due time: where the lead sets another, its reminders are new ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType

from incidents.workflow.clocks import Clock, as_utc
from incidents.workflow.errors import ReminderPlanError
from incidents.workflow.phases import Phase


class ReminderKind(StrEnum):
    """Why a reminder is due."""

    WARNING = "warning"
    BREACH = "breach"
    REPEAT = "repeat"


@dataclass(frozen=True)
class PhaseReminders:
    """When to warn before a due time, and how often to repeat after it.

    ``fractions_left`` are of the whole time; ``before`` are times before the due time.
    """

    fractions_left: tuple[Fraction, ...] = (Fraction(1, 2), Fraction(1, 5))
    before: tuple[timedelta, ...] = ()
    repeat_every: timedelta = timedelta(minutes=30)

    def __post_init__(self) -> None:
        """Refuse times that could never come."""
        if any(not 0 < fraction < 1 for fraction in self.fractions_left):
            raise ReminderPlanError("A fraction left must lie between 0 and 1.")
        if any(delta <= timedelta(0) for delta in (*self.before, self.repeat_every)):
            raise ReminderPlanError("Times before, and the repeat, must be above zero.")


@dataclass(frozen=True)
class QuietHours:
    """A time of day, in a zone, when warnings wait; ``start`` above ``end`` is a night.

    Breaches and their repeats never wait.
    """

    start: time
    end: time
    zone: tzinfo


POSTMORTEM_REMINDERS = PhaseReminders(
    fractions_left=(),
    before=(timedelta(hours=12), timedelta(hours=4), timedelta(hours=1)),
    repeat_every=timedelta(hours=4),
)


@dataclass(frozen=True)
class ReminderPlan:
    """What to remind of, for each phase; ``late_after`` is when sending counts late."""

    default: PhaseReminders = PhaseReminders()
    by_phase: Mapping[Phase, PhaseReminders] = field(
        default_factory=lambda: MappingProxyType(
            {Phase.POSTMORTEM: POSTMORTEM_REMINDERS}
        )
    )
    quiet_hours: QuietHours | None = None
    late_after: timedelta = timedelta(minutes=2)

    def reminders_of(self, phase: Phase) -> PhaseReminders:
        """Return the reminders planned for a phase."""
        return self.by_phase.get(phase, self.default)


@dataclass(frozen=True)
class Reminder:
    """One reminder that a clock owes, at ``at``; ``key`` is unique within a cycle."""

    key: str
    phase: Phase
    kind: ReminderKind
    at: datetime

    def is_late(self, now: datetime, plan: ReminderPlan) -> bool:
        """Return whether sending it at ``now`` has to say that it comes late."""
        return as_utc(now) - self.at > plan.late_after


def due_reminders(
    clock: Clock,
    now: datetime,
    plan: ReminderPlan,
    *,
    since: datetime | None = None,
) -> tuple[Reminder, ...]:
    """Return the reminders that should exist by ``now``, earliest first.

    Completing the phase ends them; those of before stay owed. A warning for a moment
    before the phase began is not owed: nobody could have acted on it. ``since`` leaves
    out those at or before it, where the caller has dealt with them.
    """
    end = as_utc(now)
    if clock.completed_at is not None:
        # At the moment of completion itself there is nothing left to remind of.
        end = min(end, clock.completed_at - timedelta(microseconds=1))
    start = as_utc(since) if since is not None else None
    owed = (*_warnings(clock, plan), *_breaches(clock, plan, start=start, end=end))
    chosen = [r for r in owed if r.at <= end and (start is None or r.at > start)]
    return tuple(sorted(chosen, key=lambda reminder: reminder.at))


def reminders_to_send(
    owed: Collection[Reminder], *, sent_keys: Collection[str]
) -> tuple[Reminder, ...]:
    """Return those of ``owed`` to send now: each once, of missed repeats the newest.

    After an outage a responder is told once that a phase is overdue, not once for
    every repeat that nobody sent.
    """
    missing = [reminder for reminder in owed if reminder.key not in sent_keys]
    repeats = [r for r in owed if r.kind is ReminderKind.REPEAT]
    newest = max(repeats, key=lambda reminder: reminder.at, default=None)
    return tuple(
        reminder
        for reminder in missing
        if reminder.kind is not ReminderKind.REPEAT or reminder == newest
    )


def _warnings(clock: Clock, plan: ReminderPlan) -> Iterator[Reminder]:
    """Yield the warnings before a clock is due; none before it began."""
    due, total, started = clock.due_at, clock.total, clock.started_at
    if due is None or total is None or started is None:
        return
    reminders = plan.reminders_of(clock.phase)
    moments = {
        f"{part.numerator}-{part.denominator}-left": total
        * part.numerator
        / part.denominator
        for part in reminders.fractions_left
    }
    moments |= {
        f"{int(before.total_seconds())}s-before": before for before in reminders.before
    }
    for name, left in moments.items():
        at = due - left
        if at < started:
            continue
        at = after_quiet_hours(at, plan.quiet_hours)
        # One that would wait until the breach has nothing more to say.
        if at < due:
            yield _reminder(clock, ReminderKind.WARNING, name, at)


def _breaches(
    clock: Clock, plan: ReminderPlan, *, start: datetime | None, end: datetime
) -> Iterator[Reminder]:
    """Yield the breach, and its repeats between `start` and `end`."""
    if clock.due_at is None or end < clock.due_at:
        return
    yield _reminder(clock, ReminderKind.BREACH, "breach", clock.due_at)
    every = plan.reminders_of(clock.phase).repeat_every
    first = 1 if start is None else max(1, (start - clock.due_at) // every)
    for number in range(first, (end - clock.due_at) // every + 1):
        at = clock.due_at + every * number
        yield _reminder(clock, ReminderKind.REPEAT, f"repeat-{number}", at)


def _reminder(clock: Clock, kind: ReminderKind, name: str, at: datetime) -> Reminder:
    """Return a reminder. Its key holds the due time: a new due time reminds anew."""
    due = clock.due_at.strftime("%Y%m%dT%H%M%S.%fZ") if clock.due_at else ""
    return Reminder(f"{clock.phase}:{name}:{due}", clock.phase, kind, at)


def after_quiet_hours(at: datetime, quiet: QuietHours | None) -> datetime:
    """Return ``at``, or the end of the quiet hours that it falls into."""
    if quiet is None:
        return at
    local = at.astimezone(quiet.zone)
    clock_time = local.time().replace(fold=0)
    if quiet.start <= quiet.end:
        is_quiet = quiet.start <= clock_time < quiet.end
    else:
        is_quiet = clock_time >= quiet.start or clock_time < quiet.end
    if not is_quiet:
        return at
    day = local.date() + timedelta(days=1 if clock_time >= quiet.end else 0)
    end = datetime.combine(day, quiet.end, tzinfo=quiet.zone)
    # Where the clocks go back, the end comes twice: take the one still ahead.
    return next(
        moment
        for moment in (as_utc(end), as_utc(end.replace(fold=1)), at)
        if moment >= at
    )
