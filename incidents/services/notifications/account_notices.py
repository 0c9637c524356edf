"""Telling people what happened to their own account, through the outbox."""

from __future__ import annotations

from evidence.accounts.telling import AccountNotice
from incidents.models import NotificationKind
from incidents.services.notifications.outbox import Message, make_rows, write_down
from incidents.services.notifications.recipients import Audience, Target


def write_notice(notice: AccountNotice) -> None:
    """Write down what an account's owner is told, by each of their channels.

    Who has neither an address nor a channel reads it on their own page only. An
    address that was just changed is told as well: the new one may be a thief's.
    """
    message = Message(
        notice.key, NotificationKind.ACCOUNT, notice.headline, None, notice.at
    )
    targets = [
        target
        for target in Audience().targets_of([notice.person], kind=message.kind)
        if target.webhook is not None or notice.person.email
    ]
    rows = make_rows(message, targets, now=notice.at)
    if notice.also_to:
        former = Message(
            f"{notice.key}:former", message.kind, message.headline, None, notice.at
        )
        row = make_rows(former, [Target(notice.person)], now=notice.at)[0]
        row.to_address = notice.also_to
        rows.append(row)
    write_down(rows)
