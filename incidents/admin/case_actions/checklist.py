"""Answering the items of the checklist, and recording what was done."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404, HttpRequest

from evidence.admin.base import person_of, read_key
from evidence.admin.form_fields import PageForm, TextField, needed
from evidence.admin.page_actions import PageAction
from evidence.storable_values import BIGINT_MAX
from incidents.admin.form_fields import (
    PREVIEW,
    ReasonForm,
    WebAddressField,
    hidden_number,
    hinted,
    offer_rows,
    offer_workers,
    reason_field,
    words,
)
from incidents.models import ArtifactKind, ChecklistItem, Incident
from incidents.services.changes import WORK
from incidents.services.checklists import answers, finding_reviews, remediation
from incidents.services.checklists.remediation import PROOF_MISSING, TICKET_MISSING
from incidents.services.lifecycle.links import TICKET_LENGTH
from incidents.workflow.incident_states import ItemState, RemediationKind

EVIDENCE_SHOWN = 50


class AnswerForm(PageForm):
    item = hidden_number("Item")
    state = forms.ChoiceField(choices=words(ItemState), label="Answer")
    note = reason_field("Note", required=False, preview_template=PREVIEW)


class ItemForm(PageForm):
    item = hidden_number("Item")
    note = reason_field("Note", required=False)


class ConfirmShownForm(PageForm):
    """The findings that the page showed, by their numbers: no other is confirmed."""

    findings = forms.RegexField(
        r"\A\d{1,18}(?:-\d{1,18}){0,99}\Z", widget=forms.HiddenInput
    )

    def clean_findings(self) -> list[int]:
        return [int(number) for number in self.cleaned_data["findings"].split("-")]


class ConfirmForm(ConfirmShownForm):
    item = hidden_number("Item")


class OverruleForm(ReasonForm):
    reason = reason_field("Why the finding is wrong")
    item = hidden_number("Item")
    finding = hidden_number("Finding", min_value=1, max_value=BIGINT_MAX)


class AssignForm(PageForm):
    item = hidden_number("Item")
    assignee: Any = forms.ModelChoiceField(
        None, required=False, label="Who", empty_label="Nobody"
    )

    def prepare(self) -> None:
        offer_workers(self, "assignee")


class LinkForm(PageForm):
    item = hidden_number("Item")
    artifact = TextField(help_text="kind:id", widget=forms.HiddenInput)


class DecideForm(ReasonForm):
    item = hidden_number("Item")
    choice = TextField(widget=forms.HiddenInput)
    chosen = forms.ChoiceField(
        choices=(("yes", "Choose it"), ("no", "Do not choose it")), label="Decision"
    )
    despite_diagnosis = forms.BooleanField(
        required=False, label="Choose it although the diagnosis is another"
    )


class ActionForm(PageForm):
    kind = forms.ChoiceField(choices=words(RemediationKind), label="What kind")
    description = reason_field("What was done")
    choice = TextField(required=False, widget=forms.HiddenInput)
    proof = needed(
        reason_field("What proves it", required=False, rows=2),
        "this, a ticket or an artifact is needed",
    )
    ticket = needed(
        TextField(required=False, max_length=TICKET_LENGTH, widget=hinted("bd-1234")),
        "or a proof or an artifact",
    )
    ticket_url = WebAddressField(label="Its web address")
    evidence: Any = needed(
        forms.ModelChoiceField(
            None, required=False, label="Artifact", empty_label="None"
        ),
        "or a proof or a ticket",
    )

    def prepare(self) -> None:
        offer_rows(
            self.fields["evidence"],
            self.obj.evidence_items.all(),
            self.obj.evidence_items.order_by("-id")[:EVIDENCE_SHOWN],
        )

    def clean(self) -> dict[str, Any]:
        """Name a missing proof, or ticket, with all the other faults."""
        cleaned = super().clean() or self.cleaned_data
        proofs = ("proof", "ticket", "evidence")
        if not any(cleaned.get(name) or name in self.errors for name in proofs):
            self.add_error("proof", PROOF_MISSING)
        if self.data.get("ticket_url") and cleaned.get("ticket") == "":
            self.add_error("ticket", TICKET_MISSING)
        return cleaned


def _answer(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    item = answers.answer_item(
        actor=person_of(request),
        item_id=_own_item(incident, data["item"]),
        state=ItemState(data["state"]),
        note=data["note"],
    )
    return f"Marked {item.get_state_display().lower()}."


def _undo(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    item_id = _own_item(incident, data["item"])
    answers.undo_item(actor=person_of(request), item_id=item_id, note=data["note"])
    return "The answer is taken back. Both entries stay in the history."


def _confirm(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    finding_reviews.confirm_findings(
        actor=person_of(request),
        item_id=_own_item(incident, data["item"]),
        shown=data["findings"],
    )
    return "Confirmed: the item is answered with what the evidence says."


def _confirm_shown(
    request: HttpRequest, incident: Incident, data: dict[str, Any]
) -> str:
    items = finding_reviews.confirm_shown(
        actor=person_of(request), incident_id=incident.pk, finding_ids=data["findings"]
    )
    return f"Confirmed: {len(items)} items are answered with what the evidence says."


def _overrule(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    finding_reviews.overrule_finding(
        actor=person_of(request),
        item_id=_own_item(incident, data["item"]),
        finding_id=data["finding"],
        reason=data["reason"],
    )
    return "The finding is overruled. Both stay, with your reason."


def _assign(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    answers.assign_item(
        actor=person_of(request),
        item_id=_own_item(incident, data["item"]),
        assignee=data["assignee"],
    )
    who = data["assignee"].get_username() if data["assignee"] else "nobody"
    return f"Assigned to {who}."


def _link(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
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


def _decide(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
    remediation.decide_remediation(
        actor=person_of(request),
        item_id=_own_item(incident, data["item"]),
        choice_key=data["choice"],
        chosen=data["chosen"] == "yes",
        reason=data["reason"],
        despite_diagnosis=data["despite_diagnosis"],
    )
    return "The decision is recorded."


def _act(request: HttpRequest, incident: Incident, data: dict[str, Any]) -> str:
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


ACTIONS: dict[str, PageAction] = {
    "answer": PageAction(
        "Answer an item",
        "Record the answer",
        AnswerForm,
        _answer,
        WORK,
        about=_item_text,
        fields={"reason": "note", "invalid_transition": "note"},
    ),
    "undo": PageAction(
        "Take an answer back",
        "Take the answer back",
        ItemForm,
        _undo,
        WORK,
        about=_item_text,
    ),
    "confirm": PageAction(
        "Confirm what the evidence says",
        "Confirm",
        ConfirmForm,
        _confirm,
        WORK,
        about=_item_text,
    ),
    "confirm-shown": PageAction(
        "Confirm the findings shown",
        "Confirm the findings shown",
        ConfirmShownForm,
        _confirm_shown,
        WORK,
    ),
    "overrule": PageAction(
        "Overrule a finding",
        "Overrule",
        OverruleForm,
        _overrule,
        WORK,
        about=_item_text,
    ),
    "assign": PageAction(
        "Assign an item",
        "Assign",
        AssignForm,
        _assign,
        WORK,
        about=_item_text,
    ),
    "link": PageAction(
        "Link an artifact",
        "Link it",
        LinkForm,
        _link,
        WORK,
        about=_item_text,
    ),
    "decide": PageAction(
        "Decide on a remediation",
        "Record the decision",
        DecideForm,
        _decide,
        WORK,
        about=_item_text,
    ),
    "act": PageAction(
        "Record an action",
        "Record the action",
        ActionForm,
        _act,
        WORK,
        fields={"url": "ticket_url"},
    ),
}
