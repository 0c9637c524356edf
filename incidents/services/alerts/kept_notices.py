"""Telling people of alerts that were kept without a case: a burst of them once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

from django.contrib.auth.models import User

from evidence.format import hash_value
from incidents.models import Alert, Notification, NotificationKind
from incidents.services.notifications.outbox import Message, make_rows, write_down
from incidents.services.notifications.recipients import Audience, people_with
from incidents.workflow.alert_rules import (
    AlertRule,
    AlertSeverity,
    Told,
    told_of_kept,
)

# A headline has 200 characters, and a machine sends names of up to 200.
NAME_SHOWN = 60


def tell_of_kept(
    groups: Iterable[tuple[Sequence[Alert], Sequence[AlertRule]]], *, now: dt.datetime
) -> None:
    """Tell those whom the rules name of new alerts without a case, once a group.

    Each group: its new alerts that were kept, of one extension and category, and the
    rules of the category. A group is told of once a day (UTC), and again the same day
    only where a worse alert comes. The caller holds the groups' locks.
    """
    found = [_find_told(alerts, rules) for alerts, rules in groups]
    due = {
        _key(alerts[0], _worst(alerts), now): (alerts, told)
        for alerts, told in found
        if told
    }
    if not due:
        return
    known = _known_keys(due, now)
    audience, rows = Audience(), []
    for key, (alerts, told) in due.items():
        if key in known:
            continue
        worst = max(alerts, key=_rank)
        message = Message(key, NotificationKind.REMINDER, _headline(alerts), worst, now)
        people = _people(told, audience)
        rows += make_rows(
            message, audience.targets_of(people, kind=message.kind), now=now
        )
    write_down(rows)


def _find_told(
    alerts: Sequence[Alert], rules: Sequence[AlertRule]
) -> tuple[list[Alert], Told]:
    """Return the alerts that somebody is told of, and who: of any of them."""
    told = {
        severity: told_of_kept(rules, severity)
        for severity in {AlertSeverity(alert.severity) for alert in alerts}
    }
    return (
        [alert for alert in alerts if told[AlertSeverity(alert.severity)]],
        Told(
            reviewers=any(listeners.reviewers for listeners in told.values()),
            teams=frozenset().union(*(listeners.teams for listeners in told.values())),
        ),
    )


def _key(alert: Alert, severity: AlertSeverity, now: dt.datetime) -> str:
    """Return the key of a group's message; hashed, since mail headers show it."""
    group = hash_value([alert.extension.extension_id, alert.category])[:32]
    return f"kept-alerts:{group}:{now.astimezone(dt.UTC):%Y-%m-%d}:{severity}"


def _known_keys(
    due: Mapping[str, tuple[Sequence[Alert], Told]], now: dt.datetime
) -> set[str]:
    """Return the keys of which nothing is left to tell: as bad was told today."""
    as_bad = {
        _key(alerts[0], severity, now): key
        for key, (alerts, _) in due.items()
        for severity in AlertSeverity
        if severity.rank >= _worst(alerts).rank
    }
    told = Notification.objects.filter(key__in=as_bad).values_list("key", flat=True)
    return {as_bad[key] for key in told}


def _people(told: Told, audience: Audience) -> list[User]:
    """Return who is told; the reviewers in place of teams that have nobody to tell."""
    people: dict[int, User] = {}
    if told.teams:
        members = people_with("view_alert").filter(incident_teams__in=told.teams)
        people |= {user.pk: user for user in members}
    if told.reviewers or not people:
        people |= {user.pk: user for user in audience.reviewers}
    return [people[pk] for pk in sorted(people)]


def _headline(alerts: Sequence[Alert]) -> str:
    count, worst = len(alerts), _worst(alerts)
    what = f"1 {worst} alert" if count == 1 else f"{count} alerts, the worst {worst},"
    verb = "belongs" if count == 1 else "belong"
    category, extension = alerts[0].category, alerts[0].extension.extension_id
    return (
        f"{what} of category {_shown(category)} from extension {_shown(extension)} "
        f"{verb} to no case"
    )


def _shown(name: str) -> str:
    return name if len(name) <= NAME_SHOWN else f"{name[: NAME_SHOWN - 1]}…"


def _worst(alerts: Sequence[Alert]) -> AlertSeverity:
    return AlertSeverity(max(alerts, key=_rank).severity)


def _rank(alert: Alert) -> int:
    return AlertSeverity(alert.severity).rank
