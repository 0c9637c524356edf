"""The case that evidence belongs to, known here only by the model's string."""

import datetime as dt
from typing import Any

from evidence.accounts.access import Actor
from evidence.models import EvidenceItem
from evidence.models.case_bound import shown_to


def incident_model() -> Any:
    """Return the model of cases, without importing the app above."""
    return EvidenceItem._meta.get_field("incident").related_model


def lock_case(incident_id: int, actor: Actor = None) -> None:
    """Make others who change the case's evidence wait until this transaction ends.

    Raise DoesNotExist where there is no such case, or none that the actor may see.

    The case's row stands for its items: theirs are append-only, and PostgreSQL locks
    only rows that a role may change.
    """
    cases = incident_model().objects.select_for_update(no_key=True)
    shown_to(actor, cases).get(pk=incident_id)


def touch_case(incident_id: int, now: dt.datetime) -> None:
    """Move the last activity of a case forward to `now`, never back."""
    incident_model().objects.filter(pk=incident_id, last_activity_at__lt=now).update(
        last_activity_at=now
    )
