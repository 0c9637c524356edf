"""Editing a case, with an optimistic lock: the second to save overwrites nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any, TypedDict

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream
from evidence.lookalikes import quote_name
from evidence.models import AuditEntry
from incidents.errors import EditConflict, FieldChange, IncidentError
from incidents.models import Incident, Team
from incidents.services.changes import (
    WORK,
    bump_revision,
    lock_open_incident,
    record_change,
    require_reason,
    require_worker,
)
from incidents.services.lifecycle.opening import (
    clean_labels,
    clean_title,
    note_extensions,
)
from incidents.services.notifications.outbox import notify_assignment
from incidents.workflow.incident_states import Severity, raised_severity
from policy.services.extensions import require_typed_ids


class IncidentChanges(TypedDict, total=False):
    """The fields to set; what is left out stays as it is."""

    title: str
    severity: Severity
    lead: User | None
    team: Team | None
    labels: list[str]
    extension_ids: list[str]


FIELD_LABELS = {
    "title": "Title",
    "severity": "Severity",
    "lead": "Lead",
    "team": "Team",
    "labels": "Labels",
    "extensions": "Extensions",
    "class": "Class",
    "status": "Status",
    "tickets": "Tickets",
    "related": "Related incidents",
}


@transaction.atomic
def edit_incident(
    *,
    actor: Actor,
    incident_id: int,
    revision: int,
    changes: IncidentChanges,
    reason: str = "",
    now: dt.datetime | None = None,
) -> Incident:
    """Set the fields given, if nobody saved since `revision` was read.

    Raise EditConflict, which tells field by field what changed, where somebody did.
    A severity is lowered only with a reason.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id, actor)
    # By number, not by time: two saves within one tick of the clock differ too.
    if incident.revision != revision:
        raise _conflict(incident, revision, changes)
    return _apply(incident, changes, actor=actor, reason=reason, now=moment)


@transaction.atomic
def assign_lead(
    *, actor: Actor, incident_id: int, lead: User | None, now: dt.datetime | None = None
) -> Incident:
    """Make somebody the lead of a case, or nobody."""
    require_permission(actor, WORK)
    incident = lock_open_incident(incident_id, actor)
    changes = IncidentChanges(lead=lead)
    return _apply(incident, changes, actor=actor, reason="", now=now or timezone.now())


@transaction.atomic
def raise_severity(
    *,
    actor: Actor,
    incident_id: int,
    severity: Severity,
    reason: str,
    now: dt.datetime | None = None,
) -> Incident:
    """Raise a case to this severity; one that is as severe already stays as it is."""
    require_permission(actor, WORK)
    incident = lock_open_incident(incident_id, actor)
    worse = raised_severity(Severity(incident.severity), Severity(severity))
    if worse == incident.severity:
        return incident
    changes = IncidentChanges(severity=worse)
    return _apply(
        incident, changes, actor=actor, reason=reason, now=now or timezone.now()
    )


def field_texts(incident: Incident) -> dict[str, str]:
    """Return the editable fields as text, as history and conflicts show them."""
    return {
        "title": incident.title,
        "severity": incident.severity,
        "lead": incident.lead.get_username() if incident.lead else "",
        "team": incident.team.name if incident.team else "",
        "labels": ", ".join(incident.labels),
        "extensions": ", ".join(
            extension.extension_id for extension in incident.extensions.all()
        ),
    }


def _apply(
    incident: Incident,
    changes: IncidentChanges,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> Incident:
    before = field_texts(incident)
    _require_changes(incident, changes, reason)
    for name in ("title", "severity", "lead", "team", "labels"):
        if name in changes:
            setattr(incident, name, _cleaned(name, changes))
    incident.save(update_fields=["title", "severity", "lead", "team", "labels"])
    if "extension_ids" in changes:
        require_typed_ids(changes["extension_ids"])
        noted = note_extensions(incident, changes["extension_ids"], now)
        incident.extensions.set(noted)
    after = field_texts(incident)
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        bump_revision(incident)
        _record(incident, before, after, changed, actor=actor, reason=reason, now=now)
    if "lead" in changed:
        notify_assignment(
            actor=actor,
            assignee=incident.lead,
            incident=incident,
            what="You lead this case now",
            key=f"lead:{incident.revision}",
            now=now,
        )
    return incident


def _cleaned(name: str, changes: IncidentChanges) -> Any:
    value = changes[name]  # type: ignore[literal-required]
    if name == "title":
        return clean_title(value)
    if name == "labels":
        return clean_labels(value)
    return value


def _require_changes(incident: Incident, changes: IncidentChanges, reason: str) -> None:
    wanted = changes.get("severity")
    if wanted is not None and Severity(wanted).rank < Severity(incident.severity).rank:
        require_reason(reason)
    if "lead" in changes and changes["lead"] != incident.lead:
        require_worker(changes["lead"])
    is_emptied = "extension_ids" in changes and not changes["extension_ids"]
    if is_emptied and incident.extensions.exists():
        raise IncidentError(
            "The extension is missing. Name at least one.", field="extension_ids"
        )


def _record(
    incident: Incident,
    before: dict[str, str],
    after: dict[str, str],
    changed: list[str],
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    lines = [
        f"{FIELD_LABELS[name]}: {_shown(before[name])} → {_shown(after[name])}"
        for name in changed
    ]
    record_change(
        incident,
        action="incident.edited",
        actor=actor,
        now=now,
        body="  \n".join(lines),
        before={name: before[name] for name in changed},
        after={"revision": incident.revision} | {name: after[name] for name in changed},
        reason=reason.strip(),
    )


def _shown(text: str) -> str:
    return quote_name(text) if text else "nobody or nothing"


def _conflict(
    incident: Incident, revision: int, changes: IncidentChanges
) -> EditConflict:
    """Return what was saved since `revision`, from the case's own history."""
    edits = AuditEntry.objects.filter(
        stream=incident_stream(incident.pk), after__revision__gt=revision
    ).order_by("sequence")
    wanted = _wanted_texts(changes)
    current = field_texts(incident)
    merged: dict[str, FieldChange] = {}
    names: list[str] = []
    for edit in edits:
        names.append(edit.actor_name)
        for field, value in (edit.before or {}).items():
            if field not in merged:
                merged[field] = FieldChange(
                    field=field,
                    label=FIELD_LABELS.get(field, field),
                    before=str(value),
                    current=current.get(field, str((edit.after or {}).get(field, ""))),
                    wanted=wanted.get(field, ""),
                )
    people = ", ".join(dict.fromkeys(names)) or "somebody else"
    fields = ", ".join(change.label.lower() for change in merged.values())
    return EditConflict(
        f"{people} saved {incident.reference} since you opened it "
        f"({fields or 'other fields'}). Nothing of yours was saved: look at what "
        "changed and save again.",
        revision=incident.revision,
        changes=tuple(merged.values()),
        changed_by=people,
    )


def _wanted_texts(changes: IncidentChanges) -> dict[str, str]:
    texts: dict[str, str] = {}
    if "title" in changes:
        texts["title"] = changes["title"]
    if "severity" in changes:
        texts["severity"] = changes["severity"]
    if "lead" in changes:
        lead = changes["lead"]
        texts["lead"] = lead.get_username() if lead else ""
    if "team" in changes:
        team = changes["team"]
        texts["team"] = team.name if team else ""
    if "labels" in changes:
        texts["labels"] = ", ".join(changes["labels"])
    if "extension_ids" in changes:
        texts["extensions"] = ", ".join(changes["extension_ids"])
    return texts
