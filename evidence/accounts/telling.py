"""Telling people what happened to their own account.

Accounts stand below the notifications: who sends registers here, once, on start. The
sender writes into its outbox, in the caller's transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib.auth.models import User


@dataclass(frozen=True)
class AccountNotice:
    """What the owner of an account is told. `key` is told once, however often sent.

    `also_to` is an e-mail address beside the person's own: the one before a change.
    """

    person: User
    key: str
    headline: str
    at: dt.datetime
    also_to: str = ""


Tell = Callable[[AccountNotice], None]
_tellers: list[Tell] = []


def tell_owners_by(tell: Tell) -> None:
    """Have this function tell people; it runs inside the caller's transaction."""
    if tell not in _tellers:
        _tellers.append(tell)


def tell_owner(notice: AccountNotice) -> None:
    """Tell somebody of their account by everything that was registered."""
    for tell in _tellers:
        tell(notice)
