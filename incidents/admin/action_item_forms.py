"""Forms and buttons of an action item: what they read, and which service they call."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from evidence.admin.base import person_of
from evidence.admin.form_fields import LongTextField, PageForm, TextField
from evidence.admin.page_actions import PageAction
from evidence.text import REASON_LENGTH
from incidents.admin.form_fields import WebAddressField, WorkerField, words
from incidents.errors import EditConflict, IncidentError
from incidents.models import ActionItem
from incidents.services.changes import WORK
from incidents.services.lifecycle.links import TICKET_LENGTH
from incidents.services.postmortems.action_items import (
    TEXT_LENGTH,
    ActionItemFields,
    close_action_item,
    reopen_action_item,
    require_due_day,
)
from incidents.workflow.postmortem import ActionItemState, ActionItemType

EDITABLE = ("text", "item_type", "owner", "due_on", "ticket", "ticket_url")


class ActionItemForm(forms.Form):
    """What an action item says, with the revision that was read."""

    revision = forms.IntegerField(
        widget=forms.HiddenInput, required=False, min_value=1, max_value=2**31 - 1
    )
    text = TextField(label="What is to be done", max_length=TEXT_LENGTH)
    item_type = forms.ChoiceField(label="Type", choices=words(ActionItemType))
    owner = WorkerField()
    due_on = forms.DateField(
        label="Due", widget=forms.DateInput(attrs={"type": "date"})
    )
    ticket = TextField(required=False, max_length=TICKET_LENGTH)
    ticket_url = WebAddressField(label="Web address of the ticket")

    def __init__(
        self, data: Any = None, *, row: ActionItem | None = None, **options: Any
    ) -> None:
        if row is not None:
            options["initial"] = _initial(row)
        super().__init__(data, **options)
        for name in EDITABLE:
            # What was on screen travels along, to tell what the person changed of it.
            self.fields[name].show_hidden_initial = row is not None
        self.fields["owner"].offer(row.owner if row else None)  # type: ignore[attr-defined]

    def clean_due_on(self) -> dt.date:
        """Name a day that has passed with all the other faults."""
        due_on: dt.date = self.cleaned_data["due_on"]
        if "due_on" in self.changed_data:
            try:
                require_due_day(due_on, now=timezone.now())
            except IncidentError as error:
                raise forms.ValidationError(error.message) from error
        return due_on

    def as_fields(self) -> ActionItemFields:
        data = self.cleaned_data
        return ActionItemFields(
            text=data["text"],
            item_type=ActionItemType(data["item_type"]),
            owner=data["owner"],
            due_on=data["due_on"],
            ticket=data["ticket"],
            ticket_url=data["ticket_url"],
        )


class CloseForm(PageForm):
    state = forms.ChoiceField(
        label="What became of it",
        choices=[("done", "Done"), ("dropped", "Dropped, not to be done")],
    )
    outcome = LongTextField(label="What came of it", max_length=REASON_LENGTH)


class ReasonForm(PageForm):
    reason = LongTextField(label="Why", max_length=REASON_LENGTH)


def _initial(row: ActionItem) -> dict[str, Any]:
    names = ("revision", *(name for name in EDITABLE if name != "owner"))
    return {"owner": row.owner_id, **{name: getattr(row, name) for name in names}}


def form_after_conflict(
    form: ActionItemForm, row: ActionItem, conflict: EditConflict
) -> ActionItemForm:
    """Return the form as it was typed, with the revision that is now on screen.

    A field that this person left as it was takes the value that somebody else gave it:
    saving again overwrites only what they changed themselves.
    """
    row = ActionItem.objects.select_related("owner").get(pk=row.pk)
    now = ActionItemForm(row=row)
    data = {"revision": str(conflict.revision)}
    for name in EDITABLE:
        current = str(now[name].value() or "")
        data[now[name].html_initial_name] = current
        is_touched = name in form.changed_data
        data[name] = form.data.get(name, "") if is_touched else current
    again = ActionItemForm(data, row=row)
    again.is_valid()
    return again


def _close(request: HttpRequest, row: ActionItem, data: dict[str, Any]) -> str:
    close_action_item(
        actor=person_of(request),
        action_item_id=row.pk,
        state=ActionItemState(data["state"]),
        outcome=data["outcome"],
    )
    return "Saved."


def _reopen(request: HttpRequest, row: ActionItem, data: dict[str, Any]) -> str:
    reopen_action_item(
        actor=person_of(request), action_item_id=row.pk, reason=data["reason"]
    )
    return "Saved."


ACTIONS: dict[str, PageAction] = {
    "close": PageAction(
        "Close the action item",
        "Close it",
        CloseForm,
        _close,
        WORK,
        applies=lambda row: row.is_open,
        fields={"reason": "outcome"},
    ),
    "reopen": PageAction(
        "Reopen the action item",
        "Reopen it",
        ReasonForm,
        _reopen,
        WORK,
        applies=lambda row: not row.is_open,
    ),
}
