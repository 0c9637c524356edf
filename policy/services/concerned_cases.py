"""What policy asks of a case, by relation: the app of cases is above this one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Q, QuerySet

from evidence.accounts.access import Actor
from evidence.models.case_bound import shown_to
from policy.errors import PolicyConflict, PolicyNotFound
from policy.models import Extension, KillSwitch

REMEDIATE = "remediate"
"""The phase from which on a kill switch may be lifted."""


def incident_model() -> Any:
    """Return the model of cases, which the relations name by a string."""
    return KillSwitch._meta.get_field("incident").related_model


def lock_incident(incident_id: int, actor: Actor = None) -> Any:
    """Return the case, locked until the transaction ends; refuse a missing one.

    One that the actor may not see is missing.
    """
    # No key: rows that point at the case can be written while this holds it.
    incidents: QuerySet[Any] = incident_model().objects.select_for_update(no_key=True)
    incident = shown_to(actor, incidents).filter(pk=incident_id).first()
    if incident is None:
        raise PolicyNotFound(
            f"There is no case {incident_id}. Name one that is here.",
            code="no_such_incident",
        )
    return incident


def find_free_incident(incident_id: int) -> Any:
    """Return the case, locked; None where somebody else holds it, or none is there."""
    incidents: QuerySet[Any] = incident_model().objects
    free = incidents.select_for_update(no_key=True, skip_locked=True)
    return free.filter(pk=incident_id).first()


def lock_open_incident(incident_id: int, actor: Actor = None) -> Any:
    """Return the case, locked; refuse a closed one."""
    incident = lock_incident(incident_id, actor)
    if incident.closed_at is not None:
        raise PolicyConflict(
            f"{incident.reference} is closed: open a case, or have a reviewer reopen "
            "this one.",
            code="incident_closed",
        )
    return incident


def open_cases_of(extension_pk: int | None) -> QuerySet[Any]:
    """Return the open cases that name an extension; for None, every open case.

    Those that the one who acts may not see hear of it as well.
    """
    cases: QuerySet[Any] = incident_model().everything.filter(closed_at__isnull=True)
    return cases if extension_pk is None else cases.filter(extensions=extension_pk)


def lock_cases(incident_id: int | None, extension_pk: int | None) -> list[int]:
    """Lock a case and the open cases that an order or a move concerns.

    Return the IDs of all of them. What happens to an extension is told in every open
    case that names it; all are locked in one order, before any extension is, so that
    two orders from two cases take turns instead of waiting for each other.
    """
    concerned = open_cases_of(extension_pk).values("pk")
    rows: QuerySet[Any] = incident_model().everything.filter(
        Q(pk=incident_id) | Q(pk__in=concerned)
    )
    locked = rows.select_for_update(no_key=True).order_by("pk")
    return list(locked.values_list("pk", flat=True))


def lock_extension(extension_pk: int) -> Extension:
    """Return the extension, locked until the transaction ends; refuse a missing one."""
    extension = Extension.objects.select_for_update().filter(pk=extension_pk).first()
    if extension is None:
        raise PolicyNotFound(
            f"There is no extension {extension_pk}: note it first.",
            code="no_such_extension",
        )
    return extension


def remediate_reached_at(incident: Any) -> dt.datetime | None:
    """Return when the case's current cycle reached REMEDIATE; None before that."""
    cycle = incident.current_cycle
    phase = next(
        (phase for phase in cycle.phases.all() if phase.phase == REMEDIATE), None
    )
    return phase.started_at if phase else None


def is_before_remediate(incident: Any) -> bool:
    """Return whether the case still has to reach REMEDIATE.

    A case that is closed has nothing left to reach: a reviewer ended it, with a reason.
    """
    return incident.closed_at is None and remediate_reached_at(incident) is None


def open_case_references(extension: Extension) -> tuple[str, ...]:
    """Return the references of the extension's open cases, oldest first."""
    cases: Any = extension.incidents
    found = cases.filter(closed_at__isnull=True).order_by("pk")
    return tuple(found.values_list("reference", flat=True))
