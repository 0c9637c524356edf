"""Work that the workers gave up: found, and asked for once more by an administrator."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import record_entry
from evidence.errors import EvidenceConflict, EvidenceNotFound
from evidence.models import QueuedWork, WorkState
from evidence.queue.running import queue_work, registered_kinds

OPERATE = "incidents.retry_notification"
"""Who keeps the installation may send again what came to nothing."""
SHOWN_FOR = dt.timedelta(days=30)
SHOWN_ROWS = 50
OWN_FIELDS = frozenset(
    {"id", "result", *(field.name for field in QueuedWork._meta.local_fields)}
)


def find_given_up(*, now: dt.datetime | None = None) -> list[QueuedWork]:
    """Return what was given up lately and not asked for again since, newest first."""
    since = (now or timezone.now()) - SHOWN_FOR
    found: list[QueuedWork] = []
    for kind in registered_kinds():
        rows = kind.model._default_manager.filter(
            state=WorkState.GAVE_UP, finished_at__gt=since
        ).order_by("-finished_at")
        found += [work for work in rows[:SHOWN_ROWS] if not _has_successor(work)]
    found.sort(key=lambda work: work.finished_at or since, reverse=True)
    return found[:SHOWN_ROWS]


@transaction.atomic
def repeat_work(
    *, work_type: str, pk: int, actor: Actor, now: dt.datetime | None = None
) -> QueuedWork:
    """Ask once more for what a piece was asked for that the workers gave up.

    `work_type` is the model's label, such as `evidence.exportrequest`.
    """
    require_permission(actor, OPERATE)
    moment = now or timezone.now()
    work = _find(work_type, pk)
    if not work.gave_up or _has_successor(work):
        raise EvidenceConflict(
            f"{work.noun} {pk} is not given up, or was asked for again: look at what "
            "became of it.",
            code="not_given_up",
        )
    # A constraint lets one piece of a kind wait for a thing. Who asks by another door
    # at this moment wins by it; the inner block keeps this transaction usable then.
    try:
        with transaction.atomic():
            repeated = type(work)._default_manager.create(
                **_asked_for(work),
                requested_by=actor,
                requested_at=moment,
                touched_at=moment,
            )
    except IntegrityError as error:
        raise EvidenceConflict(
            f"{work.noun} {pk} is being asked for again at this moment.",
            code="not_given_up",
        ) from error
    record_entry(
        action="work.repeated",
        actor=actor,
        obj=repeated,
        after={"repeats": work.pk},
        now=moment,
    )
    queue_work(repeated)
    return repeated


def _find(work_type: str, pk: int) -> QueuedWork:
    for kind in registered_kinds():
        if kind.model._meta.label_lower == work_type:
            # Two who ask at once: the second waits here, then finds the successor.
            work: QueuedWork | None = (
                kind.model._default_manager.select_for_update().filter(pk=pk).first()
            )
            if work is not None:
                return work
    raise EvidenceNotFound("There is no such piece of work.")


def _asked_for(work: QueuedWork) -> dict[str, Any]:
    """Return what a piece was asked for: its fields beside those of every kind."""
    return {
        field.attname: getattr(work, field.attname)
        for field in work._meta.concrete_fields
        if field.name not in OWN_FIELDS
    }


def _has_successor(work: QueuedWork) -> bool:
    """Return whether the same was asked for after it."""
    rows = type(work)._default_manager.filter(pk__gt=work.pk, **_asked_for(work))
    return bool(rows.exists())
