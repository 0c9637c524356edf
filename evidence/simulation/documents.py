"""A simulated run as a sealed bundle."""

from __future__ import annotations

from random import Random
from typing import Any

from evidence.format import (
    BUNDLE_SCHEMA,
    IncidentBundleFilter,
    IncidentBundleRedactionPolicy,
    build_bundle,
    seal_ledger_entries,
)
from evidence.simulation.runtime import Records, make_calls, write_call
from evidence.simulation.scenarios import Scenario, find_scenario

SEALED_AFTER_MS = 60_000
"""How long after the last call the runtime seals its bundle."""


def simulate_document(
    *, calls: int, seed: int = 1, scenario: str = "clean"
) -> dict[str, Any]:
    """Return a bundle (docs/evidence-format.md, section 3) of `calls` hostcalls.

    The ledger has one entry a call; the other sections follow from the scenario. Raise
    UnknownScenario, or ValueError where `calls` is below 1.
    """
    if calls < 1:
        raise ValueError(f"expected at least 1 call, got {calls}")
    story = find_scenario(scenario)
    # Repeatable by purpose: the seed has to give the same run again.
    random = Random(f"{scenario}/{seed}")  # noqa: S311
    document = _build(_run(story, calls, random))
    if story.spoil is not None:
        story.spoil(document, random)
    return document


def _run(story: Scenario, calls: int, random: Random) -> Records:
    records = Records()
    for call in make_calls(calls, random):
        at = (call.number - 1) / (calls - 1) if calls > 1 else 1.0
        bent = story.bend(call, at)
        write_call(records, bent, random)
        story.witness(records, bent, at)
    return records


def _build(records: Records) -> dict[str, Any]:
    no_filter = IncidentBundleFilter()
    no_redaction = IncidentBundleRedactionPolicy.none()
    generated_at_ms = records.ledger[-1]["ts_ms"] + SEALED_AFTER_MS
    unsealed = {
        "schema": BUNDLE_SCHEMA,
        "generated_at_ms": generated_at_ms,
        "filter": no_filter.as_dict(),
        "redaction": no_redaction.as_dict(),
        "risk_ledger": seal_ledger_entries(records.ledger),
        "security_alerts": records.alerts,
        "hostcall_telemetry": records.telemetry,
        "exec_mediation": records.exec_mediation,
        "secret_broker": records.secret_broker,
        "quota_breaches": records.quota_breaches,
        "risk_replay": None,
        "summary": {},
        "bundle_hash": "",
    }
    return build_bundle(
        unsealed,
        filter=no_filter,
        redaction=no_redaction,
        generated_at_ms=generated_at_ms,
    )
