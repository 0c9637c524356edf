"""Closing and reopening a case, and taking over from a duplicate."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest

from evidence.admin.base import client_address, person_of
from evidence.admin.form_fields import PageForm, TextField, needed
from evidence.admin.page_actions import PageAction
from evidence.models import Channel
from evidence.services.taking_over import Door
from incidents.admin.form_fields import (
    ReasonForm,
    choice_field,
    offer_workers,
    reason_field,
)
from incidents.models import Incident
from incidents.services.alerts.taking_over import find_leftovers, take_over
from incidents.services.changes import REVIEW, WORK
from incidents.services.lifecycle import closing
from incidents.services.lifecycle.aftermath import Aftermath, find_standing
from incidents.services.policy_records import read_switches
from incidents.workflow.outcomes import (
    FunctionalImpact,
    InformationImpact,
    Outcome,
    Recoverability,
    Resolution,
    read_outcome,
)

OUTCOME_FIELDS = (
    "resolution",
    "functional_impact",
    "information_impact",
    "recoverability",
    "lead",
)
CLOSING_FIELDS = {
    "aftermath_missing": "aftermath",
    "kill_unconfirmed": "reason",
    "lead_missing": "lead",
    "outcome_refused": "resolution",
    "reason_missing": "reason",
}


class OutcomeForm(PageForm):
    """What is asked when a case is closed: what it was, what it did, who led it."""

    resolution = choice_field("What it turned out to be", Resolution)
    functional_impact = choice_field("Functional impact", FunctionalImpact)
    information_impact = choice_field("Information impact", InformationImpact)
    recoverability = choice_field(
        "Recoverability", Recoverability, empty="Not known", required=False
    )
    lead: Any = forms.ModelChoiceField(
        None, required=False, label="Led by", empty_label="Choose one"
    )

    def prepare(self) -> None:
        offer_workers(self, "lead")
        self.fields["lead"].initial = self.obj.lead_id
        self.fields["lead"].required = self.obj.lead_id is None


class CloseForm(OutcomeForm):
    reason = needed(
        reason_field(required=False), "needed where a kill switch is not confirmed"
    )

    def prepare(self) -> None:
        """Name the orders that nobody confirmed: closing over them takes a reason."""
        super().prepare()
        orders = read_switches(self.obj).own_orders
        if orders:
            named = "; ".join(str(order) for order in orders)
            self.fields["reason"].help_text = f"Ordered, not confirmed: {named}"


class AftermathForm(ReasonForm):
    aftermath = forms.ChoiceField(
        choices=[
            ("", "Choose one"),
            *((aftermath.value, aftermath.label) for aftermath in Aftermath),
        ],
        required=False,
        label="What becomes of kill switches and quarantines",
    )

    def prepare(self) -> None:
        """Ask where the case leaves something in force, and say what."""
        super().prepare()
        standing = self.once("standing", lambda: find_standing(self.obj))
        if standing:
            self.fields[
                "aftermath"
            ].help_text = f"This case leaves in force: {standing}"
        else:
            self.fields["aftermath"].widget = forms.HiddenInput()


class FalseAlarmForm(AftermathForm, OutcomeForm):
    resolution = choice_field(
        "What it turned out to be", (Resolution.FALSE_POSITIVE, Resolution.BENIGN)
    )

    field_order = (*OUTCOME_FIELDS, "reason", "aftermath")


class DuplicateForm(AftermathForm):
    original = TextField(label="Duplicate of")

    field_order = ("original", "reason", "aftermath")


class TakeOverForm(ReasonForm):
    """Offers the duplicates of a case, or a duplicate itself, with what they hold."""

    duplicate = forms.TypedChoiceField(coerce=int, label="What is taken over")

    field_order = ("duplicate", "reason")

    def prepare(self) -> None:
        field: Any = self.fields["duplicate"]
        field.choices = [
            (leftover.duplicate.pk, str(leftover))
            for leftover in find_leftovers(self.obj)
        ]


def _close(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    closing.close_incident(
        actor=person_of(request),
        incident_id=incident.pk,
        outcome=outcome_of(data),
        lead=data["lead"],
        reason=data["reason"],
    )
    return f"{incident.reference} is closed."


def _duplicate(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    closing.close_as_duplicate(
        actor=person_of(request),
        incident_id=incident.pk,
        original=data["original"],
        reason=data["reason"],
        aftermath=aftermath_of(data),
    )
    return f"{incident.reference} is closed as a duplicate."


def _false_alarm(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    closing.close_as_false_alarm(
        actor=person_of(request),
        incident_id=incident.pk,
        outcome=outcome_of(data),
        lead=data["lead"],
        reason=data["reason"],
        aftermath=aftermath_of(data),
    )
    return f"{incident.reference} is closed as a false alarm."


def _reopen(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    cycle = closing.reopen_incident(
        actor=person_of(request), incident_id=incident.pk, reason=data["reason"]
    )
    return f"{incident.reference} is open again: {cycle}."


def _take_over(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    taken = take_over(
        actor=person_of(request),
        duplicate_id=data["duplicate"],
        reason=data["reason"],
        door=Door(Channel.ADMIN, client_address(request)),
    )
    return str(taken)


def aftermath_of(data: dict[str, Any]) -> Aftermath | None:
    """Return what was answered of kill switches and quarantines; None for nothing."""
    return Aftermath(data["aftermath"]) if data["aftermath"] else None


def outcome_of(data: dict[str, Any]) -> Outcome:
    """Return what was answered of the outcome."""
    return read_outcome(
        resolution=data["resolution"],
        functional_impact=data["functional_impact"],
        information_impact=data["information_impact"],
        recoverability=data["recoverability"],
    )


ACTIONS: dict[str, PageAction] = {
    "close": PageAction(
        "Close the case",
        "Close the case",
        CloseForm,
        _close,
        WORK,
        fields=CLOSING_FIELDS,
    ),
    "duplicate": PageAction(
        "Close as duplicate",
        "Close as duplicate",
        DuplicateForm,
        _duplicate,
        REVIEW,
        fields={**CLOSING_FIELDS, "reference": "original"},
        help=(
            "The original hears of it. What the case turned out to be is its to say."
        ),
        tone="danger",
    ),
    "false-alarm": PageAction(
        "Close as false alarm",
        "Close as false alarm",
        FalseAlarmForm,
        _false_alarm,
        REVIEW,
        fields=CLOSING_FIELDS,
        tone="danger",
    ),
    "take-over": PageAction(
        "Take over from a duplicate",
        "Take over",
        TakeOverForm,
        _take_over,
        REVIEW,
        help=(
            "Alerts move to the original. Evidence becomes the original's as "
            "well: the duplicate keeps what it rested on, and custody says "
            "where it came from."
        ),
    ),
    "reopen": PageAction(
        "Reopen",
        "Reopen with a new cycle",
        ReasonForm,
        _reopen,
        REVIEW,
        help=("A new cycle of phases starts. The one before stays as it was."),
    ),
}
