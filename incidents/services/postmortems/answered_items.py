"""How each checklist item came through its gate: answered, waived, or not answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evidence.accounts.access import name_of
from incidents.models import ChecklistItem, IncidentPhase
from incidents.services.gates.conditions import stored_gate
from incidents.services.lifecycle.endings import utc
from incidents.workflow.conditions import (
    ANSWERED_IN,
    ITEM_OF_CONDITION,
    Condition,
    GateResult,
)

CONDITION_OF = {key: condition for condition, key in ITEM_OF_CONDITION.items()}


@dataclass(frozen=True)
class Standing:
    """`state` is the item's own, or "waived"; `words` say why an open one passed."""

    state: str
    words: str = ""


def item_fact(
    item: ChecklistItem, phases: Mapping[str, IncidentPhase]
) -> dict[str, Any]:
    """Return an item as the document writes it; `phases` are its cycle's, by name.

    `answered_by` names the system where a machine proved it; `passed` says of an open
    item how its phase got past it.
    """
    standing = stand(item, phases[item.phase])
    return {
        "key": item.key,
        "phase": item.phase,
        "kind": item.kind,
        "required": item.required,
        "text": item.text,
        "state": item.state,
        "standing": standing.state,
        "passed": standing.words,
        "answered_by": name_of(item.answered_by) if item.answered_at else "",
        "answered_at": utc(item.answered_at),
        "note": item.note,
    }


def stand(item: ChecklistItem, phase: IncidentPhase) -> Standing:
    """Return how an item stands, by the gate that was kept with its phase."""
    if not item.is_open:
        return Standing(item.state)
    gate = stored_gate(phase)
    if gate is None:
        return Standing(item.state)
    if not item.required:
        return Standing(item.state, "not answered, and not required")
    condition = _condition_of(item, phase, gate)
    if condition is not None and condition.waiver is not None and not condition.met:
        waiver = condition.waiver
        words = f"not answered, waived by {waiver.by}: {waiver.reason}"
        return Standing("waived", words)
    if condition is not None and condition.met:
        return Standing(item.state, f"not answered; at the gate: {condition.detail}")
    if phase.completed_at is None:
        return Standing(item.state, "not answered: the phase was left open")
    return Standing(item.state, "not answered when the phase was completed")


def _condition_of(
    item: ChecklistItem, phase: IncidentPhase, gate: GateResult
) -> Condition | None:
    """Return the kept condition that asked for an item: its own, or its phase's."""
    kept = {condition.key: condition for condition in gate.conditions}
    whole = ANSWERED_IN.get(phase.name)
    asked = kept.get(whole) if whole else None
    if asked is not None and item.key in {one.key for one in asked.open_items}:
        return asked
    own = CONDITION_OF.get(item.key)
    return kept.get(own) if own else None
