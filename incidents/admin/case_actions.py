"""What the buttons of an incident page do: each reads a form and calls one service."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest

from evidence.admin.base import client_address, person_of, read_key
from evidence.admin.page_actions import PageAction
from evidence.errors import Conflict
from evidence.models import Channel
from evidence.services.taking_over import Door
from incidents.admin import forms as case_forms
from incidents.models import ArtifactKind, ChecklistItem, Incident
from incidents.services import timeline
from incidents.services.alerts.taking_over import take_over
from incidents.services.changes import REVIEW, WORK
from incidents.services.checklists import answers, finding_reviews, remediation
from incidents.services.gates import conditions, phases, waivers
from incidents.services.gates.conditions import TITLES
from incidents.services.lifecycle import (
    closing,
    editing,
    links,
    reclassifying,
    shown_classes,
)
from incidents.services.lifecycle.aftermath import Aftermath
from incidents.services.notifications import reminders
from incidents.services.policy_records import read_switches
from incidents.workflow.gates import ConditionKey
from incidents.workflow.incident_states import ItemState, RemediationKind
from incidents.workflow.outcomes import Outcome, read_outcome
from incidents.workflow.phases import Phase
from policy.admin.forms import ConfirmKillForm
from policy.services import kill_switches

Data = dict[str, Any]
CLOSING_FIELDS = {
    "aftermath_missing": "aftermath",
    "kill_unconfirmed": "reason",
    "lead_missing": "lead",
    "outcome_refused": "resolution",
    "reason_missing": "reason",
}


def _complete_phase(request: HttpRequest, incident: Incident, data: Data) -> str:
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


def _set_due(request: HttpRequest, incident: Incident, data: Data) -> str:
    phases.set_remediate_due(
        actor=person_of(request),
        incident_id=incident.pk,
        due_at=data["due_at"],
        reason=data["reason"],
    )
    return "The due time of REMEDIATE is set."


def _acknowledge(request: HttpRequest, incident: Incident, data: Data) -> str:
    held = reminders.acknowledge_reminders(
        actor=person_of(request),
        incident_id=incident.pk,
        phase=Phase(data["phase"]),
    )
    return (
        "Acknowledged: reminders wait until "
        f"{held.holds_until.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC."
    )


def _state(request: HttpRequest, incident: Incident, data: Data) -> str:
    conditions.state_condition(
        actor=person_of(request),
        incident_id=incident.pk,
        condition=ConditionKey(data["condition"]),
        statement=data["statement"],
        report_id=data["report"],
    )
    return "Your statement is recorded."


def _waive(request: HttpRequest, incident: Incident, data: Data) -> str:
    waivers.waive_condition(
        actor=person_of(request),
        incident_id=incident.pk,
        condition=ConditionKey(data["condition"]),
        reason=data["reason"],
    )
    return "The condition is waived. The waiver stays visible with the phase."


def _revoke_waiver(request: HttpRequest, incident: Incident, data: Data) -> str:
    waivers.revoke_waiver(
        actor=person_of(request),
        incident_id=incident.pk,
        waiver_id=data["waiver"],
        reason=data["reason"],
    )
    return "The waiver is revoked. Both stay visible with the phase."


def _answer(request: HttpRequest, incident: Incident, data: Data) -> str:
    item = answers.answer_item(
        actor=person_of(request),
        item_id=_own_item(incident, data["item"]),
        state=ItemState(data["state"]),
        note=data["note"],
    )
    return f"Marked {item.get_state_display().lower()}."


def _undo(request: HttpRequest, incident: Incident, data: Data) -> str:
    item_id = _own_item(incident, data["item"])
    answers.undo_item(actor=person_of(request), item_id=item_id, note=data["note"])
    return "The answer is taken back. Both entries stay in the history."


def _confirm(request: HttpRequest, incident: Incident, data: Data) -> str:
    finding_reviews.confirm_findings(
        actor=person_of(request), item_id=_own_item(incident, data["item"])
    )
    return "Confirmed: the item is answered with what the evidence says."


def _confirm_shown(request: HttpRequest, incident: Incident, data: Data) -> str:
    items = finding_reviews.confirm_shown(
        actor=person_of(request), incident_id=incident.pk, finding_ids=data["findings"]
    )
    return f"Confirmed: {len(items)} items are answered with what the evidence says."


def _overrule(request: HttpRequest, incident: Incident, data: Data) -> str:
    finding_reviews.overrule_finding(
        actor=person_of(request),
        item_id=_own_item(incident, data["item"]),
        finding_id=data["finding"],
        reason=data["reason"],
    )
    return "The finding is overruled. Both stay, with your reason."


def _assign(request: HttpRequest, incident: Incident, data: Data) -> str:
    answers.assign_item(
        actor=person_of(request),
        item_id=_own_item(incident, data["item"]),
        assignee=data["assignee"],
    )
    who = data["assignee"].get_username() if data["assignee"] else "nobody"
    return f"Assigned to {who}."


def _link(request: HttpRequest, incident: Incident, data: Data) -> str:
    item_id = _own_item(incident, data["item"])
    kind, _, key = data["artifact"].partition(":")
    evidence_item = read_key(key)
    if kind == ArtifactKind.EVIDENCE and evidence_item:
        link = answers.link_evidence(
            actor=person_of(request), item_id=item_id, evidence_item_id=evidence_item
        )
    elif kind in ArtifactKind.values:
        link = answers.link_record(
            actor=person_of(request),
            item_id=item_id,
            kind=ArtifactKind(kind),
            record_id=key,
        )
    else:
        raise Http404
    return f"{link.label} is linked."


def _decide(request: HttpRequest, incident: Incident, data: Data) -> str:
    remediation.decide_remediation(
        actor=person_of(request),
        item_id=_own_item(incident, data["item"]),
        choice_key=data["choice"],
        chosen=data["chosen"] == "yes",
        reason=data["reason"],
        despite_diagnosis=data["despite_diagnosis"],
    )
    return "The decision is recorded."


def _act(request: HttpRequest, incident: Incident, data: Data) -> str:
    remediation.record_action(
        actor=person_of(request),
        incident_id=incident.pk,
        kind=RemediationKind(data["kind"]),
        description=data["description"],
        choice_key=data["choice"],
        proof=remediation.Proof(
            text=data["proof"],
            ticket=data["ticket"],
            ticket_url=data["ticket_url"],
            evidence_item_id=data["evidence"] and data["evidence"].pk,
        ),
    )
    return "The action is recorded with its proof."


def _write(request: HttpRequest, incident: Incident, data: Data) -> str:
    timeline.write_entry(
        actor=person_of(request),
        incident_id=incident.pk,
        body=data["body"],
        kind=data["kind"],
        event_at=data["event_at"],
        corrects_id=data["corrects"],
    )
    return "Written to the timeline."


def _lead(request: HttpRequest, incident: Incident, data: Data) -> str:
    lead = data["lead"]
    editing.assign_lead(actor=person_of(request), incident_id=incident.pk, lead=lead)
    return f"{lead.get_username()} leads." if lead else "Nobody leads."


def _ticket(request: HttpRequest, incident: Incident, data: Data) -> str:
    links.link_ticket(
        actor=person_of(request),
        incident_id=incident.pk,
        ticket=data["ticket"],
        url=data["url"],
    )
    return f"{data['ticket']} is linked."


def _related(request: HttpRequest, incident: Incident, data: Data) -> str:
    other = links.link_related(
        actor=person_of(request),
        incident_id=incident.pk,
        reference=data["reference"],
    )
    return f"{other.reference} is linked."


def _open_shown(request: HttpRequest, incident: Incident, data: Data) -> str:
    opened = shown_classes.open_shown_case(
        actor=person_of(request), incident_id=incident.pk, code=data["code"]
    )
    return f"{opened.reference} is open and linked to this case."


def _reclassify(request: HttpRequest, incident: Incident, data: Data) -> str:
    plan = reclassifying.reclassify_incident(
        actor=person_of(request),
        incident_id=incident.pk,
        playbook_version=data["version"],
        reason=data["reason"],
    )
    return (
        f"Reclassified to {data['version']}: {len(plan.add)} items are new, "
        f"{len(plan.close)} are no longer asked, answers are kept."
    )


def _kill(request: HttpRequest, incident: Incident, data: Data) -> str:
    extension_pk = data["extension"]
    if not incident.extensions.filter(pk=extension_pk).exists():
        raise Http404
    switch = kill_switches.activate_kill_switch(
        actor=person_of(request),
        incident_id=incident.pk,
        extension_pk=extension_pk,
        reason=data["reason"],
    )
    messages.warning(
        request,
        f"The {switch} is ordered, and the extension is quarantined. Nothing has "
        "stopped yet: run the commands below, then record that it took effect.",
    )
    return ""


def _kill_all(request: HttpRequest, incident: Incident, data: Data) -> str:
    kill_switches.activate_kill_all(
        actor=person_of(request),
        incident_id=incident.pk,
        typed_reference=data["reference"],
        reason=data["reason"],
    )
    messages.warning(
        request,
        "The order to stop every extension is given. Nothing has stopped yet: run the "
        "command below, then record that it took effect.",
    )
    return ""


def _confirm_kill(request: HttpRequest, incident: Incident, data: Data) -> str:
    switch_id = data["switch"]
    if switch_id not in {order.pk for order in read_switches(incident).orders}:
        raise Http404
    confirmation, created = kill_switches.confirm_kill_switch(
        actor=person_of(request),
        kill_switch_id=switch_id,
        means=data["means"],
        effective_at=data["effective_at"],
    )
    if not created:
        return f"The {confirmation.kill_switch} was confirmed before; that stays."
    return f"It is recorded that the {confirmation.kill_switch} took effect."


def _close(request: HttpRequest, incident: Incident, data: Data) -> str:
    closing.close_incident(
        actor=person_of(request),
        incident_id=incident.pk,
        outcome=outcome_of(data),
        lead=data["lead"],
        reason=data["reason"],
    )
    return f"{incident.reference} is closed."


def _duplicate(request: HttpRequest, incident: Incident, data: Data) -> str:
    closing.close_as_duplicate(
        actor=person_of(request),
        incident_id=incident.pk,
        original=data["original"],
        reason=data["reason"],
        aftermath=aftermath_of(data),
    )
    return f"{incident.reference} is closed as a duplicate."


def _false_alarm(request: HttpRequest, incident: Incident, data: Data) -> str:
    closing.close_as_false_alarm(
        actor=person_of(request),
        incident_id=incident.pk,
        outcome=outcome_of(data),
        lead=data["lead"],
        reason=data["reason"],
        aftermath=aftermath_of(data),
    )
    return f"{incident.reference} is closed as a false alarm."


def _reopen(request: HttpRequest, incident: Incident, data: Data) -> str:
    cycle = closing.reopen_incident(
        actor=person_of(request), incident_id=incident.pk, reason=data["reason"]
    )
    return f"{incident.reference} is open again: {cycle}."


def _take_over(request: HttpRequest, incident: Incident, data: Data) -> str:
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


def outcome_of(data: Data) -> Outcome:
    """Return what was answered of the outcome."""
    return read_outcome(
        resolution=data["resolution"],
        functional_impact=data["functional_impact"],
        information_impact=data["information_impact"],
        recoverability=data["recoverability"],
    )


def _own_item(incident: Incident, item_id: int) -> int:
    """Return the ID if the item is one of this case: no other is touched from here."""
    if not ChecklistItem.objects.filter(pk=item_id, cycle__incident=incident).exists():
        raise Http404
    return item_id


def _item_text(incident: Incident, form: forms.Form) -> str:
    """Return what the checklist asks, for a form about one of its items."""
    key = str(form.data.get("item", ""))
    if not key.isdecimal() or len(key) > 18:
        return ""
    items = ChecklistItem.objects.filter(pk=int(key), cycle__incident=incident)
    return items.values_list("text", flat=True).first() or ""


def _condition_text(incident: Incident, form: forms.Form) -> str:
    return TITLES.get(form.data.get("condition", ""), "")


def _phase_text(incident: Incident, form: forms.Form) -> str:
    return str(form.data.get("phase", "")).upper()


ACTIONS: dict[str, PageAction] = {
    "complete-phase": PageAction(
        "Complete a phase",
        "Complete the phase",
        case_forms.PhaseForm,
        _complete_phase,
        WORK,
        about=_phase_text,
        fields={"moment_refused": "due_at"},
        icon="task_alt",
    ),
    "set-due": PageAction(
        "Set the due time of REMEDIATE",
        "Set the due time",
        case_forms.DueForm,
        _set_due,
        WORK,
    ),
    "acknowledge": PageAction(
        "Hold the reminders back",
        "Acknowledge",
        case_forms.AcknowledgeForm,
        _acknowledge,
        WORK,
    ),
    "state": PageAction(
        "Record a statement",
        "Record my statement",
        case_forms.StateForm,
        _state,
        WORK,
        about=_condition_text,
        fields={"reason": "statement"},
    ),
    "waive": PageAction(
        "Waive a condition",
        "Waive the condition",
        case_forms.WaiveForm,
        _waive,
        REVIEW,
        about=_condition_text,
        help=("The waiver shows wherever the phase shows."),
    ),
    "revoke-waiver": PageAction(
        "Revoke a waiver",
        "Revoke the waiver",
        case_forms.RevokeForm,
        _revoke_waiver,
        REVIEW,
        help=("Both stay in sight."),
    ),
    "answer": PageAction(
        "Answer an item",
        "Record the answer",
        case_forms.AnswerForm,
        _answer,
        WORK,
        about=_item_text,
        fields={"reason": "note", "invalid_transition": "note"},
    ),
    "undo": PageAction(
        "Take an answer back",
        "Take the answer back",
        case_forms.ItemForm,
        _undo,
        WORK,
        about=_item_text,
    ),
    "confirm": PageAction(
        "Confirm what the evidence says",
        "Confirm",
        case_forms.ConfirmForm,
        _confirm,
        WORK,
        about=_item_text,
    ),
    "confirm-shown": PageAction(
        "Confirm the findings shown",
        "Confirm the findings shown",
        case_forms.ConfirmShownForm,
        _confirm_shown,
        WORK,
    ),
    "overrule": PageAction(
        "Overrule a finding",
        "Overrule",
        case_forms.OverruleForm,
        _overrule,
        WORK,
        about=_item_text,
    ),
    "assign": PageAction(
        "Assign an item",
        "Assign",
        case_forms.AssignForm,
        _assign,
        WORK,
        about=_item_text,
    ),
    "link": PageAction(
        "Link an artifact",
        "Link it",
        case_forms.LinkForm,
        _link,
        WORK,
        about=_item_text,
    ),
    "decide": PageAction(
        "Decide on a remediation",
        "Record the decision",
        case_forms.DecideForm,
        _decide,
        WORK,
        about=_item_text,
    ),
    "act": PageAction(
        "Record an action",
        "Record the action",
        case_forms.ActionForm,
        _act,
        WORK,
        fields={"url": "ticket_url"},
    ),
    "write": PageAction(
        "Write to the timeline",
        "Write to the timeline",
        case_forms.EntryForm,
        _write,
        WORK,
    ),
    "lead": PageAction(
        "Set the lead", "Set the lead", case_forms.LeadForm, _lead, WORK
    ),
    "ticket": PageAction(
        "Link a ticket",
        "Link the ticket",
        case_forms.TicketForm,
        _ticket,
        WORK,
    ),
    "related": PageAction(
        "Link a related incident",
        "Link as related",
        case_forms.RelatedForm,
        _related,
        WORK,
    ),
    "open-shown": PageAction(
        "Open a related case",
        "Open a related case",
        case_forms.OpenShownForm,
        _open_shown,
        WORK,
    ),
    "reclassify": PageAction(
        "Reclassify",
        "Reclassify",
        case_forms.ReclassifyForm,
        _reclassify,
        WORK,
        help=(
            "Answers are kept. Open items and running clocks follow the new playbook."
        ),
    ),
    "kill": PageAction(
        "Activate the kill switch",
        "Activate the kill switch",
        case_forms.KillForm,
        _kill,
        WORK,
        help=("Orders the runtime to stop it, and quarantines it."),
        tone="danger",
    ),
    "kill-all": PageAction(
        "Stop every extension",
        "Stop every extension",
        case_forms.KillAllForm,
        _kill_all,
        WORK,
        fields={"typed_reference": "reference"},
        help=(
            "Orders every extension of the runtime to be stopped (pi --no- "
            "extensions). The last resort: a second person is told at once."
        ),
        tone="danger",
    ),
    "confirm-kill": PageAction(
        "Record that the kill switch took effect",
        "Record that it took effect",
        ConfirmKillForm,
        _confirm_kill,
        kill_switches.CONFIRM,
        fields={"reason": "means"},
    ),
    "close": PageAction(
        "Close the case",
        "Close the case",
        case_forms.CloseForm,
        _close,
        WORK,
        fields=CLOSING_FIELDS,
    ),
    "duplicate": PageAction(
        "Close as duplicate",
        "Close as duplicate",
        case_forms.DuplicateForm,
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
        case_forms.FalseAlarmForm,
        _false_alarm,
        REVIEW,
        fields=CLOSING_FIELDS,
        tone="danger",
    ),
    "take-over": PageAction(
        "Take over from a duplicate",
        "Take over",
        case_forms.TakeOverForm,
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
        case_forms.ReasonForm,
        _reopen,
        REVIEW,
        help=("A new cycle of phases starts. The one before stays as it was."),
    ),
}
