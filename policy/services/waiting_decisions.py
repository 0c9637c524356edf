"""What waits for a reviewer of policy, with who may decide each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model
from django.utils import timezone

from policy.models import (
    Extension,
    KillSwitch,
    LiftRequest,
    PromotionRequest,
    RequestState,
    Rollback,
    RollbackState,
)
from policy.services.lifts import LIFTS
from policy.services.promotions import PROMOTIONS
from policy.services.requests import REQUEST_LIFETIME, RequestKind, lapses_at
from policy.services.rollbacks import ROLLBACKS

UNDECIDED: dict[type[Model], tuple[str, ...]] = {
    LiftRequest: (RequestState.PENDING,),
    PromotionRequest: (RequestState.PENDING,),
    Rollback: (RollbackState.PROPOSED,),
}
"""In which states a reviewer owes a decision, or did until it lapsed."""


class DecisionKind(StrEnum):
    """What is asked for."""

    LIFT = "lift"
    PROMOTION = "promotion"
    RELEASE = "release"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class WaitingDecision:
    """One decision that a reviewer owes.

    `key` names the request, the same however often it is listed. `subject` is the
    object whose page decides it: a kill switch, an extension or a rollback. `barred`
    are the IDs of people who asked or activated, and so cannot approve.
    `count` is how many extensions it is for. `incident_id` None: of no case.
    """

    kind: DecisionKind
    key: str
    text: str
    reason: str
    subject: KillSwitch | Extension | Rollback
    requested_by: User
    requested_at: dt.datetime
    lapses_at: dt.datetime
    barred: frozenset[int]
    incident_id: int | None = None
    count: int = 1


def list_waiting(*, now: dt.datetime | None = None) -> list[WaitingDecision]:
    """Return the requests that wait for a reviewer, oldest first.

    Three queries, however many there are. The many promotions of one request after a
    kill-all are one entry. What waited too long is left out, swept or not.
    """
    since = (now or timezone.now()) - REQUEST_LIFETIME
    found = [*_lifts(since), *_promotions(since), *_rollbacks(since)]
    return sorted(found, key=lambda waiting: waiting.requested_at)


def lapse_requests(*, now: dt.datetime | None = None) -> int:
    """End the requests that nobody decided in time; return how many there were."""
    moment = now or timezone.now()
    kinds: tuple[RequestKind[Any], ...] = (LIFTS, PROMOTIONS, ROLLBACKS)
    return sum(kind.lapse_late(now=moment) for kind in kinds)


def _lifts(since: dt.datetime) -> Iterator[WaitingDecision]:
    rows = LiftRequest.objects.filter(
        state=RequestState.PENDING, requested_at__gt=since
    ).select_related("kill_switch__extension", "kill_switch__incident", "requested_by")
    for row in rows:
        switch = row.kill_switch
        yield WaitingDecision(
            kind=DecisionKind.LIFT,
            key=f"lift:{row.pk}",
            text=f"Lift the {switch}",
            reason=row.reason,
            subject=switch,
            requested_by=row.requested_by,
            requested_at=row.requested_at,
            lapses_at=lapses_at(row),
            barred=frozenset({row.requested_by_id, switch.ordered_by_id}),
            incident_id=switch.incident_id,
        )


def _promotions(since: dt.datetime) -> Iterator[WaitingDecision]:
    rows = PromotionRequest.objects.filter(
        state=RequestState.PENDING, requested_at__gt=since
    ).select_related("extension", "kill_switch__incident", "requested_by")
    releases: dict[int, list[PromotionRequest]] = {}
    for row in rows.order_by("id"):
        if row.kill_switch_id is not None:
            releases.setdefault(row.kill_switch_id, []).append(row)
        else:
            text = f"Promote {row.extension.extension_id} to {row.to_state}"
            yield _promotion(DecisionKind.PROMOTION, row, row.extension, text)
    for group in releases.values():
        switch = group[0].kill_switch
        if switch is not None:
            text = f"Release what kill switch {switch.pk} holds, to probation"
            yield _promotion(
                DecisionKind.RELEASE, group[0], switch, text, count=len(group)
            )


def _rollbacks(since: dt.datetime) -> Iterator[WaitingDecision]:
    rows = Rollback.objects.filter(
        state=RollbackState.PROPOSED, requested_at__gt=since
    ).select_related("target_snapshot", "requested_by")
    for row in rows:
        yield WaitingDecision(
            kind=DecisionKind.ROLLBACK,
            key=f"rollback:{row.pk}",
            text=f"Roll back to {row.target_snapshot or 'safe defaults'}",
            reason=row.reason,
            subject=row,
            requested_by=row.requested_by,
            requested_at=row.requested_at,
            lapses_at=lapses_at(row),
            barred=frozenset({row.requested_by_id}),
            incident_id=row.incident_id,
        )


def _promotion(
    kind: DecisionKind,
    row: PromotionRequest,
    subject: KillSwitch | Extension,
    text: str,
    *,
    count: int = 1,
) -> WaitingDecision:
    switch = row.kill_switch
    return WaitingDecision(
        kind=kind,
        key=f"{kind}:{row.pk}",
        text=text,
        reason=row.reason,
        subject=subject,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        lapses_at=lapses_at(row),
        barred=frozenset({row.requested_by_id}),
        incident_id=row.incident_id or (switch.incident_id if switch else None),
        count=count,
    )
