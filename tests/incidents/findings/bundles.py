"""Bundles to ask questions of: the vectors, and small ones made by hand."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import tests
from incidents.findings import Finding

VECTORS = Path(tests.__file__).parent / "data" / "vectors"
START_MS = 1_787_000_000_000


@cache
def _vector_text(name: str) -> str:
    return (VECTORS / name).read_text(encoding="utf-8")


def load_vector(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a vector's document, and its ledger's report."""
    document = json.loads(_vector_text(f"{name}.json"))
    report = json.loads(_vector_text(f"{name}.expected.json"))["report"]
    return document, report.get("ledger", report)


def make_entry(**members: Any) -> dict[str, Any]:
    entry = {
        "sequence": 1,
        "ts_ms": START_MS,
        "extension_id": "node-tools",
        "call_id": "call-1",
        "capability": "exec",
        "method": "exec",
        "policy_decision": "deny",
        "policy_reason": "deny_caps",
        "risk_score": 0.9,
        "selected_action": "deny",
        "outcome": "blocked",
        "triggers": [],
    }
    return {**entry, **members}


def make_bundle(
    entries: list[Any] | None = None, **sections: list[Any]
) -> dict[str, Any]:
    return {
        "risk_ledger": {"entries": entries or []},
        "security_alerts": [],
        "hostcall_telemetry": [],
        "exec_mediation": [],
        "secret_broker": [],
        "quota_breaches": [],
        **sections,
    }


def by_key(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.key: finding for finding in findings}


def resolve(document: Any, path: str) -> Any:
    """Return what a JSON path of ours points at; fail where it points nowhere."""
    assert path.startswith("$")
    place = document
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        place = place[name] if name else place[int(index)]
    return place
