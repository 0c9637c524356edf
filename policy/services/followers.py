"""What the app of cases makes of an order, inside the order's own transaction.

Policy stands below the cases and cannot call them. They register here, once, when the
apps start; so an order has one outcome, whichever door it came through.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from evidence.access import Actor
from policy.models import KillSwitch

Follower = Callable[[KillSwitch, Actor, dt.datetime], None]
"""Takes the switch as it stands now, who acted, and when."""

_followers: list[Follower] = []


def follow_orders(follower: Follower) -> None:
    """Have this called whenever a kill switch was ordered, confirmed or lifted."""
    if follower not in _followers:
        _followers.append(follower)


def tell_followers(kill_switch_id: int, actor: Actor, now: dt.datetime) -> None:
    """Call every follower with the switch as its rows now say it stands."""
    switch = KillSwitch.objects.with_people().get(pk=kill_switch_id)
    for follower in _followers:
        follower(switch, actor, now)
