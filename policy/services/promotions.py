"""Promotions: requested, judged by a second person, carried out."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import require_permission
from policy.errors import PolicyConflict, PolicyRefused, require_allowed
from policy.models import (
    Extension,
    KillSwitch,
    PromotionRequest,
    RequestState,
    TrustTransition,
)
from policy.rules.decisions import Decision
from policy.rules.trust import (
    TransitionFacts,
    TrustState,
    decide_transition,
    needs_reviewer,
    require_transition,
)
from policy.services.changes import (
    REVIEW_POLICY,
    WORK_POLICY,
    clean_text,
    record_change,
    require_reason,
)
from policy.services.concerned_cases import (
    lock_cases,
    lock_extension,
    lock_incident,
    open_case_references,
    open_cases_of,
)
from policy.services.requests import decide_request
from policy.services.trust import (
    PROMOTIONS,
    add_transition,
    current_state,
    has_active_kill_switch,
)


@transaction.atomic
def request_promotion(
    *,
    extension_pk: int,
    to_state: TrustState,
    reason: str,
    actor: User,
    incident_id: int | None = None,
    now: dt.datetime | None = None,
) -> PromotionRequest:
    """Ask a reviewer for a promotion: out of quarantine to probation, or to trusted.

    Whether a kill switch or an open case stands against it is judged at the approval.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    lock_cases(incident_id, extension_pk)
    if incident_id is not None:
        lock_incident(incident_id, actor)
    extension = lock_extension(extension_pk)
    from_state = current_state(extension)
    require_transition(from_state, to_state)
    if not needs_reviewer(from_state, to_state):
        raise PolicyRefused(
            f"{from_state} to {to_state} needs no reviewer: make the move.",
            code="reviewer_not_needed",
        )
    _require_none_pending(extension, moment)
    return add_request(
        extension,
        to_state,
        reason=require_reason(reason),
        actor=actor,
        incident_id=incident_id,
        now=moment,
    )


def add_request(
    extension: Extension,
    to_state: TrustState,
    *,
    reason: str,
    actor: User,
    now: dt.datetime,
    incident_id: int | None = None,
    kill_switch: KillSwitch | None = None,
) -> PromotionRequest:
    """Write a request that was judged already, under the lock of the extension.

    `kill_switch` is the lifted kill-all that it is a part of the release of.
    """
    request = PromotionRequest.objects.create(
        extension=extension,
        to_state=to_state,
        reason=reason,
        incident_id=incident_id,
        requested_at=now,
        requested_by=actor,
        kill_switch=kill_switch,
    )
    record_change(
        request,
        action="promotion.requested",
        actor=actor,
        now=now,
        incident_id=incident_id,
        extensions=(extension,),
        told=open_cases_of(extension.pk).values_list("pk", flat=True),
        reason=request.reason,
        after={"from": extension.trust_state, "to": str(to_state)},
    )
    return request


@transaction.atomic
def approve_promotion(
    *,
    request_id: int,
    actor: User,
    reason: str = "",
    exception: str = "",
    now: dt.datetime | None = None,
) -> TrustTransition:
    """Approve a promotion and make the move.

    `exception` is the reviewer's statement why open cases need not stand in the way.
    Raise PolicyRefused with every reason against it.
    """
    require_permission(actor, REVIEW_POLICY)
    moment = now or timezone.now()
    request = PROMOTIONS.lock_waiting(request_id, now=moment)
    statement = clean_text(exception)
    # Judged now and not at the request: a kill switch or a case may have come since.
    require_allowed(judge_promotion(request, actor, statement))
    return promote(
        request,
        actor=actor,
        reason=clean_text(reason),
        exception=statement,
        now=moment,
    )


def judge_promotion(
    request: PromotionRequest, reviewer: User, exception: str
) -> Decision:
    """Return whether a reviewer may approve a request now; call it under the locks."""
    extension = request.extension
    return decide_transition(
        TransitionFacts(
            from_state=current_state(extension),
            to_state=TrustState(request.to_state),
            reason=request.reason,
            requested_by=str(request.requested_by_id),
            approved_by=str(reviewer.pk),
            approver_is_reviewer=True,
            kill_switch_active=has_active_kill_switch(extension),
            open_cases=open_case_references(extension),
            open_case_exception=exception,
        )
    )


def promote(
    request: PromotionRequest,
    *,
    actor: User,
    exception: str,
    now: dt.datetime,
    reason: str = "",
) -> TrustTransition:
    """Approve a request that was judged, and make its move, under the locks."""
    extension = request.extension
    decide_request(request, RequestState.APPROVED, actor=actor, reason=reason, now=now)
    return add_transition(
        extension,
        current_state(extension),
        TrustState(request.to_state),
        reason=request.reason,
        actor=request.requested_by,
        approved=request,
        exception=exception if open_case_references(extension) else "",
        incident_id=request.incident_id,
        now=now,
    )


def decline_promotion(
    *, request_id: int, actor: User, reason: str, now: dt.datetime | None = None
) -> PromotionRequest:
    """Decline a promotion, with a reason."""
    return PROMOTIONS.decline(request_id, actor=actor, reason=reason, now=now)


def withdraw_promotion(
    *, request_id: int, actor: User, reason: str = "", now: dt.datetime | None = None
) -> PromotionRequest:
    """Take back one's own request for a promotion."""
    return PROMOTIONS.withdraw(request_id, actor=actor, reason=reason, now=now)


def _require_none_pending(extension: Extension, now: dt.datetime) -> None:
    waiting = extension.promotion_requests.filter(state=RequestState.PENDING).first()
    if waiting is not None and not PROMOTIONS.lapse(waiting.pk, now=now):
        raise PolicyConflict(
            f"A promotion of {extension.extension_id} is requested already: it waits "
            "for a reviewer.",
            code="already_requested",
        )
