"""After a kill-all is lifted: one request for all that it holds, by two persons.

Each extension still makes its own move with its own row of history; what is asked and
decided together is only the wish.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone

from evidence.accounts.access import require_permission
from policy.errors import PolicyConflict, PolicyNotFound, PolicyRefused
from policy.models import (
    Extension,
    KillSwitch,
    PromotionRequest,
    RequestState,
    TrustTransition,
)
from policy.rules.kill_switch import KillSwitchScope, KillSwitchState
from policy.rules.trust import TrustState
from policy.services.changes import (
    REVIEW_POLICY,
    WORK_POLICY,
    clean_text,
    record_change,
    require_reason,
)
from policy.services.kill_switches import lock_kill_switch
from policy.services.promotions import PROMOTIONS, add_request, judge_promotion, promote
from policy.services.requests import (
    require_in_time,
    require_requester,
    require_undecided,
)
from policy.services.trust import has_active_kill_switch

NAMED_MAX = 5
OVERTAKEN = "Overtaken: a kill switch stops it."


def held_by(switch: KillSwitch) -> QuerySet[Extension]:
    """Return the extensions whose quarantine a kill-all made, and nothing since ended.

    One that was in quarantine before is not among them: it has another reason.
    """
    # By the newest move alone: a demotion since then is a reason of its own to stay.
    newest = TrustTransition.everything.filter(extension=OuterRef("pk")).order_by("-id")
    return (
        Extension.objects.filter(trust_state=TrustState.QUARANTINED)
        .annotate(held_by=Subquery(newest.values("kill_switch")[:1]))
        .filter(held_by=switch.pk)
        .order_by("pk")
    )


def pending_release(switch: KillSwitch) -> QuerySet[PromotionRequest]:
    """Return what waits of the one request for all that a kill-all holds."""
    rows = PromotionRequest.everything.filter(
        kill_switch=switch, state=RequestState.PENDING
    )
    return rows.select_related("extension", "requested_by").order_by("extension_id")


@transaction.atomic
def request_release(
    *, kill_switch_id: int, reason: str, actor: User, now: dt.datetime | None = None
) -> list[PromotionRequest]:
    """Ask a reviewer to put all that a lifted kill-all holds on probation.

    Left out are those with a request of their own, and those that another kill switch
    stops. Raise PolicyRefused where none is left.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    switch = _lock_lifted(kill_switch_id)
    text = require_reason(reason)
    asked = [
        add_request(
            extension,
            TrustState.PROBATION,
            reason=text,
            actor=actor,
            now=moment,
            kill_switch=switch,
        )
        for extension in _lock_held(switch)
        if _may_be_asked(extension, moment)
    ]
    if not asked:
        raise PolicyConflict(
            f"Nothing is left to release: kill switch {switch.pk} holds no extension "
            "that has no request and no other kill switch.",
            code="nothing_held",
        )
    _record(switch, "kill_switch.release_requested", actor, moment, text, len(asked))
    return asked


@transaction.atomic
def approve_release(
    *,
    kill_switch_id: int,
    actor: User,
    exception: str = "",
    now: dt.datetime | None = None,
) -> list[TrustTransition]:
    """Approve the one request and make all its moves, or none.

    `exception` is the reviewer's statement why open cases need not stand in the way.
    What another kill switch stops by now is left in quarantine, and its request ends.
    """
    require_permission(actor, REVIEW_POLICY)
    moment = now or timezone.now()
    switch, requests = _lock_pending(kill_switch_id, moment)
    statement = clean_text(exception)
    overtaken = [
        request for request in requests if has_active_kill_switch(request.extension)
    ]
    going = [request for request in requests if request not in overtaken]
    # All or none: every refusal is told before the first move is made.
    _require_all_allowed(going, actor, statement)
    for request in overtaken:
        PROMOTIONS.end(
            request, RequestState.WITHDRAWN, actor=actor, reason=OVERTAKEN, now=moment
        )
    moves = [
        promote(request, actor=actor, exception=statement, now=moment)
        for request in going
    ]
    action = "kill_switch.release_approved"
    _record(switch, action, actor, moment, statement, len(moves))
    return moves


@transaction.atomic
def decline_release(
    *, kill_switch_id: int, actor: User, reason: str, now: dt.datetime | None = None
) -> int:
    """Decline the one request, with a reason; return how many extensions it was for."""
    require_permission(actor, REVIEW_POLICY)
    moment = now or timezone.now()
    switch, requests = _lock_pending(kill_switch_id, moment)
    text = require_reason(reason)
    for request in requests:
        PROMOTIONS.end(
            request, RequestState.DECLINED, actor=actor, reason=text, now=moment
        )
    action = "kill_switch.release_declined"
    _record(switch, action, actor, moment, text, len(requests))
    return len(requests)


