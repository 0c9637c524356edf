"""Lifting kill switches: one asks, a reviewer who did not activate it approves."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from policy.errors import PolicyConflict, require_allowed
from policy.models import KillSwitch, KillSwitchLift, LiftRequest, RequestState
from policy.rules.kill_switch import (
    KillSwitchState,
    LiftFacts,
    decide_lift,
    require_kill_switch_move,
)
from policy.services.changes import (
    REVIEW_POLICY,
    WORK_POLICY,
    clean_text,
    record_change,
    require_reason,
)
from policy.services.concerned_cases import (
    is_before_remediate,
)
from policy.services.followers import tell_followers
from policy.services.kill_switches import extensions_of, lock_kill_switch, told_cases
from policy.services.requests import RequestKind, decide_request


@transaction.atomic
def request_lift(
    *, kill_switch_id: int, reason: str, actor: User, now: dt.datetime | None = None
) -> LiftRequest:
    """Ask a reviewer to have a kill switch lifted."""
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    switch = lock_kill_switch(kill_switch_id)
    require_kill_switch_move(switch.state, KillSwitchState.LIFTED)
    # One request at a time; one that waited too long ends here and makes room.
    waiting = switch.lift_requests.filter(state=RequestState.PENDING).first()
    if waiting is not None and not LIFTS.lapse(waiting.pk, now=moment):
        raise PolicyConflict(
            "A lift is requested already: it waits for a reviewer.",
            code="already_requested",
        )
    request = LiftRequest.objects.create(
        kill_switch=switch,
        reason=require_reason(reason),
        requested_at=moment,
        requested_by=actor,
    )
    _record(switch, "kill_switch.lift_requested", actor, moment, request.reason)
    return request


@transaction.atomic
def approve_lift(
    *,
    request_id: int,
    actor: User,
    exception: str = "",
    now: dt.datetime | None = None,
) -> KillSwitchLift:
    """Approve a lift and lift the kill switch. Trust stays where it is.

    `exception` is the reviewer's statement why it is lifted before the case reached
    REMEDIATE. Raise PolicyRefused with every reason against it.
    """
    require_permission(actor, REVIEW_POLICY)
    moment = now or timezone.now()
    request = LIFTS.lock_waiting(request_id, now=moment)
    switch = request.kill_switch
    # The switch came with the lock: a confirmation just before is seen here.
    state, statement = switch.state, clean_text(exception)
    is_early = is_before_remediate(switch.incident)
    require_allowed(
        decide_lift(
            LiftFacts(
                state=state,
                activated_by=str(switch.ordered_by_id),
                requested_by=str(request.requested_by_id),
                reason=request.reason,
                approved_by=str(actor.pk),
                approver_is_reviewer=True,
                case_before_remediate=is_early,
                exception=statement,
            )
        )
    )
    decide_request(
        request, RequestState.APPROVED, actor=actor, reason=statement, now=moment
    )
    # The request first: a trigger takes a lift only with one that is approved.
    lift = KillSwitchLift.objects.create(
        kill_switch=switch,
        request=request,
        reason=request.reason,
        exception=statement if is_early else "",
        lifted_at=moment,
        requested_by=request.requested_by,
        approved_by=actor,
    )
    _record(
        switch,
        "kill_switch.lifted",
        actor,
        moment,
        lift.reason,
        before={"state": str(state)},
        after={
            "state": str(KillSwitchState.LIFTED),
            "requested_by": request.requested_by.get_username(),
            "approved_by": actor.get_username(),
            "exception": lift.exception,
            "case": switch.incident.reference,
        },
    )
    tell_followers(switch.pk, actor, moment)
    return lift


def decline_lift(
    *, request_id: int, actor: User, reason: str, now: dt.datetime | None = None
) -> LiftRequest:
    """Decline a lift, with a reason."""
    return LIFTS.decline(request_id, actor=actor, reason=reason, now=now)


def withdraw_lift(
    *, request_id: int, actor: User, reason: str = "", now: dt.datetime | None = None
) -> LiftRequest:
    """Take back one's own request for a lift."""
    return LIFTS.withdraw(request_id, actor=actor, reason=reason, now=now)


def _record_decision(
    request: LiftRequest, action: str, actor: Actor, now: dt.datetime
) -> None:
    _record(request.kill_switch, action, actor, now, request.decision_reason)


LIFTS = RequestKind(
    LiftRequest,
    lock_subject=lambda request: lock_kill_switch(request.kill_switch_id),
    actions={
        RequestState.DECLINED: "kill_switch.lift_declined",
        RequestState.WITHDRAWN: "kill_switch.lift_withdrawn",
        RequestState.LAPSED: "kill_switch.lift_lapsed",
    },
    record=_record_decision,
)


def _record(
    switch: KillSwitch,
    action: str,
    actor: Actor,
    now: dt.datetime,
    reason: str,
    *,
    before: object = None,
    after: object = None,
) -> None:
    record_change(
        switch,
        action=action,
        actor=actor,
        now=now,
        incident_id=switch.incident_id,
        extensions=extensions_of(switch),
        told=told_cases(switch),
        reason=reason,
        before=before,
        after=after,
    )
