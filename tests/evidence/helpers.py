"""What the evidence tests share: documents of the vectors, and receiving them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import connection

from evidence.format import seal_bundle, seal_ledger_entries
from evidence.models import Channel, EvidenceItem
from evidence.services import receive_evidence

VECTORS = Path(__file__).resolve().parent.parent / "data" / "vectors"


def read_vector(name: str) -> bytes:
    """Return the bytes of a vector by its name, without `.json`."""
    return (VECTORS / f"{name}.json").read_bytes()


def read_expected(name: str) -> dict[str, Any]:
    return dict(json.loads((VECTORS / f"{name}.expected.json").read_bytes()))


def receive(
    incident_id: int,
    data: bytes,
    name: str = "bundle.json",
    *,
    actor: User | None = None,
    **options: Any,
) -> EvidenceItem:
    """Receive bytes as evidence and return the item."""
    item, _ = receive_evidence(
        incident_id=incident_id,
        stream=io.BytesIO(data),
        original_name=name,
        channel=options.pop("channel", Channel.COMMAND),
        actor=actor,
        **options,
    )
    return item


def make_ledger_entry(number: int, **members: Any) -> dict[str, Any]:
    """Return a ledger entry, not chained yet, a second after the one before."""
    return {
        "sequence": number,
        "ts_ms": 1_773_144_000_000 + number * 1000,
        "extension_id": f"ext.number-{number % 3}",
        "call_id": f"call-{number:06d}",
        "capability": "http",
        "method": "http",
        "params_hash": f"{number:064x}",
        "policy_decision": "allow",
        "policy_reason": "default_caps",
        "risk_score": number % 100 / 100 + 0.001,
        "selected_action": "deny" if number % 7 == 0 else "allow",
        "outcome": "executed",
        "triggers": [],
        **members,
    }


def make_ledger(count: int) -> bytes:
    """Return a sound ledger of this many entries."""
    entries = [make_ledger_entry(number) for number in range(1, count + 1)]
    return json.dumps(seal_ledger_entries(entries)).encode()


def reseal(document: dict[str, Any]) -> bytes:
    """Return a changed bundle with the outer hash that its producer would give it."""
    return json.dumps(seal_bundle(document)).encode()


def without_triggers(statement: str, *parameters: object) -> None:
    """Run SQL as a superuser who has switched the triggers off."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        try:
            cursor.execute(statement, parameters)
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")
