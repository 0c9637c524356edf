"""Alerts moved by hand: into a case, from one to another, or out of one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from incidents.errors import AlertRefused, IncidentClosed
from incidents.models import (
    Alert,
    AlertAssignment,
    AlertDecision,
    AlertMove,
    AlertRule,
    Incident,
    TimelineKind,
)
from incidents.services.alerts.case_effects import describe, raise_to
from incidents.services.alerts.intake_state import rule_of
from incidents.services.changes import REVIEW, WORK, lock_cases, require_reason
from incidents.services.timeline import add_entry
from incidents.workflow.alert_rules import AlertSeverity
from incidents.workflow.incident_states import Severity


@transaction.atomic
def move_alerts(
    *,
    actor: Actor,
    alert_ids: Collection[int],
    incident_id: int,
    reason: str,
    now: dt.datetime | None = None,
) -> list[Alert]:
    """Move alerts into an open case, out of the one they are in; return those moved.

    Alerts that are in the case already stay. The case's severity rises where a rule
    for one such alert asks for it, and never falls. Out of a closed case only a
    reviewer moves them.
    """
    require_permission(actor, WORK)
    moment, why = now or timezone.now(), require_reason(reason)
    # The case that is left and the one that is entered: both histories change. Which
    # ones are left is read before the locks, and checked after them.
    cases = _lock_cases(alert_ids, incident_id, actor)
    target = cases[incident_id]
    if not target.is_open:
        raise IncidentClosed(
            f"{target.reference} is closed: reopen it, or choose an open case."
        )
    alerts = [
        alert
        for alert in _lock_alerts(alert_ids, cases)
        if alert.incident_id != target.pk
    ]
    _require_may_leave(alerts, cases, actor)
    _assign(alerts, target, AlertMove.MOVED, actor=actor, reason=why, now=moment)
    if alerts:
        _note_extensions(target, alerts)
        severity = _asked_severity(alerts)
        if severity is not None:
            raise_to(target, severity, actor=actor, reason=why, now=moment)
    _record(alerts, cases, target, actor=actor, reason=why, now=moment)
    return alerts


@transaction.atomic
def split_alerts(
    *,
    actor: Actor,
    alert_ids: Collection[int],
    reason: str,
    now: dt.datetime | None = None,
) -> list[Alert]:
    """Take alerts out of their cases; return those taken out.

    They are kept without a case, and no rule gives them to one again by itself. A
    severity that they raised stays: lowering it is a person's decision. Out of a
    closed case only a reviewer takes them.
    """
    require_permission(actor, WORK)
    moment, why = now or timezone.now(), require_reason(reason)
    cases = _lock_cases(alert_ids, None, actor)
    alerts = [alert for alert in _lock_alerts(alert_ids, cases) if alert.incident_id]
    _require_may_leave(alerts, cases, actor)
    _assign(alerts, None, AlertMove.SPLIT, actor=actor, reason=why, now=moment)
    _record(alerts, cases, None, actor=actor, reason=why, now=moment)
    return alerts


def _lock_cases(
    alert_ids: Collection[int], incident_id: int | None, actor: Actor
) -> dict[int, Incident]:
    """Lock every case concerned, in one order; the case before the alert, always."""
    concerned = set(
        Alert.objects.filter(pk__in=alert_ids, incident__isnull=False).values_list(
            "incident_id", flat=True
        )
    )
    if incident_id is not None:
        concerned.add(incident_id)
    return lock_cases(concerned, actor)


def _require_may_leave(
    alerts: Sequence[Alert], cases: dict[int, Incident], actor: Actor
) -> None:
    """Only a reviewer changes what a closed case rested on."""
    sources = (cases[alert.incident_id] for alert in alerts if alert.incident_id)
    if any(not case.is_open for case in sources):
        require_permission(actor, REVIEW)


def _lock_alerts(
    alert_ids: Collection[int], cases: dict[int, Incident]
) -> Sequence[Alert]:
    rows = list(
        Alert.objects.select_for_update(of=("self",))
        .filter(pk__in=alert_ids)
        .select_related("extension")
        .order_by("pk")
    )
    if len(rows) != len(set(alert_ids)):
        raise AlertRefused("One of the alerts does not exist: choose them again.")
    if any(row.decision == AlertDecision.WAITING for row in rows):
        raise AlertRefused(
            "One of the alerts still waits for the rules, which decide on it within "
            "moments: choose them again then."
        )
    # Its new case is not locked, and to lock it now, after an alert, would turn the
    # order round.
    if any(row.incident_id and row.incident_id not in cases for row in rows):
        raise AlertRefused("One of the alerts was moved meanwhile: choose them again.")
    return rows


def _assign(
    alerts: Sequence[Alert],
    target: Incident | None,
    kind: AlertMove,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    # Appended before the row changes: it names the case that each comes from.
    AlertAssignment.objects.bulk_create(
        AlertAssignment(
            alert=alert,
            kind=kind,
            incident=target,
            previous_incident_id=alert.incident_id,
            assigned_at=now,
            assigned_by=actor,
            reason=reason,
        )
        for alert in alerts
    )
    Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(incident=target)


def _note_extensions(target: Incident, alerts: Iterable[Alert]) -> None:
    """Make the alerts' extensions part of the case that the alerts belong to."""
    target.extensions.add(*{alert.extension for alert in alerts})


def _asked_severity(alerts: Iterable[Alert]) -> Severity | None:
    """Return the worst that enabled rules for single alerts ask for; None for none."""
    # A rule that counts several asks for its severity by all of them together.
    rules = [rule_of(row) for row in AlertRule.objects.filter(is_enabled=True, count=1)]
    asked = [
        rule.opens_severity
        for alert in alerts
        for rule in rules
        if rule.category == alert.category
        and AlertSeverity(alert.severity).rank >= rule.least_severity.rank
    ]
    return max(asked, key=lambda severity: severity.rank, default=None)


def _record(
    alerts: Sequence[Alert],
    cases: dict[int, Incident],
    target: Incident | None,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    """Write the timeline and audit entries of every case that gained or lost alerts."""
    to = target.reference if target else None
    for pk, case in cases.items():
        is_target = target is not None and pk == target.pk
        own = [alert for alert in alerts if is_target or alert.incident_id == pk]
        if not own:
            continue
        came_from = {
            str(row.pk): cases[row.incident_id].reference if row.incident_id else None
            for row in own
        }
        where = "" if is_target else f" Moved to {to}." if to else " Split off."
        if not is_target and case.is_open and not case.alerts.exists():
            where += " No alert is left in this case."
        add_entry(
            incident=case,
            kind=TimelineKind.ALERT,
            body=f"{describe(own, verb='moved here' if is_target else 'left')}{where}"
            f"\n\n{reason}",
            actor=actor,
            now=now,
        )
        record_entry(
            streams=[incident_stream(pk)],
            action="alerts.moved" if to else "alerts.split",
            actor=actor,
            obj=case,
            reason=reason,
            before={"incident_by_alert": came_from},
            after={
                "incident": to,
                "alerts": sorted(row.pk for row in own),
                "cycle": case.current_cycle.number,
                "case_was_open": case.is_open,
            },
            now=now,
        )
