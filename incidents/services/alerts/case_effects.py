"""What alerts do to a case: open it, join it, raise it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from evidence.accounts.access import Actor
from evidence.audit.history import incident_stream, record_entry
from evidence.database.plans import kept_plans
from evidence.lookalikes import quote_name
from evidence.stored_moments import EARLIEST
from incidents.models import Alert, Incident, TimelineKind
from incidents.services.changes import bump_revision, record_change
from incidents.services.findings.gathering import queue_findings_soon
from incidents.services.timeline import add_entry
from incidents.workflow.incident_states import Severity, raised_severity

TIMELINE_PAUSE = dt.timedelta(minutes=10)
"""Alerts that keep joining write one timeline entry in this time; all are listed."""
RECENT_LINE = """
    SELECT EXISTS (SELECT FROM incidents_timelineentry
                    WHERE incident_id = %s AND kind = %s AND entered_at > %s)
"""
NAMED_ALERTS = 3


def believable_moment(happened_at: dt.datetime, now: dt.datetime) -> dt.datetime:
    """Return the moment that a case may take from an alert, which keeps its own.

    A producer's clock may run ahead of ours, and one that was never set starts at the
    epoch: neither may set a case's clocks or open its timeline.
    """
    # A sender's clock is believed neither about the future nor about 1970.
    return now if happened_at < EARLIEST else min(happened_at, now)


def record_joining(
    incident: Incident, alerts: Sequence[Alert], *, actor: Actor, now: dt.datetime
) -> None:
    """Record that the rules gave these alerts to a case that the caller has locked."""
    if _is_timeline_due(incident, now):
        add_entry(
            incident=incident,
            kind=TimelineKind.ALERT,
            body=describe(alerts),
            actor=actor,
            event_at=believable_moment(min(alert.happened_at for alert in alerts), now),
            now=now,
        )
    record_entry(
        streams=[incident_stream(incident.pk)],
        action="alerts.joined",
        actor=actor,
        obj=incident,
        after={"alerts": sorted(alert.pk for alert in alerts)},
        now=now,
    )
    # An alert answers no question by itself, but it may prove an item of the checklist.
    queue_findings_soon(incident.pk)


def raise_to(
    incident: Incident,
    severity: Severity,
    *,
    actor: Actor,
    reason: str,
    now: dt.datetime,
) -> None:
    """Raise a locked case to this severity; one that is as severe stays as it is."""
    before = Severity(incident.severity)
    worse = raised_severity(before, severity)
    if worse is before:
        return
    incident.severity = worse
    incident.save(update_fields=["severity"])
    bump_revision(incident)
    record_change(
        incident,
        action="incident.edited",
        actor=actor,
        now=now,
        body=f"Severity: `{before}` → `{worse}`",
        before={"severity": before},
        after={"revision": incident.revision, "severity": worse},
        reason=reason,
    )


def describe(alerts: Sequence[Alert], *, verb: str = "joined") -> str:
    """Say in one line of Markdown which alerts joined, or what else they did."""
    names = ", ".join(quote_name(alert.alert_id) for alert in alerts[:NAMED_ALERTS])
    more = (
        f" and {len(alerts) - NAMED_ALERTS} more" if len(alerts) > NAMED_ALERTS else ""
    )
    categories = ", ".join(sorted({quote_name(alert.category) for alert in alerts}))
    word = "alert" if len(alerts) == 1 else "alerts"
    return f"{len(alerts)} {word} {verb} ({categories}): {names}{more}."


def _is_timeline_due(incident: Incident, now: dt.datetime) -> bool:
    values: list[Any] = [incident.pk, TimelineKind.ALERT.value, now - TIMELINE_PAUSE]
    with kept_plans() as cursor:
        cursor.execute(RECENT_LINE, values)
        return not cursor.fetchone()[0]
