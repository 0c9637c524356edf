"""Answering the checklist: every answer, and every answer taken back, is an entry."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.lookalikes import quote_name
from evidence.text import REASON_LENGTH, tidy_text
from incidents.errors import ArtifactRefused, IncidentError, TransitionError
from incidents.models import (
    ArtifactKind,
    ArtifactLink,
    ChecklistItem,
    EntryAction,
    Incident,
    TimelineKind,
)
from incidents.services.changes import (
    WORK,
    lock_open_incident,
    require_worker,
)
from incidents.services.checklist_entries import add_entry_to_item, set_state
from incidents.services.checklists.artifacts import (
    Artifact,
    evidence_artifact,
    failed_steps,
    record_artifact,
)
from incidents.services.cycle_plan import document_of
from incidents.services.gates.conditions import STATED, add_statement, read_gate
from incidents.services.notifications.outbox import notify_assignment
from incidents.services.timeline import add_entry
from incidents.workflow.artifacts import match_artifact
from incidents.workflow.conditions import ITEM_OF_CONDITION, ConditionKey
from incidents.workflow.errors import MoveError
from incidents.workflow.incident_states import ItemKind, ItemState, require_item_move
from incidents.workflow.playbook_document import PlaybookItem

CONDITION_OF_ITEM = {key: condition for condition, key in ITEM_OF_CONDITION.items()}


@transaction.atomic
def answer_item(
    *,
    actor: User,
    item_id: int,
    state: ItemState,
    note: str = "",
    now: dt.datetime | None = None,
) -> ChecklistItem:
    """Answer an open item: done, not applicable (why), or failed (what was found).

    An item that a gate asks for as well is answered only with what the gate needs: a
    statement in `note`, or the thing itself.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, item = lock_item(item_id, actor=actor)
    text = _clean_note(note)
    if state is ItemState.OPEN:
        raise TransitionError("An answer is taken back by undoing it.")
    _require_move(item, state, note=text)
    if state is ItemState.DONE:
        _meet_condition(incident, item, text, actor=actor, now=moment)
        _require_steps(incident, item)
    set_state(
        item, state, action=EntryAction.ANSWERED, actor=actor, now=moment, note=text
    )
    label = item.get_state_display().lower()
    record_answer(
        incident, item, "checklist.answered", f"{label}", text, actor=actor, now=moment
    )
    return item


@transaction.atomic
def undo_item(
    *, actor: User, item_id: int, note: str = "", now: dt.datetime | None = None
) -> ChecklistItem:
    """Take an answer back; the answer and its withdrawal both stay in the history."""
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, item = lock_item(item_id, actor=actor)
    text = _clean_note(note)
    _require_move(item, ItemState.OPEN, note=text)
    phase = item.cycle.phases.get(phase=item.phase)
    # Its gate was decided on this answer, and is never decided again.
    if phase.completed_at is not None:
        raise TransitionError(
            f"{phase} is complete: its answers stay. Write a note in the timeline."
        )
    condition = CONDITION_OF_ITEM.get(item.key)
    # The newest statement counts, and an empty one counts as none.
    if condition in STATED:
        add_statement(phase, condition, "", actor=actor, now=moment)
    item.links.filter(withdrawn_at__isnull=True).update(withdrawn_at=moment)
    set_state(
        item,
        ItemState.OPEN,
        action=EntryAction.UNDONE,
        actor=actor,
        now=moment,
        note=text,
    )
    record_answer(
        incident, item, "checklist.undone", "taken back", text, actor=actor, now=moment
    )
    return item


