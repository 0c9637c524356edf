"""What the buttons of an incident page do: each reads a form and calls one service."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from evidence.access import require_permission
from evidence.errors import CasefileError, PermissionRefused
from incidents.admin import forms as case_forms
from incidents.models import ArtifactKind, ChecklistItem, Incident
from incidents.services import timeline
from incidents.services.changes import REVIEW, WORK
from incidents.services.checklists import answers, remediation
from incidents.services.gates import conditions, phases, waivers
from incidents.services.lifecycle import (
    closing,
    editing,
    links,
    reclassifying,
)
from incidents.services.lifecycle.aftermath import Aftermath
from incidents.services.notifications import reminders
from incidents.services.policy_records import shown_orders
from incidents.workflow.gates import ConditionKey
from incidents.workflow.incident_states import ItemState, RemediationAction
from incidents.workflow.phases import Phase
from policy.services import kill_switches

Handler = Callable[[User, Incident, Any], str]
"""Calls a service; returns what to say, or "" where the page itself shows it."""


@dataclass(frozen=True)
class CaseAction:
    """A form and what runs on it; `permission` is looked at before the form is."""

    form: type[forms.Form]
    run: Handler
    permission: str = WORK


def _complete_phase(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    phase = Phase(data["phase"])
    gate = phases.complete_phase(
        actor=actor,
        incident_id=incident.pk,
        phase=phase,
        remediate_due_at=form.zoned("due_at") if phase is Phase.ANALYZE else None,
        due_reason=data["reason"],
    )
    if not gate.passed:
        raise PhaseRefused(phase, len(gate.failed))
    return f"{phase.label} is complete."


class PhaseRefused(CasefileError):
    """A gate did not pass; the page shows which conditions failed."""

    code = "phase_refused"

    def __init__(self, phase: Phase, count: int) -> None:
        self.phase = phase
        noun = "condition stands" if count == 1 else "conditions stand"
        super().__init__(
            f"{phase.label} was not completed: {count} {noun} in the way. "
            "They are marked below."
        )


def _set_due(actor: User, incident: Incident, form: Any) -> str:
    phases.set_remediate_due(
        actor=actor,
        incident_id=incident.pk,
        due_at=form.zoned("due_at"),
        reason=form.cleaned_data["reason"],
    )
    return "The due time of REMEDIATE is set."


def _acknowledge(actor: User, incident: Incident, form: Any) -> str:
    held = reminders.acknowledge_reminders(
        actor=actor,
        incident_id=incident.pk,
        phase=Phase(form.cleaned_data["phase"]),
    )
    return (
        "Acknowledged: reminders wait until "
        f"{held.holds_until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC."
    )


def _state(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    conditions.state_condition(
        actor=actor,
        incident_id=incident.pk,
        condition=ConditionKey(data["condition"]),
        statement=data["statement"],
        report_id=data["report"],
    )
    return "Your statement is recorded."


def _waive(actor: User, incident: Incident, form: Any) -> str:
    waivers.waive_condition(
        actor=actor,
        incident_id=incident.pk,
        condition=ConditionKey(form.cleaned_data["condition"]),
        reason=form.cleaned_data["reason"],
    )
    return "The condition is waived. The waiver stays visible with the phase."


def _revoke_waiver(actor: User, incident: Incident, form: Any) -> str:
    waivers.revoke_waiver(
        actor=actor,
        incident_id=incident.pk,
        waiver_id=form.cleaned_data["waiver"],
        reason=form.cleaned_data["reason"],
    )
    return "The waiver is revoked. Both stay visible with the phase."


def _answer(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    item = answers.answer_item(
        actor=actor,
        item_id=_own_item(incident, data["item"]),
        state=ItemState(data["state"]),
        note=data["note"],
    )
    return f"Marked {item.get_state_display().lower()}."


def _undo(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    item_id = _own_item(incident, data["item"])
    answers.undo_item(actor=actor, item_id=item_id, note=data["note"])
    return "The answer is taken back. Both entries stay in the history."


def _assign(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    answers.assign_item(
        actor=actor,
        item_id=_own_item(incident, data["item"]),
        assignee=data["assignee"],
    )
    who = data["assignee"].get_username() if data["assignee"] else "nobody"
    return f"Assigned to {who}."


def _link(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    item_id = _own_item(incident, data["item"])
    kind, _, key = data["artifact"].partition(":")
    if kind == ArtifactKind.EVIDENCE and key.isdecimal():
        link = answers.link_evidence(
            actor=actor, item_id=item_id, evidence_item_id=int(key)
        )
    elif kind in ArtifactKind.values:
        link = answers.link_record(
            actor=actor, item_id=item_id, kind=ArtifactKind(kind), record_id=key
        )
    else:
        raise Http404
    return f"{link.label} is linked."


def _decide(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    remediation.decide_remediation(
        actor=actor,
        item_id=_own_item(incident, data["item"]),
        choice_key=data["choice"],
        chosen=data["chosen"] == "yes",
        reason=data["reason"],
    )
    return "The decision is recorded."


def _act(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    remediation.record_action(
        actor=actor,
        incident_id=incident.pk,
        kind=RemediationAction(data["kind"]),
        description=data["description"],
        choice_key=data["choice"],
        proof=remediation.Proof(
            text=data["proof"],
            ticket=data["ticket"],
            ticket_url=data["ticket_url"],
            evidence_item_id=data["evidence"],
        ),
    )
    return "The action is recorded with its proof."


def _write(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    timeline.write_entry(
        actor=actor,
        incident_id=incident.pk,
        body=data["body"],
        kind=data["kind"],
        event_at=form.zoned("event_at"),
        corrects_id=data["corrects"],
    )
    return "Written to the timeline."


def _lead(actor: User, incident: Incident, form: Any) -> str:
    lead = form.cleaned_data["lead"]
    editing.assign_lead(actor=actor, incident_id=incident.pk, lead=lead)
    return f"{lead.get_username()} leads." if lead else "Nobody leads."


def _ticket(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    links.link_ticket(
        actor=actor, incident_id=incident.pk, ticket=data["ticket"], url=data["url"]
    )
    return f"{data['ticket']} is linked."


def _related(actor: User, incident: Incident, form: Any) -> str:
    other = links.link_related(
        actor=actor,
        incident_id=incident.pk,
        reference=form.cleaned_data["reference"],
    )
    return f"{other.reference} is linked."


def _reclassify(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    plan = reclassifying.reclassify_incident(
        actor=actor,
        incident_id=incident.pk,
        playbook_version=data["version"],
        reason=data["reason"],
    )
    return (
        f"Reclassified to {data['version']}: {len(plan.add)} items are new, "
        f"{len(plan.close)} are no longer asked, answers are kept."
    )


def _kill(actor: User, incident: Incident, form: Any) -> str:
    extension_pk = form.cleaned_data["extension"]
    if not incident.extensions.filter(pk=extension_pk).exists():
        raise Http404
    switch = kill_switches.activate_kill_switch(
        actor=actor,
        incident_id=incident.pk,
        extension_pk=extension_pk,
        reason=form.cleaned_data["reason"],
    )
    return (
        f"The {switch} is ordered, and the extension is quarantined. Nothing has "
        "stopped yet: run the commands shown above, then confirm."
    )


def _kill_all(actor: User, incident: Incident, form: Any) -> str:
    kill_switches.activate_kill_all(
        actor=actor,
        incident_id=incident.pk,
        typed_reference=form.cleaned_data["reference"],
        reason=form.cleaned_data["reason"],
    )
    return (
        "The order to stop every extension is given. Nothing has stopped yet: run the "
        "commands shown above, then confirm."
    )


def _confirm_kill(actor: User, incident: Incident, form: Any) -> str:
    switch_id = form.cleaned_data["switch"]
    if switch_id not in {one.pk for one in shown_orders(incident)}:
        raise Http404
    confirmation, created = kill_switches.confirm_kill_switch(
        actor=actor,
        kill_switch_id=switch_id,
        means=form.cleaned_data["reason"],
        effective_at=form.zoned("effective_at"),
    )
    if not created:
        return f"The {confirmation.kill_switch} was confirmed before; that stays."
    return f"It is recorded that the {confirmation.kill_switch} took effect."


def _close(actor: User, incident: Incident, form: Any) -> str:
    closing.close_incident(
        actor=actor, incident_id=incident.pk, reason=form.cleaned_data["reason"]
    )
    return f"{incident.reference} is closed."


def _duplicate(actor: User, incident: Incident, form: Any) -> str:
    data = form.cleaned_data
    closing.close_as_duplicate(
        actor=actor,
        incident_id=incident.pk,
        original=data["original"],
        reason=data["reason"],
        aftermath=aftermath_of(data),
    )
    return f"{incident.reference} is closed as a duplicate."


def _false_alarm(actor: User, incident: Incident, form: Any) -> str:
    closing.close_as_false_alarm(
        actor=actor,
        incident_id=incident.pk,
        reason=form.cleaned_data["reason"],
        aftermath=aftermath_of(form.cleaned_data),
    )
    return f"{incident.reference} is closed as a false alarm."


def _reopen(actor: User, incident: Incident, form: Any) -> str:
    cycle = closing.reopen_incident(
        actor=actor, incident_id=incident.pk, reason=form.cleaned_data["reason"]
    )
    return f"{incident.reference} is open again: {cycle}."


def aftermath_of(data: dict[str, Any]) -> Aftermath | None:
    """Return what was answered of kill switches and quarantines; None for nothing."""
    return Aftermath(data["aftermath"]) if data["aftermath"] else None


ACTIONS: dict[str, CaseAction] = {
    "complete-phase": CaseAction(case_forms.PhaseForm, _complete_phase),
    "set-due": CaseAction(case_forms.DueForm, _set_due),
    "acknowledge": CaseAction(case_forms.PhaseForm, _acknowledge),
    "state": CaseAction(case_forms.StateForm, _state),
    "waive": CaseAction(case_forms.WaiveForm, _waive, REVIEW),
    "revoke-waiver": CaseAction(case_forms.RevokeForm, _revoke_waiver, REVIEW),
    "answer": CaseAction(case_forms.AnswerForm, _answer),
    "undo": CaseAction(case_forms.ItemForm, _undo),
    "assign": CaseAction(case_forms.AssignForm, _assign),
    "link": CaseAction(case_forms.LinkForm, _link),
    "decide": CaseAction(case_forms.DecideForm, _decide),
    "act": CaseAction(case_forms.ActionForm, _act),
    "write": CaseAction(case_forms.EntryForm, _write),
    "lead": CaseAction(case_forms.LeadForm, _lead),
    "ticket": CaseAction(case_forms.TicketForm, _ticket),
    "related": CaseAction(case_forms.RelatedForm, _related),
    "reclassify": CaseAction(case_forms.ReclassifyForm, _reclassify),
    "kill": CaseAction(case_forms.KillForm, _kill),
    "kill-all": CaseAction(case_forms.KillAllForm, _kill_all),
    "confirm-kill": CaseAction(case_forms.ConfirmKillForm, _confirm_kill),
    "close": CaseAction(case_forms.CloseForm, _close),
    "duplicate": CaseAction(case_forms.DuplicateForm, _duplicate, REVIEW),
    "false-alarm": CaseAction(case_forms.FalseAlarmForm, _false_alarm, REVIEW),
    "reopen": CaseAction(case_forms.ReasonForm, _reopen, REVIEW),
}


def run_action(request: HttpRequest, incident: Incident, name: str) -> HttpResponse:
    """Run one action and go back to the page, which shows what became of it."""
    action = ACTIONS.get(name)
    if action is None:
        raise Http404
    actor: Any = request.user
    try:
        require_permission(actor, action.permission)
    except PermissionRefused as error:
        raise PermissionDenied(error.message) from error
    form = action.form(request.POST)
    query = ""
    if not form.is_valid():
        messages.error(request, _first_error(form))
    else:
        query = _run(request, incident, action, form)
    return HttpResponseRedirect(_way_back(request, incident, query))


def _run(
    request: HttpRequest, incident: Incident, action: CaseAction, form: forms.Form
) -> str:
    actor: Any = request.user
    try:
        said = action.run(actor, incident, form)
    except PermissionRefused as error:
        raise PermissionDenied(error.message) from error
    except PhaseRefused as error:
        messages.error(request, error.message)
        return f"?refused={error.phase}#gate"
    except CasefileError as error:
        messages.error(request, _sentence(error.message))
    else:
        messages.success(request, said)
    return ""


def _way_back(request: HttpRequest, incident: Incident, query: str) -> str:
    page = reverse("admin:incidents_incident_change", args=[incident.pk])
    target = request.POST.get("next", "")
    if query or not url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return page + query
    return target


def _own_item(incident: Incident, item_id: int) -> int:
    """Return the ID if the item is one of this case: no other is touched from here."""
    if not ChecklistItem.objects.filter(pk=item_id, cycle__incident=incident).exists():
        raise Http404
    return item_id


def _first_error(form: forms.Form) -> str:
    name, errors = next(iter(form.errors.items()))
    label = "" if name == "__all__" else f"{name.replace('_', ' ').capitalize()}: "
    return f"{label}{errors[0]}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
