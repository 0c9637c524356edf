"""Who takes over what a person led and owned, when they lose their account or role."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from django.contrib.auth.models import User
from django.db.models import QuerySet

from evidence.accounts.access import Actor, name_of
from evidence.accounts.holdings import Held
from evidence.audit.history import incident_stream, record_entry
from evidence.errors import PersonError
from incidents.models import ActionItem, ChecklistItem, Incident, TimelineKind
from incidents.models.checklists import EntryAction
from incidents.services.changes import WORK, bump_revision, lock_incident, record_change
from incidents.services.checklist_entries import add_entry_to_item
from incidents.services.notifications.outbox import notify_assignment


def list_work(person: User) -> Iterator[Held]:
    """Yield the open cases, checklist items and action items that somebody holds."""
    for case in _cases(person):
        yield Held("Leads a case", f"{case.reference} {case.title}", case)
    for item in _items(person).select_related("cycle__incident"):
        case = item.cycle.incident
        yield Held("Checklist item", f"{case.reference} {item.text}", case)
    for row in _action_items(person).select_related("incident"):
        yield Held("Action item", f"{row.incident.reference} {row.text}", row)


def hand_over_work(
    person: User, successor: User, actor: Actor, reason: str, now: dt.datetime
) -> None:
    """Give the work to a successor who may do it; case by case, each recorded."""
    if successor == person or not (successor.is_active and successor.has_perm(WORK)):
        raise PersonError(
            f"{name_of(successor)} cannot take over: choose somebody else who works "
            "cases and whose account is on.",
            code="successor_refused",
            field="successor",
        )
    concerned = {
        *_cases(person).values_list("pk", flat=True),
        *_items(person).values_list("cycle__incident", flat=True),
        *_action_items(person).values_list("incident", flat=True),
    }
    # In the one order of cases: two people may leave at once, with cases in common.
    for pk in sorted(concerned):
        incident = lock_incident(pk)
        taken = [
            *_take_lead(incident, person, successor),
            *_take_items(incident, person, successor, actor=actor, now=now),
            *_take_action_items(incident, person, successor),
        ]
        _record(incident, person, successor, taken, actor=actor, reason=reason, now=now)


def _take_lead(incident: Incident, person: User, successor: User) -> list[str]:
    if incident.lead_id != person.pk or not incident.is_open:
        return []
    incident.lead = successor
    incident.save(update_fields=["lead"])
    bump_revision(incident)
    return ["the lead"]


def _take_items(
    incident: Incident,
    person: User,
    successor: User,
    *,
    actor: Actor,
    now: dt.datetime,
) -> list[str]:
    rows = _items(person).filter(cycle__incident=incident)
    names = []
    for item in rows.select_for_update(of=("self",)):
        item.assignee = successor
        item.save(update_fields=["assignee"])
        add_entry_to_item(item, EntryAction.ASSIGNED, actor=actor, now=now)
        record_entry(
            streams=[incident_stream(incident.pk)],
            action="checklist.assigned",
            actor=actor,
            obj=item,
            before={"assignee": name_of(person)},
            after={"assignee": name_of(successor)},
            now=now,
        )
        names.append(f"checklist item {item.key}")
    return names


def _take_action_items(incident: Incident, person: User, successor: User) -> list[str]:
    names = []
    rows = _action_items(person).filter(incident=incident)
    for row in rows.select_for_update(of=("self",)):
        row.owner = successor
        row.revision += 1
        row.save(update_fields=["owner", "revision"])
        names.append(f"action item {row.pk}")
    return names


def _record(
    incident: Incident,
    person: User,
    successor: User,
    taken: list[str],
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    if not taken:
        return
    record_change(
        incident,
        action="incident.handed_over",
        actor=actor,
        now=now,
        kind=TimelineKind.DECISION,
        body=f"**{name_of(successor)} takes over from {name_of(person)}**: "
        + ", ".join(taken),
        before={"held_by": name_of(person)},
        after={"held_by": name_of(successor), "taken": taken},
        reason=reason,
    )
    notify_assignment(
        actor=actor,
        assignee=successor,
        incident=incident,
        what="You take over work on this case",
        key=f"handover:{person.pk}:{now.isoformat()}",
        now=now,
    )


def _cases(person: User) -> QuerySet[Incident]:
    return Incident.objects.open().filter(lead=person).order_by("pk")


def _items(person: User) -> QuerySet[ChecklistItem]:
    rows = ChecklistItem.objects.waiting().filter(assignee=person)
    return rows.filter(cycle__incident__in=Incident.objects.open()).order_by("pk")


def _action_items(person: User) -> QuerySet[ActionItem]:
    return ActionItem.objects.open().filter(owner=person).order_by("pk")
