"""Alerts and entries of the history are written by statements of ours: whole."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import Model

from evidence.audit.history import PLAIN_COLUMNS
from evidence.format import hash_value
from evidence.models import AuditEntry
from evidence.storable_values import read_back
from incidents.models import Alert
from incidents.services.alerts.storing import COLUMNS
from tests.incidents.alerts.samples import receive_one

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("model", "written"),
    [(Alert, {*COLUMNS}), (AuditEntry, {*PLAIN_COLUMNS, "before", "after"})],
)
def test_no_column_is_forgotten(model: type[Model], written: set[str]) -> None:
    columns = {field.column for field in model._meta.concrete_fields}
    assert columns - {"id"} == written


def test_what_an_alert_says_is_stored_as_it_came() -> None:
    nested: Any = "deepest"
    for _ in range(60):
        nested = [nested]
    said = {
        "summary": 'a "quoted" \\ text\nof \u00e9 and \U0001f600',
        "risk_score": 0.1,
        "reason_codes": ["one", "two, three", ""],
        "odd": {"large": 2**53 - 1, "huge": 1e23, "tiny": 1e-300, "none": None},
        "nested": nested,
    }
    row = receive_one(**said)
    stored = Alert.everything.get(pk=row.pk)
    # PostgreSQL writes 1e23 out in full, as an integer that no double equals.
    document = read_back(stored.document)
    assert {name: document[name] for name in said} == said
    assert hash_value(document) == stored.document_sha256
    assert (stored.summary, stored.risk_score) == (said["summary"], 0.1)
    assert stored.reason_codes == said["reason_codes"]
    assert stored.happened_at == row.happened_at
