"""Writing a postmortem: opened with the case's facts, saved, taken up again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.audit.history import incident_stream, record_entry
from incidents.errors import (
    EditConflict,
    FieldChange,
    PostmortemRefused,
    TransitionError,
)
from incidents.models import (
    EntryAction,
    Incident,
    Postmortem,
    PostmortemDraft,
    TimelineKind,
)
from incidents.services.changes import (
    WORK,
    lock_open_incident,
    record_change,
    require_reason,
)
from incidents.services.checklist_entries import set_state
from incidents.services.findings.gathering import queue_findings
from incidents.services.postmortems.prefill import first_text
from incidents.workflow.conditions import ITEM_OF_CONDITION, ConditionKey
from incidents.workflow.errors import MoveError
from incidents.workflow.incident_states import ItemState
from incidents.workflow.phases import Phase
from incidents.workflow.postmortem import (
    PostmortemError,
    PostmortemState,
    changed_sections,
    clean_sections,
    require_postmortem_move,
)

SITTING = dt.timedelta(minutes=10)
"""Saves of one person closer together than this are one audit entry; each save is a
row of its own all the same."""


@transaction.atomic
def open_postmortem(
    *, actor: Actor, incident_id: int, now: dt.datetime | None = None
) -> Postmortem:
    """Open the postmortem of the case's cycle, or return the one that is open.

    What the case knows is filled in; a worker looks for findings.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    cycle = incident.current_cycle
    existing = Postmortem.objects.filter(cycle=cycle).first()
    if existing is not None:
        return existing
    postmortem = Postmortem.objects.create(
        cycle=cycle, opened_at=moment, opened_by=actor, changed_at=moment
    )
    PostmortemDraft.objects.create(
        postmortem=postmortem,
        revision=postmortem.draft_revision,
        sections=clean_sections(first_text(incident, cycle)),
        saved_at=moment,
    )
    record_change(
        incident,
        action="postmortem.opened",
        actor=actor,
        now=moment,
        body="**Postmortem opened**",
        after={"postmortem": postmortem.pk, "cycle": cycle.number},
    )
    queue_findings(incident.pk)
    return postmortem


@transaction.atomic
def save_draft(
    *,
    actor: User,
    postmortem_id: int,
    revision: int,
    sections: Mapping[str, Any],
    now: dt.datetime | None = None,
) -> PostmortemDraft:
    """Save the text as the next draft; return the newest one.

    `revision` is the draft that was read. Where somebody saved in between, sections
    that only one of the two changed are joined; a section that both changed raises
    EditConflict, and nothing is overwritten. The same text again saves nothing.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, postmortem = lock_postmortem(postmortem_id, actor=actor)
    _require_editable(postmortem)
    wanted = _clean(sections)
    current = current_draft(postmortem)
    merged = _merge(postmortem, current, revision, wanted)
    if merged == current.sections:
        return current
    draft = PostmortemDraft.objects.create(
        postmortem=postmortem,
        revision=current.revision + 1,
        sections=merged,
        saved_at=moment,
        saved_by=actor,
    )
    postmortem.draft_revision = draft.revision
    postmortem.changed_at = moment
    postmortem.save(update_fields=["draft_revision", "changed_at"])
    if _is_new_sitting(current, draft):
        changed = changed_sections(current.sections, merged)
        record_entry(
            streams=[incident_stream(incident.pk)],
            action="postmortem.written",
            actor=actor,
            obj=postmortem,
            after={
                "draft": draft.revision,
                "sections": [section.key for section in changed],
            },
            now=moment,
        )
    return draft


@transaction.atomic
def take_up_again(
    *, actor: User, postmortem_id: int, reason: str, now: dt.datetime | None = None
) -> Postmortem:
    """Open a submitted or signed postmortem for writing; a signature is void from here.

    The signature stays in the history with the version that it was given to.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, postmortem = lock_postmortem(postmortem_id, actor=actor)
    text = require_reason(reason)
    before = PostmortemState(postmortem.state)
    require_move(postmortem, PostmortemState.DRAFT)
    move(postmortem, PostmortemState.DRAFT, now=moment)
    is_void = before is PostmortemState.SIGNED
    record_change(
        incident,
        action="postmortem.signature_voided" if is_void else "postmortem.taken_back",
        actor=actor,
        now=moment,
        body="**Postmortem taken up again: its signature is void**"
        if is_void
        else "**Postmortem taken back before its review**",
        before={"state": before},
        after={"state": postmortem.state},
        reason=text,
        kind=TimelineKind.DECISION,
    )
    reopen_items(postmortem, actor=actor, now=moment, note=text)
    return postmortem


