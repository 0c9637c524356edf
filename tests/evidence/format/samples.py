"""Small documents to break: fixed values, no random data."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from evidence.format import (
    IncidentBundleFilter,
    IncidentBundleRedactionPolicy,
    build_bundle,
    seal_ledger_entries,
)

FULL = IncidentBundleRedactionPolicy.full()
NONE = IncidentBundleRedactionPolicy.none()
EVERYTHING = IncidentBundleFilter()
GENERATED_AT_MS = 1_787_011_200_000
EXTENSIONS = ("acme.git-helper", "pi-weather")


def hex_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_entry(sequence: int, **members: Any) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "ts_ms": GENERATED_AT_MS + 1000 * sequence,
        "extension_id": EXTENSIONS[sequence % 2],
        "call_id": f"call-{sequence:04}",
        "capability": "exec",
        "method": "exec",
        "params_hash": hex_of(f"params {sequence}"),
        "policy_decision": "deny",
        "policy_reason": "deny_caps",
        "risk_score": 0.25 * (sequence % 4),
        "selected_action": "deny" if sequence % 2 else "harden",
        "outcome": "blocked",
        "triggers": ["dangerous_capability"],
        **members,
    }


def make_ledger(count: int = 6, first: int = 1) -> dict[str, Any]:
    """Make a sound ledger; above sequence 1 it is a ring buffer's remainder."""
    entries = [make_entry(first + place) for place in range(count)]
    before = None if first == 1 else hex_of("an entry no longer there")
    return seal_ledger_entries(entries, prev_ledger_hash=before)


def reseal(ledger: dict[str, Any]) -> dict[str, Any]:
    """Chain the entries anew, as somebody would who hides a change."""
    return seal_ledger_entries(ledger["entries"])


def make_alert(number: int, **members: Any) -> dict[str, Any]:
    return {
        "ts_ms": GENERATED_AT_MS + 1000 * number,
        "alert_id": f"alert-{number}",
        "extension_id": EXTENSIONS[number % 2],
        "category": "policy_violation",
        "severity": "error",
        "capability": "exec",
        "method": "exec",
        "call_id": f"call-{number:04}",
        "reason_codes": ["dangerous_capability"],
        "summary": "Capability exec denied by policy.",
        "remediation": "Tighten the override of the extension.",
        "risk_score": 0.5,
        "context_hash": hex_of(f"context {number}")[:16],
        **members,
    }


def make_telemetry(number: int) -> dict[str, Any]:
    return {
        "ts_ms": GENERATED_AT_MS + 1000 * number,
        "extension_id": EXTENSIONS[number % 2],
        "call_id": f"call-{number:04}",
        "capability": "exec",
        "method": "exec",
        "required_capability": "exec",
        "params_hash": hex_of(f"params {number}"),
        "args_shape_hash": hex_of(f"shape {number}"),
        "latency_ms": number,
        "outcome": "blocked",
        "memory_mb": 64.5,
    }


def make_source(count: int = 6) -> dict[str, Any]:
    """Make an unredacted, valid bundle with every section filled."""
    numbers = range(1, count + 1)
    moment = GENERATED_AT_MS + 1000
    document = {
        "schema": "",
        "generated_at_ms": 0,
        "filter": {},
        "redaction": {},
        "risk_ledger": make_ledger(count),
        "security_alerts": [make_alert(number) for number in numbers],
        "hostcall_telemetry": [make_telemetry(number) for number in numbers],
        "exec_mediation": [
            {
                "ts_ms": moment,
                "extension_id": EXTENSIONS[0],
                "call_id": "call-0001",
                "command_hash": hex_of("rm -rf /"),
                "command_class": "recursive_delete",
                "risk_tier": "critical",
                "decision": "deny",
                "reason": "dangerous_class",
            }
        ],
        "secret_broker": [
            {
                "ts_ms": moment,
                "extension_id": EXTENSIONS[1],
                "call_id": "call-0002",
                "name_hash": hex_of("DATABASE_URL"),
                "exposure_path": "env.read",
                "redacted": True,
                "reason": "blocklist",
            }
        ],
        "quota_breaches": [
            {
                "ts_ms": moment,
                "extension_id": EXTENSIONS[1],
                "resource": "max_memory_mb",
                "limit": 256,
                "actual": 300,
            }
        ],
        "risk_replay": None,
        "summary": {},
        "bundle_hash": "",
    }
    return build(document)


def build(
    source: dict[str, Any],
    redaction: IncidentBundleRedactionPolicy = NONE,
    **limits: Any,
) -> dict[str, Any]:
    return build_bundle(
        copy.deepcopy(source),
        filter=IncidentBundleFilter(**limits),
        redaction=redaction,
        generated_at_ms=GENERATED_AT_MS,
    )
