"""Action items: what is left to do once a case is over, by whom and until when."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.text import one_line
from incidents.errors import (
    EditConflict,
    FieldChange,
    IncidentError,
    TransitionError,
)
from incidents.models import (
    ActionItem,
    Incident,
    Notification,
    NotificationKind,
    TimelineKind,
)
from incidents.services.changes import (
    WORK,
    lock_incident,
    record_change,
    require_reason,
    require_worker,
)
from incidents.services.lifecycle.links import TICKET_LENGTH, require_web_address
from incidents.services.notifications.outbox import (
    Message,
    make_rows,
    notify_assignment,
    write_down,
)
from incidents.services.notifications.recipients import Audience
from incidents.workflow.postmortem import ActionItemState, ActionItemType

TEXT_LENGTH = 500
REMIND_BEFORE = dt.timedelta(days=3)
REPEAT_EVERY = dt.timedelta(days=7)
ITEMS_AT_ONCE = 1_000
REMIND_AT = dt.time(8, 0, tzinfo=dt.UTC)
LABELS = {
    "text": "Action item",
    "item_type": "Type",
    "owner": "Owner",
    "due_on": "Due",
    "ticket": "Ticket",
    "ticket_url": "Web address",
}


@dataclass(frozen=True)
class Debt:
    """A reminder that an action item owes: which item, the reminder's key and text."""

    item: int
    key: str
    headline: str
    owed_at: dt.datetime


@dataclass(frozen=True)
class ActionItemFields:
    """What an action item says."""

    text: str
    item_type: ActionItemType
    owner: User
    due_on: dt.date
    ticket: str = ""
    ticket_url: str = ""


@transaction.atomic
def add_action_item(
    *,
    actor: Actor,
    incident_id: int,
    item: ActionItemFields,
    now: dt.datetime | None = None,
) -> ActionItem:
    """Add an action item to a case, open or closed, and tell its owner."""
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_incident(incident_id)
    values = _clean(item)
    require_due_day(values.due_on, now=moment)
    row = ActionItem.objects.create(
        incident=incident,
        cycle=incident.current_cycle,
        created_at=moment,
        created_by=actor,
        **_values_of(values),
    )
    _record(
        incident,
        row,
        "action_item.added",
        actor=actor,
        now=moment,
        after=_as_json(values),
    )
    _tell_owner(incident, row, actor=actor, now=moment)
    return row


@transaction.atomic
def edit_action_item(
    *,
    actor: Actor,
    action_item_id: int,
    revision: int,
    item: ActionItemFields,
    now: dt.datetime | None = None,
) -> ActionItem:
    """Change an open action item. Raise EditConflict where somebody did since."""
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, row = _lock(action_item_id)
    _require_open(row)
    wanted, current = _clean(item), _fields_of(row)
    if revision != row.revision:
        raise _conflict(row, current, wanted)
    if wanted == current:
        return row
    if wanted.due_on != current.due_on:
        require_due_day(wanted.due_on, now=moment)
    for name, value in _values_of(wanted).items():
        setattr(row, name, value)
    row.revision += 1
    row.save()
    _record(
        incident,
        row,
        "action_item.changed",
        actor=actor,
        now=moment,
        before=_as_json(current),
        after=_as_json(wanted),
    )
    if wanted.owner != current.owner:
        _tell_owner(incident, row, actor=actor, now=moment)
    return row


@transaction.atomic
def close_action_item(
    *,
    actor: Actor,
    action_item_id: int,
    state: ActionItemState,
    outcome: str,
    now: dt.datetime | None = None,
) -> ActionItem:
    """Mark an action item done or dropped, with what came of it."""
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, row = _lock(action_item_id)
    _require_open(row)
    if state is ActionItemState.OPEN:
        raise TransitionError("An action item is closed as done or as dropped.")
    row.outcome = require_reason(outcome)
    row.state, row.closed_at, row.closed_by = state, moment, actor
    row.revision += 1
    row.save()
    _record(
        incident,
        row,
        "action_item.done" if state is ActionItemState.DONE else "action_item.dropped",
        actor=actor,
        now=moment,
        before={"state": ActionItemState.OPEN},
        after={"state": state},
        reason=row.outcome,
    )
    return row


