"""Reclassifying a case: what is open is planned anew, what is done is kept, visibly."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from incidents.errors import IncidentError
from incidents.models import (
    ChecklistItem,
    Cycle,
    EntryAction,
    Incident,
    PlaybookVersion,
)
from incidents.services.changes import (
    WORK,
    bump_revision,
    lock_open_incident,
    record_change,
    require_reason,
)
from incidents.services.checklist_entries import add_entry_to_item
from incidents.services.cycle_plan import add_items, document_of, start_clock
from incidents.services.lifecycle.diagnosis import follow_diagnosis
from incidents.workflow.incident_states import ItemState
from incidents.workflow.playbook_document import PlaybookDocument, PlaybookItem
from incidents.workflow.reclassification import (
    PlannedItem,
    ReclassificationPlan,
    plan_reclassification,
)


@transaction.atomic
def reclassify_incident(
    *,
    actor: Actor,
    incident_id: int,
    playbook_version: PlaybookVersion,
    reason: str,
    now: dt.datetime | None = None,
) -> ReclassificationPlan:
    """Move a case to another playbook, or a newer version of its own.

    Answers stay as they are. Open items that the new playbook lacks are retired, new
    ones are added, and clocks that run are set to the new figures.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    text = require_reason(reason)
    old = incident.playbook_version
    if old == playbook_version:
        raise IncidentError(f"{incident.reference} is {old} already.", field="version")
    cycle = incident.current_cycle
    document = document_of(playbook_version)
    items = list(cycle.checklist.asked())
    plan = plan_reclassification(map(_planned, items), document)
    incident.playbook_version = playbook_version
    incident.save(update_fields=["playbook_version"])
    _replan_items(cycle, items, plan, playbook_version, actor=actor, now=moment)
    moved = _replan_clocks(cycle, document)
    bump_revision(incident)
    _record(incident, old, plan, moved, actor=actor, reason=text, now=moment)
    # What was diagnosed before may mean more under the new playbook.
    follow_diagnosis(incident_id=incident.pk, now=moment)
    return plan


def _planned(item: ChecklistItem) -> PlannedItem:
    document = document_of(item.playbook_version)
    planned = next(asked for asked in document.checklist if asked.key == item.key)
    return PlannedItem(planned, ItemState(item.state))


def _replan_items(
    cycle: Cycle,
    items: list[ChecklistItem],
    plan: ReclassificationPlan,
    version: PlaybookVersion,
    *,
    actor: Actor,
    now: dt.datetime,
) -> None:
    dropped = {kept.item.key for kept in (*plan.close, *plan.carried)}
    places = {entry["key"]: n for n, entry in enumerate(version.document["checklist"])}
    for item in items:
        if item.key in dropped:
            item.retired_at = now
            item.save(update_fields=["retired_at"])
            note = f"Not asked by {version}"
            add_entry_to_item(
                item, EntryAction.RETIRED, actor=actor, now=now, note=note
            )
        else:
            _ask(item, version, places[item.key])
    wanted = {places[added.key]: added for added in plan.add}
    restored = _restore(cycle, version, wanted, actor=actor, now=now)
    add_items(
        cycle,
        version,
        [(place, added) for place, added in wanted.items() if place not in restored],
    )


def _ask(item: ChecklistItem, version: PlaybookVersion, position: int) -> None:
    item.playbook_version, item.position, item.retired_at = version, position, None
    item.save(update_fields=["playbook_version", "position", "retired_at"])


def _restore(
    cycle: Cycle,
    version: PlaybookVersion,
    wanted: dict[int, PlaybookItem],
    *,
    actor: Actor,
    now: dt.datetime,
) -> set[int]:
    """Ask again for the same items that were retired earlier; return their places."""
    contents = version.document["checklist"]
    keys = [added.key for added in wanted.values()]
    retired = list(cycle.checklist.filter(key__in=keys, retired_at__isnull=False))
    restored = set()
    for place in wanted:
        # The newest, where the same item was retired more than once.
        same = [item for item in retired if item.content == contents[place]]
        if same:
            newest = max(same, key=lambda item: item.pk)
            _ask(newest, version, place)
            add_entry_to_item(newest, EntryAction.RESTORED, actor=actor, now=now)
            restored.add(place)
    return restored


def _replan_clocks(cycle: Cycle, document: PlaybookDocument) -> dict[str, str | None]:
    """Set running clocks to the new figures; return the due times that moved.

    A clock that was breached stays breached, and a due time that the lead set stays.
    """
    moved: dict[str, str | None] = {}
    for phase in cycle.phases.all():
        target = document.target(phase.name)
        is_set = phase.completed_at or phase.breached_at or phase.due_set_by_id
        if is_set or phase.counted_from is None:
            continue
        if phase.target_seconds == target.target_seconds:
            continue
        start_clock(phase, target, counted_from=phase.counted_from)
        phase.save(update_fields=["counted_from", "target_seconds", "due_at"])
        moved[phase.phase] = phase.due_at.isoformat() if phase.due_at else None
    return moved


def _record(
    incident: Incident,
    old: PlaybookVersion,
    plan: ReclassificationPlan,
    moved: dict[str, str | None],
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    new = incident.playbook_version
    same = len(plan.keep) - len(plan.carried)
    lines = [
        f"**Reclassified from {old} to {new}**",
        f"Checklist: {same} kept, {len(plan.carried)} answered under the old class, "
        f"{len(plan.close)} open ones no longer asked, {len(plan.add)} new.",
    ]
    if moved:
        lines.append(f"Due times moved: {', '.join(moved)}.")
    record_change(
        incident,
        action="incident.reclassified",
        actor=actor,
        now=now,
        body="\n\n".join(lines),
        before={"class": str(old)},
        after={
            "revision": incident.revision,
            "class": str(new),
            "kept": [kept.item.key for kept in plan.keep],
            "retired": [closed.item.key for closed in plan.close],
            "added": [added.key for added in plan.add],
            "due_at": moved,
        },
        reason=reason,
    )
