"""Telling those who answer for the audit history that a check found it broken."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.models import User
from django.urls import reverse

from evidence.access import Role
from evidence.models import HistoryCheck
from incidents.services.notifications.outbox import remind

TOLD = (Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR)


def notify_broken_history(*, check_id: int, now: dt.datetime | None = None) -> int:
    """Tell reviewers, auditors and administrators of a check's faults, once each.

    Return how many people. A check that found none tells nobody.
    """
    check = HistoryCheck.objects.get(pk=check_id)
    if check.is_passing:
        return 0
    people = list(
        User.objects.filter(is_active=True, groups__name__in=TOLD)
        .distinct()
        .order_by("pk")
    )
    remind(
        key=f"history-check:{check.pk}",
        people=people,
        headline=f"The audit history is broken: {check.fault_count} faults found",
        path=reverse("admin:evidence_historycheck_change", args=[check.pk]),
        owed_at=check.finished_at,
        now=now,
    )
    return len(people)