@transaction.atomic
def assign_item(
    *,
    actor: Actor,
    item_id: int,
    assignee: User | None,
    now: dt.datetime | None = None,
) -> ChecklistItem:
    """Give an item to somebody who works cases, or to nobody."""
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, item = lock_item(item_id, actor=actor)
    require_worker(assignee)
    if item.assignee == assignee:
        return item
    before = item.assignee.get_username() if item.assignee else None
    item.assignee = assignee
    item.save(update_fields=["assignee"])
    add_entry_to_item(item, EntryAction.ASSIGNED, actor=actor, now=moment)
    notify_assignment(
        actor=actor,
        assignee=assignee,
        incident=incident,
        what=f"An item of {item.phase.upper()} is assigned to you",
        key=f"item:{item.pk}:{moment.isoformat()}",
        now=moment,
    )
    record_entry(
        streams=[incident_stream(incident.pk)],
        action="checklist.assigned",
        actor=actor,
        obj=item,
        before={"assignee": before},
        after={"assignee": assignee.get_username() if assignee else None},
        now=moment,
    )
    return item


@transaction.atomic
def link_evidence(
    *,
    actor: Actor,
    item_id: int,
    evidence_item_id: int,
    now: dt.datetime | None = None,
) -> ArtifactLink:
    """Link an evidence item of the case; the artifact that was expected ticks the item.

    Raise ArtifactRefused, saying what differs, where an item expects another artifact.
    """
    require_permission(actor, WORK)
    incident, item = lock_item(item_id, actor=actor)
    evidence = incident.evidence_items.filter(pk=evidence_item_id).first()
    if evidence is None:
        raise IncidentError("This evidence is not of this case: attach it here first.")
    earlier = item.links.filter(evidence_item=evidence, withdrawn_at__isnull=True)
    if (link := earlier.first()) is not None:
        return link
    return link_artifact(
        incident, item, evidence_artifact(evidence), actor=actor, now=now
    )


@transaction.atomic
def link_record(
    *,
    actor: Actor,
    item_id: int,
    kind: ArtifactKind,
    record_id: str,
    now: dt.datetime | None = None,
) -> ArtifactLink:
    """Link an alert, a trust transition or a kill switch of the case to an item."""
    require_permission(actor, WORK)
    incident, item = lock_item(item_id, actor=actor)
    earlier = item.links.filter(
        kind=kind, record_id=record_id, withdrawn_at__isnull=True
    )
    if (link := earlier.first()) is not None:
        return link
    artifact = record_artifact(incident, kind, record_id)
    return link_artifact(incident, item, artifact, actor=actor, now=now)


def planned_item(item: ChecklistItem) -> PlaybookItem:
    """Return the item as its playbook version describes it."""
    document = document_of(item.playbook_version)
    return next(planned for planned in document.checklist if planned.key == item.key)


def link_artifact(
    incident: Incident,
    item: ChecklistItem,
    artifact: Artifact,
    *,
    actor: Actor,
    now: dt.datetime | None,
) -> ArtifactLink:
    """Link an artifact of a case that the caller has locked; None: the system does."""
    moment = now or timezone.now()
    _require_expected(incident, item, artifact)
    link = ArtifactLink.objects.create(
        item=item,
        kind=artifact.kind,
        evidence_item=artifact.evidence_item,
        record_id=artifact.record_id,
        label=artifact.label[:300],
        linked_at=moment,
        linked_by=actor,
    )
    if item.kind == ItemKind.ARTIFACT and item.is_open:
        set_state(
            item,
            ItemState.DONE,
            action=EntryAction.LINKED,
            actor=actor,
            now=moment,
            note=artifact.label,
        )
    else:
        add_entry_to_item(
            item, EntryAction.LINKED, actor=actor, now=moment, note=artifact.label
        )
    body = f"linked to {quote_name(artifact.label)}"
    record_answer(incident, item, "checklist.linked", body, "", actor=actor, now=moment)
    return link


def _require_expected(
    incident: Incident, item: ChecklistItem, artifact: Artifact
) -> None:
    expects = planned_item(item).expects
    if item.kind != ItemKind.ARTIFACT or expects is None:
        return
    extensions = frozenset(
        extension.extension_id for extension in incident.extensions.all()
    )
    decision = match_artifact(expects, artifact.facts, case_extensions=extensions)
    if not decision.allowed:
        reasons = "; ".join(refusal.message for refusal in decision.refusals)
        raise ArtifactRefused(
            f"{artifact.label} is not what this item asks for: {reasons}"
        )


