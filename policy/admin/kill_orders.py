"""Kill switches that are ordered and not confirmed, with what to run and to confirm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from policy.models import KillSwitch
from policy.rules.kill_switch import KillSwitchState, RuntimeInstruction
from policy.services.kill_switches import CONFIRM, instruction_for


@dataclass(frozen=True)
class OrderView:
    """An order that waits for its confirmation, as every page shows it.

    `waited` is the time since the order, which the page's script goes on counting.
    """

    switch: KillSwitch
    instruction: RuntimeInstruction
    waited: dt.timedelta
    can_confirm: bool


def order_views(
    switches: Iterable[KillSwitch], user: Any, *, now: dt.datetime | None = None
) -> list[OrderView]:
    """Return those of the switches that are ordered and not confirmed, as views."""
    moment = now or timezone.now()
    return [
        OrderView(
            switch=switch,
            instruction=instruction_for(switch),
            waited=moment - switch.ordered_at,
            can_confirm=user.has_perm(CONFIRM),
        )
        for switch in switches
        if switch.state is KillSwitchState.ORDERED
    ]