@transaction.atomic
def reopen_action_item(
    *, actor: Actor, action_item_id: int, reason: str, now: dt.datetime | None = None
) -> ActionItem:
    """Open an action item again; what was said of it stays in the history."""
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, row = _lock(action_item_id)
    text = require_reason(reason)
    if row.is_open:
        raise TransitionError("This action item is open already.")
    before = {"state": row.state, "outcome": row.outcome}
    row.state, row.outcome = ActionItemState.OPEN, ""
    row.closed_at = row.closed_by = None
    row.revision += 1
    row.save()
    _record(
        incident,
        row,
        "action_item.opened_again",
        actor=actor,
        now=moment,
        before=before,
        after={"state": row.state},
        reason=text,
    )
    return row


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


def _lock(action_item_id: int) -> tuple[Incident, ActionItem]:
    found = ActionItem.objects.get(pk=action_item_id)
    # Which case is read first and never changes; then the case, then the row, anew.
    incident = lock_incident(found.incident_id)
    row = (
        ActionItem.objects.select_for_update(of=("self",))
        .select_related("owner")
        .get(pk=action_item_id)
    )
    return incident, row


def _require_open(row: ActionItem) -> None:
    if not row.is_open:
        raise TransitionError(
            f"This action item is {row.get_state_display().lower()}: open it again "
            "to change it."
        )


def require_due_day(due_on: dt.date, *, now: dt.datetime) -> None:
    """Raise IncidentError where a day that is newly set has passed."""
    if due_on < now.date():
        raise IncidentError(
            f"The due date {due_on.isoformat()} has passed. Choose today or a later "
            "day.",
            field="due_on",
        )


def _clean(item: ActionItemFields) -> ActionItemFields:
    text = one_line(item.text)
    ticket = one_line(item.ticket)
    url = item.ticket_url.strip()
    if not 1 <= len(text) <= TEXT_LENGTH:
        raise IncidentError(
            f"Write an action item of 1 to {TEXT_LENGTH} characters. This one has "
            f"{len(text)}.",
            field="text",
        )
    if len(ticket) > TICKET_LENGTH:
        raise IncidentError(
            f"The ticket is too long: {TICKET_LENGTH} characters are the most.",
            field="ticket",
        )
    require_web_address(url, field="ticket_url")
    require_worker(item.owner)
    return ActionItemFields(
        text=text,
        item_type=ActionItemType(item.item_type),
        owner=item.owner,
        due_on=item.due_on,
        ticket=ticket,
        ticket_url=url,
    )


def _fields_of(row: ActionItem) -> ActionItemFields:
    return ActionItemFields(
        text=row.text,
        item_type=ActionItemType(row.item_type),
        owner=row.owner,
        due_on=row.due_on,
        ticket=row.ticket,
        ticket_url=row.ticket_url,
    )


def _values_of(item: ActionItemFields) -> dict[str, object]:
    return {field.name: getattr(item, field.name) for field in fields(item)}


def _as_json(item: ActionItemFields) -> dict[str, str]:
    return {name: _shown(value) for name, value in _values_of(item).items()}


def _shown(value: object) -> str:
    return name_of(value) if isinstance(value, User) else str(value)


def _conflict(
    row: ActionItem, current: ActionItemFields, wanted: ActionItemFields
) -> EditConflict:
    now, mine = _as_json(current), _as_json(wanted)
    return EditConflict(
        "Somebody saved this action item since you opened it; nothing was overwritten.",
        revision=row.revision,
        changes=tuple(
            FieldChange(name, LABELS[name], "", now[name], mine[name])
            for name in LABELS
            if now[name] != mine[name]
        ),
        changed_by="somebody",
    )


def _record(
    incident: Incident,
    row: ActionItem,
    action: str,
    *,
    actor: Actor,
    now: dt.datetime,
    before: dict[str, str] | None = None,
    after: dict[str, str] | None = None,
    reason: str = "",
) -> None:
    said = action.removeprefix("action_item.").replace("_", " ")
    record_change(
        incident,
        action=action,
        actor=actor,
        now=now,
        kind=TimelineKind.DECISION,
        body=f"**Action item {said}**: {row.text}",
        before=before,
        after={"action_item": row.pk, **(after or {})},
        reason=reason,
    )


def _tell_owner(
    incident: Incident, row: ActionItem, *, actor: Actor, now: dt.datetime
) -> None:
    notify_assignment(
        actor=actor,
        assignee=row.owner,
        incident=incident,
        what="An action item is yours",
        key=f"action-item:{row.pk}:{row.revision}:owner:{row.owner_id}",
        now=now,
    )
