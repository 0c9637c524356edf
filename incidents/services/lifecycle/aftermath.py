"""What stays in force when a case ends: its kill switches, and who is in quarantine.

A false alarm or a duplicate leaves them behind for nobody to look at, so who
closes says what becomes of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.contrib.auth.models import User
from django.db.models import Q

from evidence.accounts.access import Actor
from incidents.errors import TransitionError
from incidents.models import Incident
from incidents.services.changes import lock_incident
from incidents.services.policy_records import read_switches
from policy.models import Extension, KillSwitch, RequestState
from policy.rules.trust import TrustState
from policy.services.lifts import request_lift
from policy.services.promotions import request_promotion


class Aftermath(StrEnum):
    """What becomes of the kill switches and quarantines of a case that ends."""

    STAY = "stay"
    RELEASE = "release"

    @property
    def label(self) -> str:
        return AFTERMATH_LABELS[self]


AFTERMATH_LABELS = {
    Aftermath.STAY: "They stay in force",
    Aftermath.RELEASE: "Ask a second reviewer to lift them and end the quarantine",
}


@dataclass(frozen=True)
class Standing:
    """What a case leaves in force: active kill switches of its own, and quarantines."""

    switches: tuple[KillSwitch, ...]
    quarantined: tuple[Extension, ...]

    def __bool__(self) -> bool:
        return bool(self.switches or self.quarantined)

    def __str__(self) -> str:
        parts = [f"{switch} ({switch.state.value})" for switch in self.switches]
        parts += [
            f"{extension.extension_id} in quarantine" for extension in self.quarantined
        ]
        return "; ".join(parts)


def find_standing(incident: Incident) -> Standing:
    """Return what is in force of a case's containment."""
    quarantined = [
        extension
        for extension in incident.extensions.all()
        if extension.trust_state == TrustState.QUARANTINED
    ]
    return Standing(read_switches(incident).given, tuple(quarantined))


def lock_with_neighbours(
    incident_id: int, *, actor: Actor, also: Collection[int] = ()
) -> Incident:
    """Lock a case, and in one order with it the open cases that its orders concern.

    `also` names further cases that hear of its end: duplicates, and an original.
    """
    own = Q(pk__in={incident_id, *also})
    stops_all = KillSwitch.everything.active().filter(
        incident=incident_id, extension__isnull=True
    )
    concerned = Incident.everything.open()
    if not stops_all.exists():
        shared = Extension.objects.filter(
            Q(incidents=incident_id) | Q(kill_switches__incident=incident_id)
        )
        concerned = concerned.filter(extensions__in=shared)
    # Every case that lifting or demoting may touch, in the one order and before any
    # extension: to find one later, with others locked, could wait in a circle.
    rows = Incident.everything.filter(own | Q(pk__in=concerned.values("pk")))
    list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))
    return lock_incident(incident_id, actor)


def require_answer(standing: Standing, aftermath: Aftermath | None) -> None:
    """Raise TransitionError where something stays in force and nobody said what of it.

    An answer where nothing stands is no fault: it says nothing.
    """
    if standing and aftermath is None:
        raise TransitionError(
            f"This case leaves in force: {standing}. Say what becomes of them: they "
            "stay, or a second reviewer is asked to lift them.",
            code="aftermath_missing",
        )


def settle(
    incident: Incident,
    standing: Standing,
    aftermath: Aftermath | None,
    *,
    reason: str,
    actor: User,
    now: dt.datetime,
) -> str:
    """Do what was answered; return what the timeline says of it, "" for nothing."""
    if not standing:
        return ""
    if aftermath is not Aftermath.RELEASE:
        return f"Stays in force: {standing}."
    for switch in standing.switches:
        if not switch.lift_requests.filter(state=RequestState.PENDING).exists():
            request_lift(kill_switch_id=switch.pk, reason=reason, actor=actor, now=now)
    for extension in standing.quarantined:
        pending = extension.promotion_requests.filter(state=RequestState.PENDING)
        if not pending.exists():
            request_promotion(
                extension_pk=extension.pk,
                to_state=TrustState.PROBATION,
                reason=reason,
                actor=actor,
                incident_id=incident.pk,
                now=now,
            )
    return f"A second reviewer is asked to release: {standing}."


def describe_unconfirmed(orders: Sequence[KillSwitch]) -> str:
    """Return what the timeline says of orders that nobody confirmed; "" for none."""
    if not orders:
        return ""
    names = "; ".join(str(order) for order in orders)
    return f"Closed with an order that is not confirmed: {names}."
