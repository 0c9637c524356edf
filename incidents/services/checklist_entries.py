"""Entries of checklist items: the one place that moves an item from state to state."""

from __future__ import annotations

import datetime as dt

from evidence.accounts.access import Actor, name_of
from incidents.models import ChecklistEntry, ChecklistItem, Cycle, EntryAction
from incidents.workflow.conditions import ITEM_OF_CONDITION, ConditionKey
from incidents.workflow.incident_states import ItemState


def add_entry_to_item(
    item: ChecklistItem,
    action: EntryAction,
    *,
    actor: Actor,
    now: dt.datetime,
    note: str = "",
) -> ChecklistEntry:
    """Append an entry with the state that the item has now."""
    return ChecklistEntry.objects.create(
        item=item,
        action=action,
        state=item.state,
        note=note,
        assignee=item.assignee if action == EntryAction.ASSIGNED else None,
        recorded_at=now,
        actor=actor,
        actor_name=name_of(actor),
    )


def set_state(
    item: ChecklistItem,
    state: ItemState,
    *,
    action: EntryAction,
    actor: Actor,
    now: dt.datetime,
    note: str = "",
) -> ChecklistEntry:
    """Move an item to a state and append the entry that says so.

    Checks nothing: the caller holds the lock of the case and has checked the move.
    """
    answered = state is not ItemState.OPEN
    item.state = state
    item.answered_at = now if answered else None
    item.answered_by = actor if answered else None
    item.note = note if answered else ""
    item.save(update_fields=["state", "answered_at", "answered_by", "note"])
    return add_entry_to_item(item, action, actor=actor, now=now, note=note)


def answer_matching_item(
    cycle: Cycle,
    condition: ConditionKey,
    *,
    actor: Actor,
    now: dt.datetime,
    note: str = "",
) -> ChecklistItem | None:
    """Mark the item that asks for the same as a condition done, where it is open.

    Return it, or None. Called where a condition was met by other means than the
    checklist.
    """
    key = ITEM_OF_CONDITION.get(condition)
    item = cycle.checklist.asked().filter(key=key, state=ItemState.OPEN).first()
    if item is not None:
        set_state(
            item,
            ItemState.DONE,
            action=EntryAction.ANSWERED,
            actor=actor,
            now=now,
            note=note,
        )
    return item
