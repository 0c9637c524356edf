"""Reminders of the phases' clocks: planned by polling, held back by acknowledging.

A poll looks for clocks that owe something by now and writes down the messages; workers
send them (delivery.py beside this file). Any number of polls may run at once: each
takes cursors that no other holds, and a message that is there already stays the one.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Min, QuerySet
from django.utils import timezone

from evidence.accounts.access import require_permission
from evidence.loading import read_listed
from evidence.queue.sending import queue_on_commit
from incidents.errors import TransitionError
from incidents.models import (
    Incident,
    IncidentPhase,
    Notification,
    NotificationKind,
    ReminderAcknowledgement,
    ReminderCursor,
    TimelineKind,
)
from incidents.services.changes import WORK, lock_open_incident, record_change
from incidents.services.notifications.outbox import (
    Message,
    make_rows,
    write_down,
)
from incidents.services.notifications.recipients import Audience
from incidents.services.notifications.reminder_settings import current_settings
from incidents.workflow.clocks import Clock
from incidents.workflow.phases import Phase
from incidents.workflow.reminders import (
    Reminder,
    ReminderKind,
    ReminderPlan,
    due_reminders,
    reminders_to_send,
)

PLAN_BATCH = 500
"""A transaction plans so many clocks: who is told of the first waits for these only."""
RUN_SECONDS = 8.0
"""After this a run lets another go on, so that what is told at once waits no longer."""
LOOK_AHEAD = dt.timedelta(seconds=10)
"""The scheduler's interval: what is owed within it is planned at its moment."""
WAKE_PAUSE_SECONDS = 0.5
"""What is owed at nearly the same moment is planned together."""
PLAN = "incidents.plan_reminders"
CURSORS_AT_ONCE = 2_000
CURSOR_FIELDS = (
    "seen_started_at",
    "seen_due_at",
    "seen_completed_at",
    "planned_until",
    "next_at",
)
PHASE_ROWS = (
    "phase__cycle__incident__lead",
    "phase__cycle__incident__team",
)
KINDS = {
    ReminderKind.WARNING: NotificationKind.WARNING,
    ReminderKind.BREACH: NotificationKind.BREACH,
    ReminderKind.REPEAT: NotificationKind.REPEAT,
}


def follow_clocks(*, until: float | None = None, now: dt.datetime | None = None) -> int:
    """Plan what is owed, and have what is owed soon planned at its moment.

    The scheduler asks every LOOK_AHEAD, for clocks that began or changed as well. In
    between a run is queued for the next moment that is known, until `until` in seconds
    of the epoch; such a run asks for clocks that owe something alone. A run that is
    lost costs the time until the scheduler's next. Return how many messages; those
    that were there already count too, as another poll was as fast.
    """
    moment = now or timezone.now()
    if until is None:
        _add_cursors(moment)
        cursors, end = ReminderCursor.objects.stale(moment), moment + LOOK_AHEAD
    else:
        cursors = ReminderCursor.objects.due(moment)
        end = dt.datetime.fromtimestamp(until, dt.UTC)
    written, is_done = _plan(cursors, moment)
    if is_done:
        _wake_up(end, now=now or timezone.now())
    else:
        queue_on_commit(PLAN, end.timestamp())
    return written


def _wake_up(end: dt.datetime, *, now: dt.datetime) -> None:
    """Queue a run for the next moment, by `end`, at which something is owed."""
    coming = ReminderCursor.objects.due(end).filter(next_at__gt=now)
    next_at = coming.aggregate(first=Min("next_at"))["first"]
    if next_at is not None:
        pause = (next_at - now).total_seconds() + WAKE_PAUSE_SECONDS
        queue_on_commit(PLAN, end.timestamp(), countdown=pause)


def _plan(cursors: QuerySet[ReminderCursor], now: dt.datetime) -> tuple[int, bool]:
    """Plan these clocks; return how many messages, and whether none is left."""
    audience, plan = Audience(), current_settings().plan
    ends_at = time.monotonic() + RUN_SECONDS
    written = 0
    while time.monotonic() < ends_at:
        planned, rows = _plan_batch(cursors, now, plan, audience)
        written += rows
        if planned < PLAN_BATCH:
            return written, True
    return written, False


