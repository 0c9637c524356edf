"""Notices at once: every extension was stopped, the audit history is broken."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.models import HistoryCheck, RecordCheck
from incidents.models import NotificationKind
from incidents.services.notifications.outbox import (
    Message,
    make_rows,
    remind,
    write_down,
)
from incidents.services.notifications.recipients import Audience
from policy.models import KillSwitch

TOLD = (Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR)
"""Who answers for the audit history."""
SWEPT_BACK = dt.timedelta(days=1)
"""The history is checked every night: the next check tells of what is older."""


def notify_kill_all(*, kill_switch_id: int, now: dt.datetime | None = None) -> int:
    """Tell reviewers and the lead, not the orderer; return how many messages.

    Where only the one who ordered it is left, they are told too, rather than nobody.
    """
    switch = KillSwitch.objects.select_related(
        "incident__lead", "incident__team", "ordered_by"
    ).get(pk=kill_switch_id)
    incident = switch.incident
    message = Message(
        kill_all_key(switch.pk),
        NotificationKind.KILL_ALL,
        f"{switch.ordered_by.get_username()} ordered every extension to be killed",
        incident,
        switch.ordered_at,
        incident=incident,
    )
    audience = Audience()
    people = _second_people(audience, incident.lead, switch.ordered_by)
    targets = [
        *audience.targets_of(people, kind=message.kind),
        *audience.shared_targets(incident, kind=message.kind),
    ]
    rows = make_rows(message, targets, now=now or timezone.now())
    write_down(rows)
    return len(rows)


def kill_all_key(kill_switch_id: int) -> str:
    return f"kill-all:{kill_switch_id}"


def notify_broken_history(*, check_id: int, now: dt.datetime | None = None) -> int:
    """Tell reviewers, auditors and administrators of a check's faults, once each.

    Return how many people. A check that found none tells nobody.
    """
    check = HistoryCheck.objects.get(pk=check_id)
    found = f"The audit history is broken: {check.fault_count} faults found"
    return _tell_of_faults(check, f"history-check:{check.pk}", found, now=now)


def sweep_broken_history(*, now: dt.datetime | None = None) -> int:
    """Tell of recent checks with faults, where the message about one was lost.

    Return how many checks there were; who knows of one already is not told again.
    """
    moment = now or timezone.now()
    recent = HistoryCheck.objects.filter(
        finished_at__gt=moment - SWEPT_BACK, fault_count__gt=0
    )
    checks = list(recent.order_by("pk").values_list("pk", flat=True))
    for pk in checks:
        notify_broken_history(check_id=pk, now=now)
    return len(checks)


def notify_changed_records(*, check_id: int, now: dt.datetime | None = None) -> int:
    """Tell reviewers, auditors and administrators of changed rows, once a check.

    Return how many people. A check that found none tells nobody.
    """
    check = RecordCheck.objects.get(pk=check_id)
    found = f"Rows were changed past Casefile: {check.fault_count} differences"
    return _tell_of_faults(check, f"record-check:{check.pk}", found, now=now)


def _tell_of_faults(
    check: HistoryCheck | RecordCheck,
    key: str,
    headline: str,
    *,
    now: dt.datetime | None,
) -> int:
    if check.is_passing:
        return 0
    told = User.objects.filter(is_active=True, groups__name__in=TOLD)
    people = list(told.distinct().order_by("pk"))
    remind(
        key=key,
        people=people,
        headline=headline,
        about=check,
        owed_at=check.finished_at,
        now=now,
    )
    return len(people)


def _second_people(
    audience: Audience, lead: User | None, ordered_by: User
) -> list[User]:
    people = {user.pk: user for user in audience.reviewers}
    if lead is not None:
        people[lead.pk] = lead
    if set(people) != {ordered_by.pk}:
        people.pop(ordered_by.pk, None)
    return [people[pk] for pk in sorted(people)]
