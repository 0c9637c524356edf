"""The first text of a postmortem: what the case already says, to build on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from incidents.models import (
    ChecklistItem,
    Cycle,
    GateStatement,
    Incident,
    RemediationAction,
    RemediationDecision,
)
from incidents.services.postmortems.answered_items import stand
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.incident_states import ItemKind, ItemState
from incidents.workflow.phases import Phase


def first_text(incident: Incident, cycle: Cycle) -> dict[str, str]:
    """Return what the case already says, for people to build on."""
    return {
        "root_cause": _root_cause(cycle),
        "impact_duration": _duration(incident, cycle),
        "verification": "\n".join(_verification_lines(cycle)),
        **_remediation(cycle),
    }


def _root_cause(cycle: Cycle) -> str:
    statement = (
        GateStatement.objects.filter(
            phase__cycle=cycle, condition_key=ConditionKey.ROOT_CAUSE_WRITTEN
        )
        .order_by("-id")
        .first()
    )
    return statement.statement if statement else ""


def _duration(incident: Incident, cycle: Cycle) -> str:
    contained = cycle.phases.get(phase=Phase.CONTAIN).completed_at
    start = incident.detected_at.astimezone(dt.UTC)
    end = (
        f"contained {contained.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
        if contained
        else "not contained yet"
    )
    return f"Detected {start:%Y-%m-%d %H:%M} UTC, {end}."


def _verification_lines(cycle: Cycle) -> Iterator[str]:
    """Yield a line an item: ticked where it is done, and else how it stands."""
    phases = {row.phase: row for row in cycle.phases.select_related("gate_record")}
    items = cycle.checklist.asked().filter(kind=ItemKind.VERIFICATION)
    for item in items.exclude(phase=Phase.POSTMORTEM):
        mark = "x" if item.state == ItemState.DONE else " "
        said = " ".join(item.note.split())
        if item.is_open:
            said = stand(item, phases[item.phase]).words
        elif mark == " ":
            label = item.get_state_display().lower()
            said = f"{label}: {said}" if said else label
        yield f"- [{mark}] {item.text}{f' ({said})' if said else ''}"


def _remediation(cycle: Cycle) -> dict[str, str]:
    """Return the chosen remediations by term; what was done goes with the immediate."""
    items = list(
        ChecklistItem.objects.filter(cycle=cycle, kind=ItemKind.REMEDIATION).asked()
    )
    chosen = {
        row.choice_key: row.chosen
        for row in RemediationDecision.objects.filter(item__in=items).order_by("id")
    }
    lines: dict[str, list[str]] = {}
    for item in items:
        for choice in item.content.get("choices", ()):
            if chosen.get(choice["key"]):
                term = choice.get("term", "immediate")
                lines.setdefault(f"remediation_{term}", []).append(
                    f"- {choice['text']}"
                )
    for action in RemediationAction.objects.filter(cycle=cycle):
        lines.setdefault("remediation_immediate", []).append(f"- {action.description}")
    return {key: "\n".join(texts) for key, texts in lines.items()}