@transaction.atomic
def withdraw_release(
    *,
    kill_switch_id: int,
    actor: User,
    reason: str = "",
    now: dt.datetime | None = None,
) -> int:
    """Take back one's own request; return how many extensions it was for."""
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    switch, requests = _lock_pending(kill_switch_id, moment)
    text = clean_text(reason)
    for request in requests:
        require_requester(request, actor)
        PROMOTIONS.end(
            request, RequestState.WITHDRAWN, actor=actor, reason=text, now=moment
        )
    action = "kill_switch.release_withdrawn"
    _record(switch, action, actor, moment, text, len(requests))
    return len(requests)


def _lock_lifted(kill_switch_id: int) -> KillSwitch:
    """Return a lifted kill-all; it concerns, and so locks, every open case."""
    switch = lock_kill_switch(kill_switch_id)
    if switch.scope != KillSwitchScope.ALL:
        raise PolicyRefused(
            "This kill switch stops one extension: ask for its promotion on its page.",
            code="not_a_kill_all",
        )
    if switch.state is not KillSwitchState.LIFTED:
        raise PolicyConflict(
            "This kill switch still stands: have it lifted first.", code="not_lifted"
        )
    return switch


def _lock_held(switch: KillSwitch) -> list[Extension]:
    held = list(held_by(switch).values_list("pk", flat=True))
    rows = Extension.objects.select_for_update().filter(pk__in=held).order_by("pk")
    # Looked at again: who held the lock may have moved one on meanwhile.
    return [row for row in rows if row.trust_state == TrustState.QUARANTINED]


def _may_be_asked(extension: Extension, now: dt.datetime) -> bool:
    waiting = extension.promotion_requests.filter(state=RequestState.PENDING).first()
    if waiting is not None and not PROMOTIONS.lapse(waiting.pk, now=now):
        return False
    return not has_active_kill_switch(extension)


def _lock_pending(
    kill_switch_id: int, now: dt.datetime
) -> tuple[KillSwitch, list[PromotionRequest]]:
    """Return the switch and its pending requests, locked after their extensions."""
    switch = _lock_lifted(kill_switch_id)
    waiting = list(pending_release(switch).values_list("pk", "extension_id"))
    extensions = Extension.objects.filter(pk__in=[request for _, request in waiting])
    # Evaluated for the locks alone: extensions before their requests, in one order.
    list(extensions.select_for_update().order_by("pk").values_list("pk", flat=True))
    rows = PromotionRequest.everything.select_for_update(of=("self",))
    found = rows.filter(pk__in=[pk for pk, _ in waiting], state=RequestState.PENDING)
    requests = list(
        found.select_related("extension", "requested_by").order_by("extension_id")
    )
    if not requests:
        _refuse_nothing_pending(switch)
    for request in requests:
        require_in_time(request, now)
    return switch, requests


def _refuse_nothing_pending(switch: KillSwitch) -> None:
    newest = switch.release_requests.select_related("decided_by").first()
    if newest is not None:
        require_undecided(newest)
    raise PolicyNotFound(
        "No request for a release waits for a decision here. Reload the page to see "
        "how it stands.",
        code="no_such_request",
    )


def _require_all_allowed(
    requests: Iterable[PromotionRequest], actor: User, statement: str
) -> None:
    """Refuse with what stands in the way of which extension, all of it at once."""
    refused = []
    for request in requests:
        decision = judge_promotion(request, actor, statement)
        if not decision.allowed:
            refused.append((request.extension.extension_id, decision))
    if not refused:
        return
    lines = [
        f"{name}: {' '.join(refusal.message for refusal in decision.refusals)}"
        for name, decision in refused[:NAMED_MAX]
    ]
    more = len(refused) - NAMED_MAX
    raise PolicyRefused(
        " ".join(lines) + (f" And {more} more." if more > 0 else ""),
        code=refused[0][1].codes[0],
        refusals=refused[0][1].refusals,
    )


def _record(
    switch: KillSwitch,
    action: str,
    actor: User,
    now: dt.datetime,
    reason: str,
    count: int,
) -> None:
    record_change(
        switch,
        action=action,
        actor=actor,
        now=now,
        incident_id=switch.incident_id,
        reason=reason,
        after={"extensions": count, "case": switch.incident.reference},
    )
