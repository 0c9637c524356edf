"""What the app of cases makes of an order, inside the order's own transaction.

Policy stands below the cases and cannot call them. They register here, once, when the
apps start; so an order has one outcome by every way in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from evidence.accounts.access import Actor
from policy.models import KillSwitch, Rollback

RollbackFollower = Callable[[Rollback, Actor, dt.datetime], None]
"""Takes the rollback as it was just proved, who gave the proof, and when."""
Follower = Callable[[KillSwitch, Actor, dt.datetime], None]
"""Takes the switch as it stands now, who acted, and when."""

_followers: list[Follower] = []
_rollback_followers: list[RollbackFollower] = []


def follow_orders(follower: Follower) -> None:
    """Have this called whenever a kill switch was ordered, confirmed or lifted."""
    if follower not in _followers:
        _followers.append(follower)


def tell_followers(kill_switch_id: int, actor: Actor, now: dt.datetime) -> None:
    """Call every follower with the switch as its rows now say it stands."""
    switch = KillSwitch.objects.with_people().get(pk=kill_switch_id)
    for follower in _followers:
        follower(switch, actor, now)


def follow_rollbacks(follower: RollbackFollower) -> None:
    """Have this called whenever a proof of a rollback was given."""
    if follower not in _rollback_followers:
        _rollback_followers.append(follower)


def tell_of_rollback(rollback: Rollback, actor: Actor, now: dt.datetime) -> None:
    """Call every follower with a rollback whose proof was just judged."""
    for follower in _rollback_followers:
        follower(rollback, actor, now)
