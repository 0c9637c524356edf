"""Completing phases, and what is stated or waived of their gates."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.http import HttpRequest

from evidence.admin.base import person_of
from evidence.admin.form_fields import NaiveDateTimeField, PageForm, ZonedMixin, needed
from evidence.admin.page_actions import PageAction
from evidence.errors import Conflict
from evidence.storable_values import BIGINT_MAX
from incidents.admin.form_fields import ReasonForm, hidden_number, reason_field, words
from incidents.models import Incident
from incidents.services.changes import REVIEW, WORK
from incidents.services.gates import conditions, phases, waivers
from incidents.services.gates.conditions import STATED, TITLES
from incidents.services.gates.phases import DUE_TIME
from incidents.services.notifications import reminders
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.phases import Phase

STATEMENTS: dict[str, str] = {
    ConditionKey.EXTENSION_KILLED: "By which means, who and when",
    ConditionKey.ISOLATION_VERIFIED: "Who verified it, and how",
    ConditionKey.ROOT_CAUSE_WRITTEN: "Which control failed, and why",
}


class PhaseForm(ZonedMixin, PageForm):
    """Completing a phase; with ANALYZE, when REMEDIATE is due."""

    phase = forms.ChoiceField(choices=words(Phase), widget=forms.HiddenInput)
    due_at = NaiveDateTimeField(required=False, label="REMEDIATE due", span=DUE_TIME)
    reason = needed(reason_field("Why then", required=False), "needed with a due time")

    field_order = ("phase", "due_at", "zone", "occurrence", "reason")

    def prepare(self) -> None:
        """Ask for the due time of REMEDIATE with the phase before it, and only then."""
        phase = self.data.get("phase") if self.is_bound else self.initial.get("phase")
        if phase != Phase.ANALYZE:
            for name in ("due_at", "zone", "reason"):
                self.fields[name].widget = forms.HiddenInput()

    def clean(self) -> dict[str, Any]:
        """Take a due time and its reason together, or neither."""
        cleaned = super().clean()
        if "due_at" in self.data and self.data["due_at"] and not cleaned.get("reason"):
            self.add_error("reason", "Say why it is due then.")
        if cleaned.get("reason") and "due_at" in cleaned and not cleaned["due_at"]:
            self.add_error("due_at", "Say when it is due, or leave out the reason.")
        return cleaned


class AcknowledgeForm(PageForm):
    phase = forms.ChoiceField(choices=words(Phase), widget=forms.HiddenInput)


class DueForm(ZonedMixin, PageForm):
    due_at = NaiveDateTimeField(label="Due", span=DUE_TIME)
    reason = reason_field("Why then")

    field_order = ("due_at", "zone", "occurrence", "reason")


class StateForm(PageForm):
    condition = forms.ChoiceField(
        choices=words(sorted(STATED)), widget=forms.HiddenInput
    )
    statement = reason_field("Your statement")
    report = hidden_number("Report", required=False)

    def prepare(self) -> None:
        """Ask for what has to be stated about this condition, or this report."""
        question = STATEMENTS.get(self.told("condition"), "Your statement")
        is_of_report = self.told("report")
        self.fields["statement"].label = (
            "Why verification failed" if is_of_report else question
        )


class WaiveForm(ReasonForm):
    reason = reason_field("Why this can be let go")
    condition = forms.ChoiceField(choices=words(ConditionKey), widget=forms.HiddenInput)


class RevokeForm(ReasonForm):
    reason = reason_field("Why it no longer holds")
    waiver = hidden_number("Waiver", min_value=1, max_value=BIGINT_MAX)


def _complete_phase(
    request: HttpRequest, incident: Incident, data: dict[str, Any]
) -> str:
    phase = Phase(data["phase"])
    gate = phases.complete_phase(
        actor=person_of(request),
        incident_id=incident.pk,
        phase=phase,
        remediate_due_at=data["due_at"] if phase is Phase.ANALYZE else None,
        due_reason=data["reason"],
    )
    if not gate.passed:
        raise PhaseRefused(len(gate.failed))
    return f"{phase.label} is complete."


class PhaseRefused(Conflict):
    """A gate did not pass; the page shows which conditions failed."""

    code = "phase_refused"

    def __init__(self, count: int) -> None:
        noun = "condition stands" if count == 1 else "conditions stand"
        super().__init__(
            f"The gate did not pass: {count} {noun} in the way. "
            "They are marked in the list of conditions."
        )


def _set_due(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    phases.set_remediate_due(
        actor=person_of(request),
        incident_id=incident.pk,
        due_at=data["due_at"],
        reason=data["reason"],
    )
    return "The due time of REMEDIATE is set."


def _acknowledge(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    held = reminders.acknowledge_reminders(
        actor=person_of(request),
        incident_id=incident.pk,
        phase=Phase(data["phase"]),
    )
    return (
        "Acknowledged: reminders wait until "
        f"{held.holds_until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC."
    )


def _state(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    conditions.state_condition(
        actor=person_of(request),
        incident_id=incident.pk,
        condition=ConditionKey(data["condition"]),
        statement=data["statement"],
        report_id=data["report"],
    )
    return "Your statement is recorded."


def _waive(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    waivers.waive_condition(
        actor=person_of(request),
        incident_id=incident.pk,
        condition=ConditionKey(data["condition"]),
        reason=data["reason"],
    )
    return "The condition is waived. The waiver stays visible with the phase."


def _revoke_waiver(
    request: HttpRequest, incident: Incident, data: dict[str, Any]
) -> str:
    waivers.revoke_waiver(
        actor=person_of(request),
        incident_id=incident.pk,
        waiver_id=data["waiver"],
        reason=data["reason"],
    )
    return "The waiver is revoked. Both stay visible with the phase."


def _condition_text(incident: Incident, form: forms.Form) -> str:
    return TITLES.get(form.data.get("condition", ""), "")


def _phase_text(incident: Incident, form: forms.Form) -> str:
    return str(form.data.get("phase", "")).upper()


ACTIONS: dict[str, PageAction] = {
    "complete-phase": PageAction(
        "Complete a phase",
        "Complete the phase",
        PhaseForm,
        _complete_phase,
        WORK,
        about=_phase_text,
        fields={"moment_refused": "due_at"},
        icon="task_alt",
    ),
    "set-due": PageAction(
        "Set the due time of REMEDIATE",
        "Set the due time",
        DueForm,
        _set_due,
        WORK,
    ),
    "acknowledge": PageAction(
        "Hold the reminders back",
        "Acknowledge",
        AcknowledgeForm,
        _acknowledge,
        WORK,
    ),
    "state": PageAction(
        "Record a statement",
        "Record my statement",
        StateForm,
        _state,
        WORK,
        about=_condition_text,
        fields={"reason": "statement"},
    ),
    "waive": PageAction(
        "Waive a condition",
        "Waive the condition",
        WaiveForm,
        _waive,
        REVIEW,
        about=_condition_text,
        help=("The waiver shows wherever the phase shows."),
    ),
    "revoke-waiver": PageAction(
        "Revoke a waiver",
        "Revoke the waiver",
        RevokeForm,
        _revoke_waiver,
        REVIEW,
        help=("Both stay in sight."),
    ),
}
