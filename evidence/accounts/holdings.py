"""What a person holds: shown before they lose account or role, and handed over then.

Accounts stand below everything that people can hold. Apps register here, once, when
they start, so that nobody is switched off with work that nobody sees.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Model

from evidence.accounts.access import Actor


@dataclass(frozen=True)
class Held:
    """One thing that a person holds. `page` is the row whose page shows it."""

    what: str
    label: str
    page: Model


@dataclass(frozen=True)
class Holding:
    """A kind of work: who holds what, and how a successor takes all of it over.

    `permission` is what the work takes: who loses it holds work they may not do.
    `hand_over` takes the person, the successor, who acts, why and when. It refuses a
    successor who may not do the work.
    """

    permission: str
    list_held: Callable[[User], Iterable[Held]]
    hand_over: Callable[[User, User, Actor, str, dt.datetime], None]


_holdings: list[Holding] = []


def register_holding(holding: Holding) -> None:
    """Have this asked whenever somebody is switched off or loses a role."""
    if holding not in _holdings:
        _holdings.append(holding)


def list_held(person: User) -> list[Held]:
    """Return the work that this person holds and somebody else would have to do."""
    return [held for holding in _holdings for held in holding.list_held(person)]


def list_stranded(person: User) -> list[Held]:
    """Return the work that this person holds and may no longer do."""
    return [
        held
        for holding in _holdings
        if not person.has_perm(holding.permission)
        for held in holding.list_held(person)
    ]


def hand_over(
    person: User, successor: User, *, actor: Actor, reason: str, now: dt.datetime
) -> None:
    """Give what a person holds to a successor, inside the caller's transaction.

    Of somebody whose account stays on, only what they may no longer do.
    """
    for holding in _holdings:
        if not (person.is_active and person.has_perm(holding.permission)):
            holding.hand_over(person, successor, actor, reason, now)
