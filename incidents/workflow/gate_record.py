"""Gates as they are kept: JSON values that a stored gate is read back from.

A gate is kept when its phase completes or its cycle ends. Reading it back evaluates
nothing: texts and details are the ones that were shown then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from incidents.workflow.conditions import (
    Condition,
    ConditionKey,
    GateResult,
    OpenItem,
    Waiver,
)
from incidents.workflow.gate_facts import GateFacts
from incidents.workflow.phases import Phase


def write_conditions(gate: GateResult) -> list[dict[str, Any]]:
    """Return the conditions of a gate as JSON, each with its waiver or null."""
    return [_write_condition(condition) for condition in gate.conditions]


def write_facts(facts: GateFacts) -> dict[str, Any]:
    """Return all facts as JSON; sets become sorted lists."""
    written: dict[str, Any] = json.loads(json.dumps(asdict(facts), default=sorted))
    return written


def read_gate_record(
    phase: Phase, conditions: Iterable[Mapping[str, Any]]
) -> GateResult:
    """Return a gate from what `write_conditions` made of it."""
    return GateResult(
        phase, tuple(_read_condition(condition) for condition in conditions)
    )


def _write_condition(condition: Condition) -> dict[str, Any]:
    """Return a condition as JSON."""
    waiver = condition.waiver
    return {
        "key": condition.key.value,
        "text": condition.text,
        "met": condition.met,
        "detail": condition.detail,
        "anchor": condition.anchor,
        "waiver": {"by": waiver.by, "reason": waiver.reason} if waiver else None,
        "is_ordered": condition.is_ordered,
        "open_items": [asdict(item) for item in condition.open_items],
    }


def _read_condition(stored: Mapping[str, Any]) -> Condition:
    """Return a condition as it was kept."""
    key, waiver = ConditionKey(stored["key"]), stored["waiver"]
    return Condition(
        key=key,
        text=stored["text"],
        met=stored["met"],
        detail=stored["detail"],
        anchor=stored["anchor"],
        waiver=Waiver(key, waiver["by"], waiver["reason"]) if waiver else None,
        is_ordered=stored["is_ordered"],
        # Gates that 0.1.0 kept asked for fewer items, and named none.
        open_items=tuple(OpenItem(**item) for item in stored.get("open_items", ())),
    )
