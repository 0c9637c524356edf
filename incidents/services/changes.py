"""What every service on a case does first and last: lock it, check it, record it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F

from evidence.accounts.access import Actor
from evidence.audit.history import incident_stream, record_entry
from evidence.models.case_bound import shown_to
from evidence.text import require_text
from incidents.errors import IncidentClosed, IncidentError, ReasonMissing
from incidents.models import Incident, TimelineKind
from incidents.services.timeline import add_entry

WORK = "incidents.work_incident"
REVIEW = "incidents.review_incident"


def lock_incident(incident_id: int, actor: Actor = None) -> Incident:
    """Return the case, locked until the transaction ends: the first act of a service.

    Raise Incident.DoesNotExist where there is none, or none that the actor may see.
    """
    return (
        shown_to(actor, Incident.objects.select_for_update(of=("self",)))
        .select_related("playbook_version__playbook", "lead", "team")
        .get(pk=incident_id)
    )


def lock_open_incident(incident_id: int, actor: Actor = None) -> Incident:
    """Return the case, locked; raise IncidentClosed where it is closed."""
    incident = lock_incident(incident_id, actor)
    if not incident.is_open:
        raise IncidentClosed(
            f"{incident.reference} is {incident.get_status_display().lower()}: a "
            "reviewer has to reopen it first."
        )
    return incident


def lock_cases(incident_ids: Iterable[int], actor: Actor = None) -> dict[int, Incident]:
    """Return cases by ID, locked in the one order that everybody keeps.

    Raise Incident.DoesNotExist where one is not there, or the actor may not see it.
    """
    # One by one: a query for all would lock them in the order of its plan.
    return {pk: lock_incident(pk, actor) for pk in sorted(set(incident_ids))}


def require_reason(reason: str) -> str:
    """Return the reason trimmed; raise ReasonMissing where there is none."""
    return require_text(reason, refusal=IncidentError, missing=ReasonMissing)


def require_worker(user: User | None) -> None:
    """Raise IncidentError unless this person can be given work on a case."""
    if user is not None and not (user.is_active and user.has_perm(WORK)):
        raise IncidentError(
            f"{user.get_username()} cannot be given work on a case. Choose an active "
            "responder or reviewer."
        )


def bump_revision(incident: Incident) -> None:
    """Count an edit, so that those who read the case before are told of it."""
    Incident.objects.filter(pk=incident.pk).update(revision=F("revision") + 1)
    incident.revision += 1


def record_change(
    incident: Incident,
    *,
    action: str,
    actor: Actor,
    now: dt.datetime,
    body: str,
    kind: TimelineKind = TimelineKind.STATE,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    phase: str | None = None,
) -> None:
    """Write the timeline entry and the audit entry of one change of a case."""
    add_entry(
        incident=incident,
        kind=kind,
        body=f"{body}\n\n{reason}" if reason else body,
        actor=actor,
        phase=incident.current_phase_name if phase is None else phase,
        now=now,
    )
    record_entry(
        streams=[incident_stream(incident.pk)],
        action=action,
        actor=actor,
        obj=incident,
        reason=reason,
        before=before,
        after=after,
        now=now,
    )
