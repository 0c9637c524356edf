"""Trust: moves by one person, promotions by two, and the state at any moment."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from policy.errors import PolicyConflict, PolicyRefused
from policy.models import (
    Extension,
    KillSwitch,
    PromotionRequest,
    RequestState,
    TrustTransition,
)
from policy.rules.kill_switch import KillSwitchScope
from policy.rules.trust import (
    TrustState,
    needs_reviewer,
    require_transition,
)
from policy.services.changes import (
    WORK_POLICY,
    record_change,
    require_reason,
)
from policy.services.concerned_cases import (
    lock_cases,
    lock_extension,
    lock_incident,
    open_cases_of,
)
from policy.services.requests import RequestKind


def current_state(extension: Extension) -> TrustState:
    """Return the state that the history ends in; it, and not the copy, is the truth."""
    newest = extension.trust_transitions.order_by("-id").first()
    return TrustState(newest.to_state) if newest else TrustState.UNKNOWN


def trust_state_at(extension: Extension, moment: dt.datetime) -> TrustState:
    """Return the trust state at an aware moment; unknown before the first move."""
    # Of every move, wherever it was made: the state is the extension's own.
    moves = TrustTransition.everything.filter(extension=extension)
    newest = moves.filter(moved_at__lte=moment).order_by("-moved_at", "-id").first()
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
        lock_incident(incident_id, actor)
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


def has_active_kill_switch(extension: Extension) -> bool:
    """Return whether a kill switch stops the extension, by name or by stopping all."""
    return KillSwitch.everything.active().covering(extension).exists()


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
    switch = KillSwitch.everything.active().filter(scope=KillSwitchScope.ALL).first()
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
