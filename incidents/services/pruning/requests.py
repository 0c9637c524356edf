"""Asking for a case to be pruned, and the decision of a second person.

An administrator asks; a reviewer who is somebody else approves or declines. What was in
the way is judged at both, and again by the worker before each step.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.queue.running import queue_work
from evidence.text import tidy_text
from incidents.errors import PruningRefused, TransitionError
from incidents.models import CaseArchive, Incident, PruneRequest, PruneRun, TimelineKind
from incidents.services.changes import (
    REVIEW,
    lock_incident,
    record_change,
    require_reason,
)
from incidents.services.pruning.plan import (
    PrunePlan,
    find_archive_obstacles,
    find_case_obstacles,
    plan_pruning,
)
from policy.models import RequestState
from policy.services.requests import RequestKind, decide_request

ASK = "incidents.request_pruning"


@transaction.atomic
def request_pruning(
    *, actor: User, incident_id: int, reason: str, now: dt.datetime | None = None
) -> PruneRequest:
    """Ask a reviewer to have a case pruned. Raise PruningRefused with all obstacles."""
    require_permission(actor, ASK)
    incident = lock_incident(incident_id, actor)
    moment, text = now or timezone.now(), require_reason(reason)
    pending = PruneRequest.objects.filter(
        incident=incident, state=RequestState.PENDING
    ).first()
    # One request at a time; one that waited too long ends here and makes room.
    if pending is not None and not PRUNING.lapse(pending.pk, now=moment):
        raise TransitionError(
            f"Pruning {incident.reference} is asked for already. It waits for a "
            "reviewer.",
            code="already_requested",
        )
    _require_none_running(incident)
    plan = plan_pruning(incident, now=moment)
    archive = _require_possible(plan)
    request = PruneRequest.objects.create(
        incident=incident,
        archive=archive,
        planned=plan.as_document(),
        reason=text,
        requested_at=moment,
        requested_by=actor,
    )
    record_pruning(request, "pruning.requested", actor, moment, reason=text)
    return request


@transaction.atomic
def approve_pruning(
    *, actor: User, request_id: int, reason: str = "", now: dt.datetime | None = None
) -> PruneRequest:
    """Approve a request and have a worker prune. Raise PruningRefused for obstacles."""
    require_permission(actor, REVIEW)
    moment = now or timezone.now()
    request = PRUNING.lock_waiting(request_id, now=moment)
    incident = request.incident
    require_no_obstacles(
        [
            *find_case_obstacles(incident, now=moment),
            *find_archive_obstacles(incident, request.archive, now=moment),
        ]
    )
    text = tidy_text(reason)
    decide_request(request, RequestState.APPROVED, actor=actor, reason=text, now=moment)
    run = PruneRun.objects.create(
        request=request,
        requested_by=request.requested_by,
        requested_at=moment,
        touched_at=moment,
    )
    record_pruning(request, "pruning.approved", actor, moment, reason=text)
    queue_work(run)
    return request


def decline_pruning(
    *, actor: User, request_id: int, reason: str, now: dt.datetime | None = None
) -> PruneRequest:
    """Decline a request to prune, with a reason."""
    return PRUNING.decline(request_id, actor=actor, reason=reason, now=now)


def withdraw_pruning(
    *, actor: User, request_id: int, reason: str = "", now: dt.datetime | None = None
) -> PruneRequest:
    """Take back one's own request to prune."""
    return PRUNING.withdraw(request_id, actor=actor, reason=reason, now=now)


def lapse_pruning(*, now: dt.datetime | None = None) -> int:
    """End the requests that nobody decided in time; return how many there were."""
    return PRUNING.lapse_late(now=now or timezone.now())


def require_no_obstacles(obstacles: list[str] | tuple[str, ...]) -> None:
    """Raise PruningRefused with everything that is in the way."""
    if obstacles:
        raise PruningRefused(" ".join(obstacles))


def _require_possible(plan: PrunePlan) -> CaseArchive:
    """Return the archive to prune by. Raise PruningRefused with all obstacles."""
    if plan.archive is None or plan.obstacles:
        require_no_obstacles(plan.obstacles)
        raise PruningRefused("There is no archive to prune by.")
    return plan.archive


def record_pruning(
    request: PruneRequest,
    action: str,
    actor: Actor,
    now: dt.datetime,
    *,
    reason: str = "",
    body: str = "",
    after: dict[str, Any] | None = None,
) -> None:
    """Write the entry of a step of pruning; it names the archive that has it all."""
    said = action.partition(".")[2]
    record_change(
        request.incident,
        action=action,
        actor=actor,
        now=now,
        kind=TimelineKind.DECISION,
        body=body or f"**Pruning {said}**",
        after={
            "request": request.pk,
            "archive": request.archive_id,
            "archive_sha256_hex": request.archive.sha256_hex,
            "planned": request.planned,
            **(after or {}),
        },
        reason=reason,
    )


def _record_decision(
    request: PruneRequest, action: str, actor: Actor, now: dt.datetime
) -> None:
    record_pruning(request, action, actor, now, reason=request.decision_reason)


def _lock_case(request: PruneRequest) -> Incident:
    return lock_incident(request.incident_id)


PRUNING = RequestKind(
    PruneRequest,
    lock_subject=_lock_case,
    actions={
        RequestState.DECLINED: "pruning.declined",
        RequestState.WITHDRAWN: "pruning.withdrawn",
        RequestState.LAPSED: "pruning.lapsed",
    },
    record=_record_decision,
    asking=ASK,
    deciding=REVIEW,
    tidy_reason=require_reason,
)


def _require_none_running(incident: Incident) -> None:
    running = PruneRun.objects.filter(
        request__incident=incident, finished_at__isnull=True
    )
    if running.exists():
        raise TransitionError(
            f"{incident.reference} is being pruned already, as was approved.",
            code="already_running",
        )
