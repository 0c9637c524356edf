"""The plan of reminders: what is set, the defaults until then, and setting another."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import record_entry
from incidents.errors import NotificationRefused
from incidents.models import ReminderCursor, ReminderSettings
from incidents.workflow.errors import ReminderPlanError
from incidents.workflow.reminder_documents import read_plan, write_plan
from incidents.workflow.reminders import ReminderPlan

CHANGE_REMINDERS = "incidents.add_remindersettings"
DEFAULT_HOLD_MINUTES = 60
LONGEST_HOLD_MINUTES = 24 * 60
"""An acknowledgement that holds for longer is a way to switch reminders off."""


@dataclass(frozen=True)
class CurrentSettings:
    plan: ReminderPlan
    hold: dt.timedelta


def current_settings() -> CurrentSettings:
    """Return the newest settings, or the defaults where nobody has set any."""
    row = ReminderSettings.objects.order_by("-id").first()
    if row is None:
        return CurrentSettings(
            ReminderPlan(), dt.timedelta(minutes=DEFAULT_HOLD_MINUTES)
        )
    return CurrentSettings(read_plan(row.plan), dt.timedelta(minutes=row.hold_minutes))


@transaction.atomic
def set_reminders(
    *,
    actor: Actor,
    plan: Any,
    hold_minutes: int,
    now: dt.datetime | None = None,
) -> ReminderSettings:
    """Set the plan for everything from now on; what was sent under another stays.

    `plan` is the document of incidents.workflow.reminder_documents.
    """
    require_permission(actor, CHANGE_REMINDERS)
    moment = now or timezone.now()
    before = current_settings()
    try:
        document = write_plan(read_plan(plan))
    except ReminderPlanError as error:
        raise NotificationRefused(str(error), code=error.code) from error
    if not 1 <= hold_minutes <= LONGEST_HOLD_MINUTES:
        raise NotificationRefused(
            f"An acknowledgement holds for 1 to {LONGEST_HOLD_MINUTES} minutes. "
            f"Given: {hold_minutes}."
        )
    row = ReminderSettings.objects.create(
        plan=document, hold_minutes=hold_minutes, set_at=moment, set_by=actor
    )
    # The moment of the next reminder may be another one now.
    ReminderCursor.objects.exclude(next_at=None).update(next_at=moment)
    record_entry(
        action="reminder_settings.changed",
        actor=actor,
        obj=row,
        before=_described(write_plan(before.plan), before.hold),
        after=_described(document, dt.timedelta(minutes=hold_minutes)),
        now=moment,
    )
    return row


def _described(document: dict[str, Any], hold: dt.timedelta) -> dict[str, Any]:
    return {"plan": document, "hold_minutes": hold // dt.timedelta(minutes=1)}
