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
    notify_assignment,
)
from incidents.workflow.postmortem import ActionItemState, ActionItemType

TEXT_LENGTH = 500
LABELS = {
    "text": "Action item",
    "item_type": "Type",
    "owner": "Owner",
    "due_on": "Due",
    "ticket": "Ticket",
    "ticket_url": "Web address",
}


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
    incident = lock_incident(incident_id, actor)
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
    incident, row = _lock(action_item_id, actor=actor)
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
    incident, row = _lock(action_item_id, actor=actor)
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
    incident, row = _lock(action_item_id, actor=actor)
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


def _lock(action_item_id: int, *, actor: Actor) -> tuple[Incident, ActionItem]:
    found = ActionItem.objects.get(pk=action_item_id)
    # Which case is read first and never changes; then the case, then the row, anew.
    incident = lock_incident(found.incident_id, actor)
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