def lock_item(item_id: int, *, actor: Actor) -> tuple[Incident, ChecklistItem]:
    """Lock the case of an item, then read the item."""
    found = ChecklistItem.objects.values_list("cycle__incident_id", flat=True)
    incident = lock_open_incident(found.get(pk=item_id), actor)
    item = ChecklistItem.objects.select_related(
        "cycle", "playbook_version__playbook", "assignee"
    ).get(pk=item_id)
    if item.cycle != incident.current_cycle:
        raise TransitionError(f"{item.cycle} has ended: it stays as it was.")
    if item.retired_at is not None:
        raise TransitionError("The case's playbook no longer asks for this item.")
    return incident, item


def _clean_note(note: str) -> str:
    text = tidy_text(note)
    if len(text) > REASON_LENGTH:
        raise IncidentError(
            f"The note is too long: it has {len(text)} characters, and "
            f"{REASON_LENGTH} are the most. Attach longer text as evidence.",
            field="note",
        )
    return text


def _require_move(item: ChecklistItem, target: ItemState, *, note: str) -> None:
    linked = item.links.filter(withdrawn_at__isnull=True).exists()
    try:
        require_item_move(
            ItemKind(item.kind),
            ItemState(item.state),
            target,
            reason=note,
            found=note,
            has_artifact=linked,
        )
    except MoveError as error:
        raise TransitionError(str(error)) from error


def _meet_condition(
    incident: Incident, item: ChecklistItem, note: str, *, actor: User, now: dt.datetime
) -> None:
    """State what the item's gate condition needs, or require that it is met."""
    condition = CONDITION_OF_ITEM.get(item.key)
    if condition is None or item.kind == ItemKind.ARTIFACT:
        return
    phase = item.cycle.phases.get(phase=item.phase)
    if condition in STATED and note:
        if phase.completed_at is None:
            add_statement(phase, condition, note, actor=actor, now=now)
        return
    gate = read_gate(incident, phase)
    state = next(
        candidate for candidate in gate.conditions if candidate.key == condition
    )
    if not state.met:
        raise TransitionError(_how_to_meet(condition, state.detail))


def _how_to_meet(condition: ConditionKey, detail: str) -> str:
    if condition in STATED:
        return f"{detail}: say in the note who did what, and how"
    return f"this is done by the thing itself: {detail}"


def _require_steps(incident: Incident, item: ChecklistItem) -> None:
    """Raise TransitionError where a current report fails the step to be called done."""
    step = (item.content.get("expects") or {}).get("report_step")
    if step is None:
        return
    failed = failed_steps(incident, step)
    if failed:
        raise TransitionError(
            f"The current report of {', '.join(failed)} fails this step: mark the "
            "item failed and say what was found."
        )


def record_answer(
    incident: Incident,
    item: ChecklistItem,
    action: str,
    said: str,
    note: str,
    *,
    actor: Actor,
    now: dt.datetime,
) -> None:
    """Write what was said to an item to the timeline and to the history."""
    record_on_item(
        incident,
        item,
        action,
        f"{item.text} **{said}**",
        note,
        after={"key": item.key, "state": item.state, "detail": said},
        actor=actor,
        now=now,
    )


def record_on_item(
    incident: Incident,
    item: ChecklistItem,
    action: str,
    body: str,
    reason: str,
    *,
    after: dict[str, Any],
    actor: Actor,
    now: dt.datetime,
) -> None:
    """Write what happened to an item to the timeline, and to the history with it."""
    add_entry(
        incident=incident,
        cycle=item.cycle,
        kind=TimelineKind.EVENT,
        body=f"{body}\n\n{reason}" if reason else body,
        actor=actor,
        phase=item.phase,
        now=now,
    )
    record_entry(
        streams=[incident_stream(incident.pk)],
        action=action,
        actor=actor,
        obj=item,
        reason=reason,
        after=after,
        now=now,
    )
