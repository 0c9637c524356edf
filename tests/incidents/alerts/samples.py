"""Alerts for tests, as values, documents and requests."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.models import User

from incidents.models import Alert
from incidents.services.alerts.incoming import Answer, read_incoming
from incidents.services.alerts.intake import receive_alerts
from incidents.services.alerts.rules import load_default_rules
from incidents.workflow.incident_states import IncidentSource
from tests.factories import NOON, make_playbooks

NOON_MS = int(NOON.timestamp() * 1000)
EXTENSION = "ext.weather"


def alert_document(alert_id: str = "alert-1", **members: Any) -> dict[str, Any]:
    """Return an alert as a machine sends it: by default one that opens a case."""
    return {
        "ts_ms": NOON_MS,
        "alert_id": alert_id,
        "extension_id": EXTENSION,
        "category": "secret_exposure",
        "severity": "error",
        "capability": "env",
        "method": "env",
        "call_id": "call-1",
        "reason_codes": ["blocklisted_name"],
        "summary": "A blocklisted variable was read",
        "remediation": "Rotate the credential",
        "risk_score": 0.9,
        "context_hash": "c" * 64,
        **members,
    }


def make_rules() -> None:
    """Load what opening a case by alert needs: playbooks and the default rules."""
    make_playbooks()
    load_default_rules(actor=None, now=NOON)


def receive(
    *documents: dict[str, Any],
    source: IncidentSource = IncidentSource.RISK_CONTROLLER,
    actor: User | None = None,
    now: dt.datetime = NOON,
) -> list[Answer]:
    """Take in these documents in one request."""
    alerts = [read_incoming(source, document) for document in documents]
    return receive_alerts(alerts=alerts, actor=actor, now=now)


def receive_one(alert_id: str = "alert-1", **members: Any) -> Alert:
    """Take in one alert and return its row."""
    return receive(alert_document(alert_id, **members))[0].row
