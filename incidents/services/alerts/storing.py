"""Alerts and where they went, written in one statement, however many there are.

What is new goes to the database as one JSON document and not row by row: of a batch of
1,000 the driver would quote 20,000 values, each in turn.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import orjson

from evidence.database.plans import kept_plans
from incidents.models import Alert

COLUMNS = {
    "source": "text",
    "alert_id": "text",
    "category": "text",
    "severity": "text",
    "happened_at": "timestamptz",
    "capability": "text",
    "method": "text",
    "call_id": "text",
    "reason_codes": "jsonb",
    "summary": "text",
    "risk_score": "float8",
    "document": "jsonb",
    "document_sha256": "text",
    "received_at": "timestamptz",
    "decision": "text",
    "extension_id": "bigint",
    "received_from_id": "int",
    "rule_id": "bigint",
    "incident_id": "bigint",
    "decided_incident_id": "bigint",
}
NAMES = ", ".join(COLUMNS)
TYPES = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
# What a rule decides; where a person puts an alert is written elsewhere.
ASSIGN = """
    assigned AS (
        INSERT INTO incidents_alertassignment
               (alert_id, kind, incident_id, rule_id, assigned_at, reason)
        SELECT id, decision, incident_id, rule_id, %s::timestamptz, '' FROM written
         WHERE incident_id IS NOT NULL ORDER BY id)
"""
# Rows get their numbers in the order of the list. Here a twin shows that no lock kept
# apart: its ID is unique for a source.
STORE = f"""
    WITH written AS (
        INSERT INTO incidents_alert ({NAMES})
        SELECT {NAMES} FROM json_to_recordset(%s::json) AS new ({TYPES})
        RETURNING id, decision, incident_id, rule_id),
    {ASSIGN}
    SELECT id FROM written ORDER BY id
"""  # noqa: S608  (names of columns, from above)
DECIDE = f"""
    WITH written AS (
        UPDATE incidents_alert AS alert
           SET decision = made.decision, rule_id = made.rule_id,
               incident_id = made.incident_id, decided_incident_id = made.incident_id
          FROM json_to_recordset(%s::json) AS made
               (id bigint, decision text, rule_id bigint, incident_id bigint)
         WHERE alert.id = made.id
        RETURNING alert.id, alert.decision, alert.incident_id, alert.rule_id),
    {ASSIGN}
    SELECT id FROM written
"""  # noqa: S608  (as above)
DECIDED = ("id", "decision", "rule_id", "incident_id")


def write_alerts(rows: Sequence[Alert], *, now: dt.datetime) -> None:
    """Store new alerts and decide on those that waited; assign them to their cases."""
    new = [row for row in rows if row.pk is None]
    waited = [row for row in rows if row.pk is not None]
    if new:
        ids = _execute(STORE, new, tuple(COLUMNS), now)
        for row, pk in zip(new, ids, strict=True):
            row.pk = pk
            row._state.adding = False
    if waited:
        _execute(DECIDE, waited, DECIDED, now)


def _execute(
    statement: str, rows: Sequence[Alert], names: Sequence[str], now: dt.datetime
) -> list[int]:
    values = [{name: getattr(row, name) for name in names} for row in rows]
    document: Any = orjson.dumps(values).decode()
    with kept_plans() as cursor:
        cursor.execute(statement, [document, now])
        return [pk for (pk,) in cursor.fetchall()]
