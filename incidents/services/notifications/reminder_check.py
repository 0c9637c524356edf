"""The check on reminders: derives from the clocks alone what should have been sent.

It reads neither the cursors nor the poll's account of itself. What has no row is
written down, marked and counted; what should have gone out by now and did not is
counted and the workers are woken.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone

from evidence.errors import HealthFailure
from evidence.loading import listed, read_listed
from evidence.queue.sending import queue_on_commit
from incidents.models import (
    Cycle,
    Incident,
    IncidentPhase,
    Notification,
    NotificationState,
    ReminderCheckState,
    ReminderCursor,
)
from incidents.services.notifications.notices import (
    kill_all_key,
    notify_kill_all,
)
from incidents.services.notifications.outbox import DELIVER, write_down
from incidents.services.notifications.recipients import Audience
from incidents.services.notifications.reminder_settings import current_settings
from incidents.services.notifications.reminders import (
    owed_reminders,
    reminder_key,
    reminder_rows,
)
from incidents.workflow.reminders import Reminder, ReminderPlan
from policy.models import KillSwitch
from policy.rules.kill_switch import KillSwitchScope

log = logging.getLogger(__name__)

GRACE = dt.timedelta(minutes=2)
"""What the poll, every few seconds, is given before something counts as missed."""
STALE_AFTER = dt.timedelta(minutes=20)
"""A check that has not run for this long, at one in five minutes, does not run."""
WAITS_TOO_LONG = dt.timedelta(minutes=1)
"""The poll comes every ten seconds, and a message is sent within seconds."""
CASES_AT_ONCE = 200
KILL_ALL_WINDOW = dt.timedelta(days=1)


class ReminderCheckFailing(HealthFailure):
    """The check on reminders does not run, or found what is not put right."""


@dataclass(frozen=True)
class CheckResult:
    """What one run found; `missed` reminders led to `repaired` messages."""

    owed: int = 0
    missed: int = 0
    repaired: int = 0
    stuck: int = 0
    without_recipient: int = 0

    def __add__(self, other: CheckResult) -> CheckResult:
        return CheckResult(
            self.owed + other.owed,
            self.missed + other.missed,
            self.repaired + other.repaired,
            self.stuck + other.stuck,
            self.without_recipient + other.without_recipient,
        )


def check_reminders(*, now: dt.datetime | None = None) -> CheckResult:
    """Derive, compare, repair and count; return what was found."""
    moment = now or timezone.now()
    audience, plan = Audience(), current_settings().plan
    result = CheckResult(stuck=_count_stuck(moment))
    for cases in _open_cases():
        result += _check_cases(cases, plan, audience, moment)
    result += _check_kill_all(moment)
    _note(result, moment)
    if result.missed or result.stuck or result.without_recipient:
        log.error(
            "reminders: %d missed, %d messages repaired, %d stuck, %d without anybody",
            result.missed,
            result.repaired,
            result.stuck,
            result.without_recipient,
        )
    return result


def check_health() -> str:
    """Return how the check stands; raise where it fails or finds nobody to tell."""
    state = ReminderCheckState.objects.filter(pk=1).first()
    now = timezone.now()
    _require_nothing_waits(now)
    if state is None or state.last_run_at is None:
        _require_nothing_due(now)
        return "has not run yet, and nothing is due"
    age = now - state.last_run_at
    if age > STALE_AFTER:
        raise ReminderCheckFailing(
            f"last ran {int(age.total_seconds())} s ago, and has to every five minutes"
        )
    if state.without_recipient:
        raise ReminderCheckFailing(
            f"{state.without_recipient} reminders have nobody to go to: give the cases "
            "a lead, and somebody the reviewer role"
        )
    return (
        f"ran {int(age.total_seconds())} s ago; in {state.runs} runs "
        f"{state.missed} missed, {state.repaired} repaired, {state.stuck} stuck"
    )


def _require_nothing_waits(now: dt.datetime) -> None:
    """Raise where the poll or the senders are behind, however well the check runs."""
    late = now - WAITS_TOO_LONG
    unplanned = ReminderCursor.objects.stale(late).filter(next_at__lte=late).count()
    if unplanned:
        raise ReminderCheckFailing(
            f"the reminders of {unplanned} clocks should have been planned a minute "
            "ago: does a worker take from the queue clocks?"
        )
    # Those too that some worker has in hand for longer than it may.
    unsent = Notification.objects.claimable(late).filter(created_at__lte=late).count()
    if unsent:
        raise ReminderCheckFailing(
            f"{unsent} messages have been waiting for over a minute: does a worker "
            "take from the queue delivery, and does the mail server answer?"
        )


def _require_nothing_due(now: dt.datetime) -> None:
    if IncidentPhase.objects.filter(
        due_at__lt=now - STALE_AFTER,
        completed_at__isnull=True,
        cycle__ended_at__isnull=True,
        cycle__incident__status="open",
    ).exists():
        raise ReminderCheckFailing(
            "has never run, though clocks are overdue: is beat running?"
        )


def _open_cases() -> Iterator[list[Incident]]:
    """Yield the open cases with their clocks, some at a time."""
    held = listed("waivers"), listed("acknowledgements")
    phases = IncidentPhase.objects.prefetch_related(*held)
    cycles = Cycle.objects.prefetch_related(listed("phases", phases))
    last = 0
    while True:
        cases = list(
            Incident.objects.open()
            .filter(pk__gt=last)
            .select_related("lead", "team")
            .prefetch_related("team__members", Prefetch("cycles", cycles))
            .order_by("pk")[:CASES_AT_ONCE]
        )
        if not cases:
            return
        yield cases
        last = cases[-1].pk


@transaction.atomic
def _check_cases(
    cases: list[Incident],
    plan: ReminderPlan,
    audience: Audience,
    now: dt.datetime,
) -> CheckResult:
    owed = {
        reminder_key(case, phase, reminder): (case, phase, reminder)
        for case in cases
        for phase, reminder in _owed_of(case, plan, now - GRACE)
    }
    there = set(Notification.objects.filter(key__in=owed).values_list("key", flat=True))
    missed = [owed[key] for key in owed if key not in there]
    rows = [
        reminder_rows(case, phase, reminder, audience, now=now, found_by_check=True)
        for case, phase, reminder in missed
    ]
    write_down([row for some in rows for row in some])
    return CheckResult(
        owed=len(owed),
        missed=sum(bool(some) for some in rows),
        repaired=sum(map(len, rows)),
        without_recipient=sum(not some for some in rows),
    )


def _check_kill_all(now: dt.datetime) -> CheckResult:
    """Find a kill-all whose task was lost with its broker, and tell of it now."""
    switches = KillSwitch.objects.filter(
        scope=KillSwitchScope.ALL,
        ordered_at__gt=now - KILL_ALL_WINDOW,
        ordered_at__lte=now - GRACE,
    )
    result = CheckResult()
    for pk in switches.values_list("pk", flat=True):
        if Notification.objects.filter(key=kill_all_key(pk)).exists():
            continue
        told = notify_kill_all(kill_switch_id=pk, now=now)
        result += CheckResult(
            missed=int(told > 0), repaired=told, without_recipient=int(told == 0)
        )
    return result


def _owed_of(
    case: Incident, plan: ReminderPlan, now: dt.datetime
) -> Iterator[tuple[IncidentPhase, Reminder]]:
    for phase in read_listed(case.current_cycle, "phases"):
        for reminder in owed_reminders(phase, plan, now=now):
            yield phase, reminder


def _count_stuck(now: dt.datetime) -> int:
    """Count what a worker could long have taken; wake the workers where there is any.

    A row that is being sent has `next_try_at` where its claim runs out, so one whose
    worker was killed is among these too.
    """
    stuck = (
        Notification.objects.unfinished().filter(next_try_at__lt=now - GRACE).count()
    )
    if stuck:
        queue_on_commit(DELIVER)
    return stuck


@transaction.atomic
def _note(result: CheckResult, now: dt.datetime) -> None:
    # One row for all, made where it is missing, then locked: of two checks that end
    # at once, both count.
    ReminderCheckState.objects.bulk_create(
        [ReminderCheckState(pk=1)], ignore_conflicts=True
    )
    state = ReminderCheckState.objects.select_for_update().get(pk=1)
    state.last_run_at = now
    state.runs += 1
    state.missed += result.missed
    state.repaired += result.repaired
    state.stuck += result.stuck
    state.without_recipient = result.without_recipient
    if result.missed:
        state.last_missed_at = now
    state.save()


def count_by_state() -> dict[str, int]:
    """Return how many notifications stand in each state that is not an end."""
    watched = (
        NotificationState.PENDING,
        NotificationState.SENDING,
        NotificationState.PRINTED,
        NotificationState.FAILED,
    )
    return {
        state.value: Notification.objects.filter(state=state).count()
        for state in watched
    }