@transaction.atomic
def acknowledge_reminders(
    *,
    actor: User,
    incident_id: int,
    phase: Phase,
    now: dt.datetime | None = None,
) -> ReminderAcknowledgement:
    """Acknowledge an overdue phase: its repeats wait until the time that is set.

    They start again by themselves if the phase is not complete by then. Warnings and
    the breach itself are never held back, and neither is any other phase.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    row = incident.current_cycle.phases.get(phase=phase)
    if row.completed_at is not None or row.due_at is None or row.due_at > moment:
        raise TransitionError(f"{row} is not overdue: there is nothing to acknowledge.")
    until = moment + current_settings().hold
    acknowledgement = ReminderAcknowledgement.objects.create(
        phase=row,
        acknowledged_at=moment,
        acknowledged_by=actor,
        holds_until=until,
    )
    record_change(
        incident,
        action="reminder.acknowledged",
        actor=actor,
        now=moment,
        kind=TimelineKind.EVENT,
        body=f"**{row} overdue: acknowledged**, reminders wait until "
        f"{until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC",
        after={"phase": row.phase, "holds_until": until.isoformat()},
        phase=row.phase,
    )
    return acknowledgement


def owed_reminders(
    phase: IncidentPhase,
    plan: ReminderPlan,
    *,
    now: dt.datetime,
    since: dt.datetime | None = None,
) -> list[Reminder]:
    """Return what a phase owes by `now`, of several missed repeats the newest.

    A phase that has not begun does not repeat: the one before it does, and is the one
    that can be acted on. Needs `waivers` and `acknowledgements` prefetched.
    """
    clock = phase.as_clock()
    owed = [
        reminder
        for reminder in _derive(clock, plan, now=now, since=since)
        if not _is_held(phase, reminder)
    ]
    return list(reminders_to_send(owed, sent_keys=()))


def held_until(phase: IncidentPhase, at: dt.datetime) -> dt.datetime | None:
    """Return until when an acknowledgement holds repeats back at `at`, if one does."""
    ends = [
        acknowledgement.holds_until
        for acknowledgement in read_listed(phase, "acknowledgements")
        if acknowledgement.acknowledged_at <= at < acknowledgement.holds_until
    ]
    return max(ends, default=None)


def reminder_message(
    incident: Incident, phase: IncidentPhase, reminder: Reminder
) -> Message:
    """Return the message of a reminder, with the key that makes it one of its kind."""
    return Message(
        key=reminder_key(incident, phase, reminder),
        kind=KINDS[reminder.kind],
        headline=_headline(phase, reminder),
        about=incident,
        owed_at=reminder.at,
        incident=incident,
        phase=phase,
    )


def reminder_key(incident: Incident, phase: IncidentPhase, reminder: Reminder) -> str:
    """Return case, cycle, phase and reminder as one text."""
    return f"{incident.reference}:{phase.cycle.number}:{reminder.key}"


def reminder_rows(
    incident: Incident,
    phase: IncidentPhase,
    reminder: Reminder,
    audience: Audience,
    *,
    now: dt.datetime,
    found_by_check: bool = False,
) -> list[Notification]:
    """Return the rows of one reminder: its people and the shared channels."""
    message = reminder_message(incident, phase, reminder)
    people = audience.people_of(incident, message.kind)
    targets = [
        *audience.targets_of(people, kind=message.kind),
        *audience.shared_targets(incident, kind=message.kind),
    ]
    return make_rows(message, targets, now=now, found_by_check=found_by_check)


def _add_cursors(now: dt.datetime) -> None:
    """Begin to follow clocks that have started since the last poll."""
    new = IncidentPhase.objects.filter(
        due_at__isnull=False,
        reminder_cursor__isnull=True,
        cycle__ended_at__isnull=True,
        cycle__incident__status="open",
    ).values_list("pk", flat=True)
    ReminderCursor.objects.bulk_create(
        [ReminderCursor(phase_id=pk, next_at=now) for pk in new],
        ignore_conflicts=True,
        batch_size=CURSORS_AT_ONCE,
    )


@transaction.atomic
def _plan_batch(
    waiting: QuerySet[ReminderCursor],
    now: dt.datetime,
    plan: ReminderPlan,
    audience: Audience,
) -> tuple[int, int]:
    """Plan up to PLAN_BATCH phases; return how many, and how many messages.

    Those first that have owed something for longest.
    """
    cursors = list(
        waiting.select_for_update(of=("self",), skip_locked=True)
        .select_related(*PHASE_ROWS)
        .prefetch_related(
            "phase__waivers",
            "phase__acknowledgements",
            "phase__cycle__incident__team__members",
        )
        .order_by(F("next_at").asc(nulls_last=True), "phase_id")[:PLAN_BATCH]
    )
    rows = [
        row for cursor in cursors for row in _plan_cursor(cursor, now, plan, audience)
    ]
    if rows:
        write_down(rows)
    # An upsert: of so many rows it is far quicker than one UPDATE with its cases.
    ReminderCursor.objects.bulk_create(
        cursors,
        update_conflicts=True,
        unique_fields=["phase"],
        update_fields=CURSOR_FIELDS,
    )
    return len(cursors), len(rows)


def _plan_cursor(
    cursor: ReminderCursor, now: dt.datetime, plan: ReminderPlan, audience: Audience
) -> Iterable[Notification]:
    phase = cursor.phase
    incident = phase.cycle.incident
    # A clock that changed is derived from its start: what a slow transaction hid from
    # the last poll is found, and what was written down then is there already.
    since = cursor.planned_until if _is_unchanged(cursor) else None
    owed = owed_reminders(phase, plan, now=now, since=since)
    rows = [
        row
        for reminder in owed
        for row in reminder_rows(incident, phase, reminder, audience, now=now)
    ]
    cursor.seen_started_at = phase.started_at
    cursor.seen_due_at = phase.due_at
    cursor.seen_completed_at = phase.completed_at
    cursor.planned_until = now
    cursor.next_at = _next_moment(phase.as_clock(), plan, now)
    return rows


def _is_unchanged(cursor: ReminderCursor) -> bool:
    phase = cursor.phase
    return (
        cursor.seen_started_at == phase.started_at
        and cursor.seen_due_at == phase.due_at
        and cursor.seen_completed_at == phase.completed_at
    )


def _next_moment(
    clock: Clock, plan: ReminderPlan, now: dt.datetime
) -> dt.datetime | None:
    """Return when the clock owes its next reminder; None once it is complete."""
    if clock.due_at is None or clock.completed_at is not None:
        return None
    horizon = max(clock.due_at, now + plan.reminders_of(clock.phase).repeat_every)
    coming = due_reminders(clock, horizon, plan, since=now)
    return min((reminder.at for reminder in coming), default=None)


def _derive(
    clock: Clock, plan: ReminderPlan, *, now: dt.datetime, since: dt.datetime | None
) -> list[Reminder]:
    """Derive reminders without walking through every repeat of a long-overdue clock."""
    if clock.due_at is None:
        return []
    every = plan.reminders_of(clock.phase).repeat_every
    end = min(now, clock.completed_at) if clock.completed_at else now
    recent = max(clock.due_at, end - every, since or clock.due_at)
    first = due_reminders(clock, min(now, clock.due_at), plan, since=since)
    return [*first, *due_reminders(clock, now, plan, since=recent)]


def _is_held(phase: IncidentPhase, reminder: Reminder) -> bool:
    if reminder.kind is not ReminderKind.REPEAT:
        return False
    began = phase.started_at
    return (
        began is None
        or reminder.at < began
        or held_until(phase, reminder.at) is not None
    )


def _headline(phase: IncidentPhase, reminder: Reminder) -> str:
    if reminder.kind is ReminderKind.WARNING:
        return f"{phase.name.label} is due soon"
    if reminder.kind is ReminderKind.BREACH:
        return f"{phase.name.label} is overdue"
    return f"{phase.name.label} is still overdue"
