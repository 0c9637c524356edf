"""Reminders of action items: when they are due, and while they are overdue."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.utils import timezone

from incidents.models import (
    ActionItem,
    Notification,
    NotificationKind,
)
from incidents.services.notifications.outbox import (
    Message,
    make_rows,
    write_down,
)
from incidents.services.notifications.recipients import Audience

REMIND_BEFORE = dt.timedelta(days=3)


REPEAT_EVERY = dt.timedelta(days=7)
ITEMS_AT_ONCE = 1_000
REMIND_AT = dt.time(8, 0, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Debt:
    """A reminder that an action item owes: which item, the reminder's key and text."""

    item: int
    key: str
    headline: str
    owed_at: dt.datetime


def remind_action_items(*, now: dt.datetime | None = None) -> int:
    """Write down the reminders of open action items that are owed; return how many.

    Three days before, on the day, and then every week, each once. An overdue one is
    told to the lead of its case as well, and one whose owner is switched off to the
    lead from the start; to reviewers, where no lead is there either. Harmless to run
    twice, or late.
    """
    moment = now or timezone.now()
    rows = (
        ActionItem.objects.open()
        .filter(due_on__lte=(moment + REMIND_BEFORE).date())
        .order_by("pk")
        .values_list("pk", "due_on", "incident__reference")
    )
    audience = Audience()
    last = count = 0
    while True:
        page = list(rows.filter(pk__gt=last)[:ITEMS_AT_ONCE])
        owed = [debt for row in page if (debt := _owed(*row, now=moment)) is not None]
        if new := _not_known(owed):
            count += _write_reminders(new, audience, moment)
        if len(page) < ITEMS_AT_ONCE:
            return count
        last = page[-1][0]


def _not_known(owed: list[Debt]) -> list[Debt]:
    """Return the reminders that were not written down before."""
    rows = Notification.objects.filter(key__in=[debt.key for debt in owed])
    known = set(rows.values_list("key", flat=True))
    return [debt for debt in owed if debt.key not in known]


def _write_reminders(debts: list[Debt], audience: Audience, now: dt.datetime) -> int:
    items = ActionItem.objects.select_related("owner", "incident__lead").in_bulk(
        [debt.item for debt in debts]
    )
    rows: list[Notification] = []
    for debt in debts:
        item = items[debt.item]
        headline = debt.headline
        if not item.owner.is_active:
            headline = f"{headline}, and its owner is switched off"
        message = Message(
            debt.key,
            NotificationKind.REMINDER,
            headline,
            item,
            debt.owed_at,
            incident=item.incident,
        )
        people = _people_of(item, audience, is_overdue=item.due_on < now.date())
        targets = audience.targets_of(people, kind=message.kind)
        rows += make_rows(message, targets, now=now)
    write_down(rows)
    return len(debts)


def _people_of(row: ActionItem, audience: Audience, *, is_overdue: bool) -> list[User]:
    """Return who is reminded of an item: never nobody while there is a reviewer."""
    lead = row.incident.lead
    people = [row.owner] if row.owner.is_active else []
    if lead is not None and lead.is_active and lead != row.owner:
        people += [lead] if is_overdue or not people else []
    return people or audience.reviewers


def _owed(
    item: int, due_on: dt.date, reference: str, *, now: dt.datetime
) -> Debt | None:
    """Return the newest reminder that an item owes."""
    due_at = dt.datetime.combine(due_on, REMIND_AT)
    base = f"{reference}:action-item:{item}:{due_on.isoformat()}"
    if now >= due_at + dt.timedelta(days=1):
        weeks = (now - due_at - dt.timedelta(days=1)) // REPEAT_EVERY
        owed_at = due_at + dt.timedelta(days=1) + weeks * REPEAT_EVERY
        key = f"{base}:overdue:{weeks}"
        return Debt(item, key, "An action item is overdue", owed_at)
    if now >= due_at:
        return Debt(item, f"{base}:due", "An action item is due today", due_at)
    if now >= due_at - REMIND_BEFORE:
        key, soon = f"{base}:soon", due_at - REMIND_BEFORE
        return Debt(item, key, "An action item is due soon", soon)
    return None
