"""Trust: moves by one person, promotions by two, and the state at any moment."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from policy.errors import PolicyConflict, PolicyRefused, require_allowed
from policy.models import (
    Extension,
    KillSwitch,
    PromotionRequest,
    RequestState,
    TrustTransition,
)
from policy.rules.decisions import Decision
from policy.rules.kill_switch import KillSwitchScope
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
from policy.services.requests import RequestKind, decide_request


def current_state(extension: Extension) -> TrustState:
    """Return the state that the history ends in; it, and not the copy, is the truth."""
    newest = extension.trust_transitions.order_by("-id").first()
    return TrustState(newest.to_state) if newest else TrustState.UNKNOWN


def trust_state_at(extension: Extension, moment: dt.datetime) -> TrustState:
    """Return the trust state at an aware moment; unknown before the first move."""
    newest = (
        extension.trust_transitions.filter(moved_at__lte=moment)
        .order_by("-moved_at", "-id")
        .first()
    )
    return TrustState(newest.to_state) if newest else TrustState.UNKNOWN


@transaction.atomic
def demote_extension(
    *,
    extension_pk: int,
    reason: str,
    actor: Actor,
    incident_id: int | None = None,
    now: dt.datetime | None = None,
) -> TrustTransition:
    """Quarantine an extension at once: one person is enough."""
    return move_trust(
        extension_pk=extension_pk,
        to_state=TrustState.QUARANTINED,
        reason=reason,
        actor=actor,
        incident_id=incident_id,
        now=now,
    )


@transaction.atomic
def move_trust(
    *,
    extension_pk: int,
    to_state: TrustState,
    reason: str,
    actor: Actor,
    incident_id: int | None = None,
    now: dt.datetime | None = None,
) -> TrustTransition:
    """Make a move that needs one person: a demotion, or unknown to probation.

    Raise TrustTransitionError for a move that does not exist, PolicyRefused for one
    that needs a reviewer: that one is asked for.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    lock_cases(incident_id, extension_pk)
    if incident_id is not None:
        lock_incident(incident_id)
    extension = lock_extension(extension_pk)
    # After the lock: a move that waited for another starts where that one ended.
    from_state = current_state(extension)
    require_transition(from_state, to_state)
    if needs_reviewer(from_state, to_state):
        raise PolicyRefused(
            f"{from_state} to {to_state} is a promotion, which a reviewer approves: "
            "request it.",
            code="reviewer_missing",
        )
    require_no_kill_switch(extension, to_state)
    return add_transition(
        extension,
        from_state,
        to_state,
        reason=require_reason(reason),
        actor=actor,
        incident_id=incident_id,
        now=moment,
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
        lock_incident(incident_id)
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


def has_active_kill_switch(extension: Extension) -> bool:
    """Return whether a kill switch stops the extension, by name or by stopping all."""
    return KillSwitch.objects.active().covering(extension).exists()


def require_no_kill_switch(extension: Extension, to_state: TrustState) -> None:
    """Refuse any move but a demotion while a kill switch is active."""
    if to_state is not TrustState.QUARANTINED and has_active_kill_switch(extension):
        raise PolicyConflict(
            f"A kill switch is active for {extension.extension_id}: have it lifted "
            "first.",
            code="kill_switch_active",
        )


def add_transition(
    extension: Extension,
    from_state: TrustState,
    to_state: TrustState,
    *,
    reason: str,
    actor: Actor,
    now: dt.datetime,
    incident_id: int | None = None,
    approved: PromotionRequest | None = None,
    exception: str = "",
    kill_switch: KillSwitch | None = None,
) -> TrustTransition:
    """Append a move that was judged already, under the lock of the extension.

    `actor` is who asks for it; `approved` is the request that a reviewer approved,
    where the move needs one; `kill_switch` is the order that made it. A demotion ends
    a request that waits: what it was asked for is no longer so.
    """
    approved_by = approved.decided_by if approved else None
    transition = TrustTransition.objects.create(
        extension=extension,
        from_state=from_state,
        to_state=to_state,
        reason=reason,
        incident_id=incident_id,
        moved_at=now,
        requested_by=actor,
        requested_by_name=name_of(actor),
        approved_by=approved_by,
        request=approved,
        exception=exception,
        kill_switch=kill_switch,
    )
    extension.trust_state = to_state.value
    extension.save(update_fields=["trust_state"])
    record_change(
        extension,
        action="trust.moved",
        actor=approved_by or actor,
        now=now,
        incident_id=incident_id,
        extensions=(extension,),
        told=open_cases_of(extension.pk).values_list("pk", flat=True),
        reason=reason,
        before={"trust_state": str(from_state)},
        after={
            "trust_state": str(to_state),
            "transition": transition.pk,
            "requested_by": transition.requested_by_name,
            "approved_by": name_of(approved_by) if approved_by else None,
            "exception": exception,
        },
    )
    if to_state is TrustState.QUARANTINED:
        _end_overtaken_requests(extension, actor, now)
    return transition


def hold_newcomer(extension_pk: int, *, now: dt.datetime) -> bool:
    """Quarantine an extension where a kill-all stands; tell whether it had to be.

    An order to stop all is of those that turn up later, too.
    """
    switch = KillSwitch.objects.active().filter(scope=KillSwitchScope.ALL).first()
    if switch is None:
        return False
    extension = lock_extension(extension_pk)
    state = current_state(extension)
    if state is TrustState.QUARANTINED:
        return False
    add_transition(
        extension,
        state,
        TrustState.QUARANTINED,
        reason=f"Kill switch {switch.pk} stops all extensions; this one was noted "
        "while it stands.",
        actor=None,
        now=now,
        kill_switch=switch,
    )
    return True


def _end_overtaken_requests(
    extension: Extension, actor: Actor, now: dt.datetime
) -> None:
    pending = extension.promotion_requests.filter(state=RequestState.PENDING)
    for request in pending.select_for_update():
        reason = "Overtaken: the extension was quarantined."
        PROMOTIONS.end(
            request, RequestState.WITHDRAWN, actor=actor, reason=reason, now=now
        )


def _require_none_pending(extension: Extension, now: dt.datetime) -> None:
    waiting = extension.promotion_requests.filter(state=RequestState.PENDING).first()
    if waiting is not None and not PROMOTIONS.lapse(waiting.pk, now=now):
        raise PolicyConflict(
            f"A promotion of {extension.extension_id} is requested already: it waits "
            "for a reviewer.",
            code="already_requested",
        )


def _lock_subject(request: PromotionRequest) -> None:
    lock_cases(request.incident_id, request.extension_id)
    lock_extension(request.extension_id)


def _record_decision(
    request: PromotionRequest, action: str, actor: Actor, now: dt.datetime
) -> None:
    record_change(
        request,
        action=action,
        actor=actor,
        now=now,
        incident_id=request.incident_id,
        extensions=(request.extension,),
        told=open_cases_of(request.extension_id).values_list("pk", flat=True),
        reason=request.decision_reason,
        after={"state": str(request.state), "to": request.to_state},
    )


PROMOTIONS = RequestKind(
    PromotionRequest,
    lock_subject=_lock_subject,
    actions={
        RequestState.DECLINED: "promotion.declined",
        RequestState.WITHDRAWN: "promotion.withdrawn",
        RequestState.LAPSED: "promotion.lapsed",
    },
    record=_record_decision,
)