def lock_postmortem(postmortem_id: int, *, actor: Actor) -> tuple[Incident, Postmortem]:
    """Return case and postmortem under the lock of the case.

    Raise TransitionError once the phase POSTMORTEM is complete: it stays as signed.
    """
    found = Postmortem.objects.select_related("cycle").get(pk=postmortem_id)
    # The case before its postmortem, as everywhere: a close ends both.
    incident = lock_open_incident(found.cycle.incident_id, actor)
    postmortem = Postmortem.objects.select_for_update().get(pk=postmortem_id)
    if postmortem.cycle_id != incident.current_cycle.pk:
        raise TransitionError("This postmortem is of a cycle that has ended: it stays.")
    phase = incident.current_cycle.phases.get(phase=Phase.POSTMORTEM)
    if phase.completed_at is not None:
        raise TransitionError(
            "POSTMORTEM is complete: the postmortem stays as it was signed. Close the "
            "case; a reviewer can reopen it with a new cycle."
        )
    postmortem.cycle = incident.current_cycle
    return incident, postmortem


def current_draft(postmortem: Postmortem) -> PostmortemDraft:
    """Return the newest draft."""
    return postmortem.drafts.select_related("saved_by").order_by("-revision")[0]


def author_names(postmortem: Postmortem) -> list[str]:
    """Return everybody who ever saved a draft of it, by name."""
    return sorted(
        set(
            postmortem.drafts.filter(saved_by__isnull=False).values_list(
                "saved_by__username", flat=True
            )
        )
    )


def require_move(postmortem: Postmortem, target: PostmortemState) -> None:
    """Raise TransitionError where the postmortem cannot move there from its state."""
    try:
        require_postmortem_move(PostmortemState(postmortem.state), target)
    except MoveError as error:
        raise TransitionError(error.message) from error


def move(postmortem: Postmortem, target: PostmortemState, *, now: dt.datetime) -> None:
    """Move a locked postmortem whose move was checked."""
    postmortem.state = target
    postmortem.changed_at = now
    postmortem.save(update_fields=["state", "changed_at"])


def reopen_items(
    postmortem: Postmortem, *, actor: Actor, now: dt.datetime, note: str
) -> None:
    """Take back the checklist's answers that rested on what was submitted or signed."""
    keys = [
        ITEM_OF_CONDITION[condition]
        for condition in (
            ConditionKey.POSTMORTEM_WRITTEN,
            ConditionKey.POSTMORTEM_SIGNED,
            ConditionKey.ARTIFACTS_ARCHIVED,
        )
    ]
    items = postmortem.cycle.checklist.asked().filter(
        key__in=keys, state=ItemState.DONE
    )
    for item in items:
        set_state(
            item,
            ItemState.OPEN,
            action=EntryAction.UNDONE,
            actor=actor,
            now=now,
            note=note,
        )


def _require_editable(postmortem: Postmortem) -> None:
    if not postmortem.is_editable:
        raise TransitionError(
            f"The postmortem is {postmortem.get_state_display().lower()}: take it up "
            "again to change it, which voids a signature."
        )


def _clean(sections: Mapping[str, Any]) -> dict[str, str]:
    try:
        return clean_sections(sections)
    except PostmortemError as error:
        raise PostmortemRefused(error.message, code=error.code) from error


def _merge(
    postmortem: Postmortem,
    current: PostmortemDraft,
    revision: int,
    wanted: dict[str, str],
) -> dict[str, str]:
    """Return the text with both people's changes; raise EditConflict at a clash."""
    if revision == current.revision:
        return wanted
    base = postmortem.drafts.filter(revision=revision).first()
    if base is None:
        raise PostmortemRefused(
            f"There is no draft {revision}. The newest is draft {current.revision}."
        )
    theirs = {
        section.key: section
        for section in changed_sections(base.sections, current.sections)
    }
    mine = changed_sections(base.sections, wanted)
    clashes = [
        section
        for section in mine
        if section.key in theirs
        and wanted[section.key] != current.sections[section.key]
    ]
    if clashes:
        raise EditConflict(
            f"{name_of(current.saved_by)} saved {len(clashes)} of the sections that "
            "you changed. Nothing was overwritten: look at both and save again.",
            revision=current.revision,
            changes=tuple(
                FieldChange(
                    field=clash.key,
                    label=f"{clash.group}: {clash.title}",
                    before=base.sections[clash.key],
                    current=current.sections[clash.key],
                    wanted=wanted[clash.key],
                )
                for clash in clashes
            ),
            changed_by=name_of(current.saved_by),
        )
    return {
        **current.sections,
        **{section.key: wanted[section.key] for section in mine},
    }


def _is_new_sitting(before: PostmortemDraft, after: PostmortemDraft) -> bool:
    return (
        before.saved_by_id != after.saved_by_id
        or after.saved_at - before.saved_at > SITTING
    )
