"""What a duplicate leaves to its original: its alerts and its evidence, in one go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.models import EvidenceItem
from evidence.services.taking_over import Door, find_not_held, take_over_evidence
from incidents.errors import IncidentClosed, TransitionError
from incidents.models import Alert, Incident, TimelineKind
from incidents.services.alerts.moves import move_alerts
from incidents.services.changes import (
    REVIEW,
    lock_cases,
    record_change,
    require_reason,
)
from incidents.services.lifecycle.duplicates import find_duplicates, find_original

SHOWN_NAMES = 10


@dataclass(frozen=True)
class Leftovers:
    """What a duplicate holds that its original does not."""

    duplicate: Incident
    alerts: int
    evidence: int

    def __bool__(self) -> bool:
        return bool(self.alerts or self.evidence)

    def __str__(self) -> str:
        return f"{self.duplicate.reference}: {count_words(self.alerts, self.evidence)}"


@dataclass(frozen=True)
class TakenOver:
    """What was taken over, and into which case."""

    original: Incident
    alerts: Sequence[Alert]
    evidence: Sequence[EvidenceItem]

    def __str__(self) -> str:
        what = count_words(len(self.alerts), len(self.evidence))
        return f"{self.original.reference} took over {what}."


def count_words(alerts: int, evidence: int) -> str:
    """Return both numbers in words."""
    return (
        f"{alerts} alert{'' if alerts == 1 else 's'} and "
        f"{evidence} item{'' if evidence == 1 else 's'} of evidence"
    )


def find_leftovers(incident: Incident) -> list[Leftovers]:
    """Return what can be taken over: by an open case, or from a duplicate of one."""
    if incident.is_open:
        copies = Incident.objects.filter(pk__in=find_duplicates(incident.pk))
        found = [_leftovers(copy, incident) for copy in copies.order_by("pk")]
    else:
        original = find_original(incident)
        is_open = original is not None and original.is_open
        found = [_leftovers(incident, original)] if original and is_open else []
    return [leftover for leftover in found if leftover]


@transaction.atomic
def take_over(
    *,
    actor: User,
    duplicate_id: int,
    reason: str,
    door: Door,
    now: dt.datetime | None = None,
) -> TakenOver:
    """Give a duplicate's alerts and evidence to its original; return what was given.

    The original is the case at the end of the chain, where it is a duplicate itself,
    and has to be open. Alerts move; evidence stays with the duplicate as well, since
    what a closed case rested on does not change. Only a reviewer does it.
    """
    require_permission(actor, REVIEW)
    moment, why = now or timezone.now(), require_reason(reason)
    duplicate, original = _lock(duplicate_id, actor=actor)
    left = _leftovers(duplicate, original)
    if not left:
        raise TransitionError(
            f"{original.reference} holds everything that {duplicate.reference} has: "
            "nothing is left to take over.",
            code="nothing_to_take_over",
        )
    alerts = move_alerts(
        actor=actor,
        alert_ids=list(duplicate.alerts.values_list("pk", flat=True)),
        incident_id=original.pk,
        reason=why,
        now=moment,
    )
    items = take_over_evidence(
        from_incident_id=duplicate.pk,
        to_incident_id=original.pk,
        actor=actor,
        door=door,
        now=moment,
    )
    if items:
        _record(duplicate, original, items, actor=actor, reason=why, now=moment)
    return TakenOver(original, alerts, items)


def _leftovers(duplicate: Incident, original: Incident) -> Leftovers:
    return Leftovers(
        duplicate=duplicate,
        alerts=duplicate.alerts.count(),
        evidence=find_not_held(duplicate.pk, original.pk).count(),
    )


def _lock(duplicate_id: int, *, actor: Actor) -> tuple[Incident, Incident]:
    """Return the duplicate and its original, locked; raise where there is none."""
    found = find_original(Incident.objects.get(pk=duplicate_id))
    locked = lock_cases({duplicate_id, *([found.pk] if found else [])}, actor)
    duplicate = locked[duplicate_id]
    # Once more under the lock: it may have been reopened meanwhile.
    original = find_original(duplicate)
    if original is None or original.pk not in locked:
        raise TransitionError(
            f"{duplicate.reference} is no duplicate of another case: close it as one "
            "first, or move its alerts by themselves.",
            code="not_a_duplicate",
        )
    if not original.is_open:
        raise IncidentClosed(
            f"{original.reference} is closed: reopen it, then take over what "
            f"{duplicate.reference} holds."
        )
    return duplicate, locked[original.pk]


def _record(
    duplicate: Incident,
    original: Incident,
    items: Sequence[EvidenceItem],
    *,
    actor: User,
    reason: str,
    now: dt.datetime,
) -> None:
    """Write to both timelines which evidence the original holds from now on."""
    what = f"{len(items)} item{'' if len(items) == 1 else 's'} of evidence"
    names = ", ".join(
        f"`{item.shown_name.replace('`', '')}`" for item in items[:SHOWN_NAMES]
    )
    more = len(items) - SHOWN_NAMES
    listed = f"{names} and {more} more" if more > 0 else names
    after = {
        "from": duplicate.reference,
        "to": original.reference,
        "items": {item.original_name: item.sha256_hex for item in items},
    }
    for case, said in (
        (original, f"**{what} taken over from {duplicate.reference}**: {listed}"),
        (duplicate, f"**{original.reference} took over {what}**: {listed}"),
    ):
        record_change(
            case,
            action="evidence.taken_over",
            actor=actor,
            now=now,
            body=said,
            kind=TimelineKind.EVIDENCE,
            after=after,
            reason=reason,
        )
