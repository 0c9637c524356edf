"""Alerts on their way in: read and checked, and the rows that are made of them."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Q

from evidence.accounts.access import Actor
from evidence.format import hash_value
from evidence.stored_moments import from_ms, to_ms
from incidents.models import Alert
from incidents.workflow import alert_rules
from incidents.workflow.alert_grouping import Group
from incidents.workflow.errors import AlertError, Problem
from incidents.workflow.incident_states import IncidentSource
from policy.models import Extension
from policy.services.extensions import clean_extension_id

LATEST = dt.datetime(9999, 12, 30, tzinfo=dt.UTC)
"""Every time zone can show it; a machine may send any millisecond of the year 9999."""

Key = tuple[str, str]


@dataclass(frozen=True)
class IncomingAlert:
    """A checked alert, who raised it, and the hash of the document that it came as.

    `row` is where it is stored already, and waits for the rules.
    """

    source: IncidentSource
    alert: alert_rules.Alert
    document_sha256: str
    row: Alert | None = None

    @property
    def key(self) -> Key:
        return self.source, self.alert.alert_id

    @property
    def group(self) -> Group:
        return Group(self.alert.extension_id, self.alert.category)

    @property
    def happened_at(self) -> dt.datetime:
        return to_moment(self.alert.ts_ms)


@dataclass(frozen=True)
class Answer:
    """The row that holds an alert. `conflict`: it holds other content under the ID."""

    row: Alert
    created: bool
    conflict: bool


def read_incoming(source: IncidentSource, document: dict[str, Any]) -> IncomingAlert:
    """Check a strictly read document; raise AlertError with every fault found."""
    alert = alert_rules.parse_alert(document)
    extension_id = clean_extension_id(alert.extension_id)
    if not extension_id:
        problem = Problem("$.extension_id", "expected more than white space")
        raise AlertError("alert", (problem,))
    if extension_id != alert.extension_id:
        alert = replace(alert, extension_id=extension_id)
    return IncomingAlert(source, alert, hash_value(document))


def make_row(
    incoming: IncomingAlert, extension: Extension, *, actor: Actor, now: dt.datetime
) -> Alert:
    """Return the row of an alert that is not stored yet."""
    alert = incoming.alert
    return Alert(
        source=incoming.source,
        alert_id=alert.alert_id,
        extension=extension,
        category=alert.category,
        severity=alert.severity,
        happened_at=incoming.happened_at,
        capability=alert.capability,
        method=alert.method,
        call_id=alert.call_id,
        reason_codes=list(alert.reason_codes),
        summary=alert.summary,
        risk_score=alert.risk_score,
        document=alert.content,
        document_sha256=incoming.document_sha256,
        received_at=now,
        received_from=actor,
    )


def read_waiting(row: Alert) -> IncomingAlert:
    """Return a stored alert as the rules look at it; its document stays where it is."""
    alert = alert_rules.Alert(
        ts_ms=to_ms(row.happened_at),
        alert_id=row.alert_id,
        extension_id=row.extension.extension_id,
        category=row.category,
        severity=alert_rules.AlertSeverity(row.severity),
        capability=row.capability,
        method=row.method,
        call_id=row.call_id,
        reason_codes=tuple(row.reason_codes),
        summary=row.summary,
        remediation="",
        risk_score=row.risk_score,
        context_hash="",
        content={},
    )
    return IncomingAlert(IncidentSource(row.source), alert, row.document_sha256, row)


def find_known(keys: Iterable[Key]) -> dict[Key, Alert]:
    """Return the rows that hold alerts of these sources and IDs, without documents."""
    by_source: dict[str, list[str]] = defaultdict(list)
    for source, alert_id in keys:
        by_source[source].append(alert_id)
    wanted = Q(pk__in=())
    for source, ids in by_source.items():
        wanted |= Q(source=source, alert_id__in=ids)
    rows = Alert.everything.filter(wanted).select_related("decided_incident")
    return {(row.source, row.alert_id): row for row in rows.defer("document")}


def to_moment(ts_ms: int) -> dt.datetime:
    """Return the moment, or the nearest that a datetime can hold."""
    return from_ms(max(0, min(ts_ms, to_ms(LATEST))))
