"""Remediation: what the playbook offers is decided on, and what is done is proven."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.models import EvidenceItem
from evidence.stored_moments import require_moment
from evidence.text import tidy_text
from incidents.errors import IncidentError
from incidents.models import (
    ChecklistItem,
    EntryAction,
    Incident,
    RemediationAction,
    RemediationDecision,
    TimelineKind,
)
from incidents.services.changes import (
    WORK,
    lock_open_incident,
    record_change,
    require_reason,
)
from incidents.services.checklist_entries import set_state
from incidents.services.checklists.answers import lock_item, planned_item
from incidents.services.lifecycle.diagnosis import condition_of, diagnoses_of
from incidents.services.lifecycle.editing import raise_severity
from incidents.services.lifecycle.links import link_ticket
from incidents.workflow.incident_states import ItemKind, ItemState, RemediationKind
from incidents.workflow.playbook_document import RemediationChoice

PROOF_MISSING = (
    "A proof is missing. Say what shows that it was done, name the ticket, or link "
    "evidence."
)
TICKET_MISSING = "Name the ticket that this address is of."


@dataclass(frozen=True)
class Proof:
    """What proves an action: a text, a ticket, an evidence item; at least one."""

    text: str = ""
    ticket: str = ""
    ticket_url: str = ""
    evidence_item_id: int | None = None


@transaction.atomic
def decide_remediation(
    *,
    actor: Actor,
    item_id: int,
    choice_key: str,
    chosen: bool,
    reason: str,
    despite_diagnosis: bool = False,
    now: dt.datetime | None = None,
) -> RemediationDecision:
    """Record whether a remediation of the playbook is chosen, and why.

    One for another diagnosis than the evidence has is questioned: it is refused until
    the person says that it is meant, `despite_diagnosis`. Choosing one that says how
    severe the case is raises it. Once every choice is decided the item is done.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, item = lock_item(item_id, actor=actor)
    text = require_reason(reason)
    choice = _find_choice(item, choice_key)
    doubt = question_choices(item).get(choice.key, "") if chosen else ""
    if doubt and not despite_diagnosis:
        raise IncidentError(
            f"{doubt} Choose it all the same only if you mean it: say so, and why.",
            code="contradicts_diagnosis",
        )
    decision = RemediationDecision.objects.create(
        item=item,
        choice_key=choice.key,
        chosen=chosen,
        reason=text,
        decided_at=moment,
        decided_by=actor,
        decided_by_name=name_of(actor),
    )
    word = "Chosen" if chosen else "Not chosen"
    record_change(
        incident,
        action="remediation.decided",
        actor=actor,
        now=moment,
        body=f"**{word}: {choice.text}**",
        kind=TimelineKind.DECISION,
        after={"choice": choice.key, "chosen": chosen, "despite": doubt},
        reason=f"{text}\n\nChosen although: {doubt}" if doubt else text,
    )
    if chosen and choice.sets_severity:
        raise_severity(
            actor=actor,
            incident_id=incident.pk,
            severity=choice.sets_severity,
            reason=choice.text,
            now=moment,
        )
    _answer_when_decided(item, actor=actor, now=moment)
    return decision


@transaction.atomic
def record_action(
    *,
    actor: Actor,
    incident_id: int,
    kind: RemediationKind,
    description: str,
    proof: Proof,
    choice_key: str = "",
    done_at: dt.datetime | None = None,
    now: dt.datetime | None = None,
) -> RemediationAction:
    """Record something that was done about the cause, with what proves it."""
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    text = require_reason(description)
    if done_at is not None:
        done_at = require_moment(
            done_at, what="a time that has passed", now=moment, ahead=dt.timedelta()
        )
    action = RemediationAction.objects.create(
        cycle=incident.current_cycle,
        kind=RemediationKind(kind),
        choice_key=_known_choice(incident, choice_key),
        description=text,
        done_at=done_at or moment,
        recorded_at=moment,
        recorded_by=actor,
        recorded_by_name=name_of(actor),
        **_proof_fields(incident, proof, actor=actor, now=moment),
    )
    record_change(
        incident,
        action="remediation.done",
        actor=actor,
        now=moment,
        body=f"**{action.get_kind_display()}**: {text}",
        kind=TimelineKind.DECISION,
        after={"kind": action.kind, "choice": action.choice_key},
    )
    return action


def question_choices(item: ChecklistItem) -> dict[str, str]:
    """Return what the diagnosis of the evidence holds against choices, by their keys.

    A choice is questioned where the playbook has one for what was diagnosed, and this
    one is for another diagnosis.
    """
    conditioned = [choice for choice in planned_item(item).choices if choice.condition]
    offered = {step.condition for step in conditioned}
    found = diagnoses_of(item.cycle.incident) if offered else {}
    meant = {condition_of(name): report for name, report in found.items()}
    against = sorted(meant.keys() & offered)
    if not against:
        return {}
    report = meant[against[0]]
    return {
        step.key: f"The diagnosis of {report.item.original_name} is "
        f"{report.diagnosis}, and this is for the case {step.condition}."
        for step in conditioned
        if step.condition not in meant
    }


def _find_choice(item: ChecklistItem, key: str) -> RemediationChoice:
    if item.kind != ItemKind.REMEDIATION:
        raise IncidentError("This item offers no choices: it is no remediation item.")
    choices = {choice.key: choice for choice in planned_item(item).choices}
    if key not in choices:
        raise IncidentError(
            f"Choose one of these: {', '.join(choices)}. Given: {key!r}."
        )
    return choices[key]


def _answer_when_decided(
    item: ChecklistItem, *, actor: Actor, now: dt.datetime
) -> None:
    keys = {choice.key for choice in planned_item(item).choices}
    decided = set(item.decisions.values_list("choice_key", flat=True))
    if item.is_open and keys <= decided:
        set_state(
            item,
            ItemState.DONE,
            action=EntryAction.ANSWERED,
            actor=actor,
            now=now,
            note="Every remediation is decided on.",
        )


def _known_choice(incident: Incident, key: str) -> str:
    if not key:
        return ""
    items = incident.current_cycle.checklist.asked().filter(kind=ItemKind.REMEDIATION)
    known = [choice["key"] for item in items for choice in item.content["choices"]]
    if key not in known:
        raise IncidentError(f"Choose one of these: {', '.join(known)}. Given: {key!r}.")
    return key


def _proof_fields(
    incident: Incident, proof: Proof, *, actor: Actor, now: dt.datetime
) -> dict[str, object]:
    """Return the proof as fields; raise IncidentError where nothing proves it."""
    text = tidy_text(proof.text)
    evidence = _find_evidence(incident, proof.evidence_item_id)
    ticket = None
    if proof.ticket.strip():
        ticket = link_ticket(
            actor=actor,
            incident_id=incident.pk,
            ticket=proof.ticket,
            url=proof.ticket_url,
            now=now,
        )
    elif proof.ticket_url.strip():
        raise IncidentError(TICKET_MISSING, field="ticket")
    if not text and ticket is None and evidence is None:
        raise IncidentError(PROOF_MISSING, code="proof_missing", field="proof")
    return {"proof": text, "ticket": ticket, "evidence_item": evidence}


def _find_evidence(incident: Incident, item_id: int | None) -> EvidenceItem | None:
    if item_id is None:
        return None
    found = incident.evidence_items.filter(pk=item_id).first()
    if found is None:
        raise IncidentError("This evidence is not of this case.", field="evidence")
    return found
