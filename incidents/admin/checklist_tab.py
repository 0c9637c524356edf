"""The checklist of one phase, with its gate: the first tab of the incident page."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Prefetch
from django.http import Http404, HttpRequest
from django.urls import reverse

from evidence.loading import load_people
from evidence.models import EvidenceItem, VerificationReport
from incidents.admin.checklist_views import ChoiceView, ConditionView, ItemView
from incidents.admin.finding_views import view_findings
from incidents.models import (
    ArtifactLink,
    ChecklistItem,
    Cycle,
    Incident,
    IncidentPhase,
    RemediationAction,
)
from incidents.services.checklists.answers import CONDITION_OF_ITEM, planned_item
from incidents.services.checklists.artifacts import (
    Artifact,
    evidence_artifacts,
    list_records,
)
from incidents.services.checklists.finding_reviews import findings_of
from incidents.services.checklists.remediation import question_choices
from incidents.services.gates.conditions import STATED, read_gate
from incidents.services.gates.gathering import find_current_reports
from incidents.services.policy_records import CaseSwitches
from incidents.workflow.artifacts import match_artifact
from incidents.workflow.conditions import (
    ITEM_OF_CONDITION,
    GateResult,
)
from incidents.workflow.incident_states import ItemKind
from incidents.workflow.phases import Phase

SUGGESTIONS_MAX = 5


def checklist_tab(
    request: HttpRequest,
    incident: Incident,
    cycle: Cycle,
    switches: CaseSwitches,
    *,
    phase: Phase | None = None,
) -> dict[str, Any]:
    """Return the checklist and the gate of a phase: the running one unless chosen."""
    row = _chosen_phase(request, cycle, phase)
    gate = read_gate(incident, row, switches=switches)
    items = _items(cycle, row)
    is_open = row.completed_at is None and cycle.ended_at is None
    conditions = _condition_views(
        incident,
        gate,
        row,
        is_open=is_open,
        is_confirmed=switches.are_all_confirmed,
    )
    state, words = _gate_state(row, gate, conditions, is_open=is_open)
    views = _item_views(
        incident,
        [item for item in items if not item.retired_at],
        until=row.completed_at or cycle.ended_at,
        is_past=cycle.ended_at is not None,
    )
    return {
        "shown_phase": row,
        "confirmable": _confirmable(views) if is_open else [],
        "is_shown_running": incident.is_open and is_open and row == cycle.running_phase,
        "gate": gate,
        "gate_state": state,
        "gate_words": words,
        "gate_is_refused": request.GET.get("refused") == row.phase,
        "conditions": conditions,
        "items": views,
        "retired": [item for item in items if item.retired_at],
        "progress": _progress(cycle),
        "actions": _actions(cycle) if row.name is Phase.REMEDIATE else (),
    }


def _confirmable(views: list[ItemView]) -> list[int]:
    """Return the findings to confirm at once: those on the page, of several items."""
    several = [view for view in views if view.item.is_open and view.can_confirm]
    if len(several) < 2:
        return []
    return [key for view in several for key in view.confirmable]


def _chosen_phase(
    request: HttpRequest, cycle: Cycle, phase: Phase | None
) -> IncidentPhase:
    rows = {row.phase: row for row in cycle.phases.all()}
    wanted = phase or request.GET.get("phase") or request.GET.get("refused")
    if wanted:
        if wanted not in rows:
            raise Http404
        return rows[wanted]
    running = cycle.running_phase
    return running or rows[Phase.POSTMORTEM]


def _items(cycle: Cycle, row: IncidentPhase) -> list[ChecklistItem]:
    links = Prefetch("links", ArtifactLink.objects.select_related("evidence_item"))
    items = list(
        cycle.checklist.filter(phase=row.phase)
        .select_related("playbook_version__playbook")
        .prefetch_related(links, "entries", "decisions")
    )
    load_people(items, "answered_by", "assignee")
    return items


def _condition_views(
    incident: Incident,
    gate: GateResult,
    row: IncidentPhase,
    *,
    is_open: bool,
    is_confirmed: bool,
) -> list[ConditionView]:
    waived = {
        waiver.condition_key: waiver.pk
        for waiver in row.waivers.all()
        if waiver.is_in_force
    }
    views = []
    for condition in gate.conditions:
        failed: list[VerificationReport] = []
        if is_open and condition.key == "failures-explained" and not condition.met:
            failed = _failed_reports(incident)
        replay = ""
        if is_open and condition.key == "replay-viewed" and not condition.met:
            replay = _replay_url(incident)
        key = ITEM_OF_CONDITION.get(condition.key)
        views.append(
            ConditionView(
                condition=condition,
                is_statable=condition.key in STATED and not failed,
                item_anchor=f"item-{key}" if key else "",
                failed_reports=failed,
                replay_url=replay,
                is_confirmed_since=condition.is_ordered and is_confirmed,
                waiver_id=waived.get(condition.key),
            )
        )
    return views


def _gate_state(
    row: IncidentPhase,
    gate: GateResult,
    conditions: list[ConditionView],
    *,
    is_open: bool,
) -> tuple[str, str]:
    """Return how a phase's gate stands, and the words for it."""
    waits = any(condition.is_waiting for condition in conditions)
    if row.completed_at is not None:
        if row.breached_at:
            return "complete late", "Complete, late"
        if waits:
            return "ordered", "Complete, on an order that is not confirmed"
        return "complete", "Complete"
    if not is_open:
        return "left open", "Left open"
    if not gate.passed:
        return "missing", f"{len(gate.failed)} missing"
    if waits:
        return "ready on order", "Ready, on an order that is not confirmed"
    return "ready", "Ready"


def _failed_reports(incident: Incident) -> list[VerificationReport]:
    reports = find_current_reports(incident.evidence_items.filter(kind="bundle"))
    return [report for report in reports.values() if not report.is_passing]


def _replay_url(incident: Incident) -> str:
    """Return the replay of the newest bundle, "" where there is none to look at."""
    bundle = (
        incident.evidence_items.arrived().filter(kind="bundle").order_by("-pk").first()
    )
    if bundle is None:
        return ""
    page = reverse("admin:evidence_evidenceitem_change", args=[bundle.pk])
    return f"{page}?view=replay"


def _item_views(
    incident: Incident,
    items: list[ChecklistItem],
    *,
    until: dt.datetime | None,
    is_past: bool,
) -> list[ItemView]:
    """Return the items; reports are those of `until`, where the phase is past."""
    evidence = list(incident.evidence_items.order_by("-id"))
    wants_artifact = any(
        item.kind == ItemKind.ARTIFACT and item.is_open for item in items
    )
    artifacts = (
        [*evidence_artifacts(evidence), *list_records(incident)]
        if wants_artifact
        else []
    )
    has_steps = any(
        (item.content.get("expects") or {}).get("report_step") for item in items
    )
    reports = find_current_reports(evidence, until=until) if has_steps else {}
    extensions = frozenset(
        extension.extension_id for extension in incident.extensions.all()
    )
    findings = findings_of(incident)
    return [
        ItemView(
            item=item,
            details=item.content.get("details", []),
            commands=item.content.get("commands", []),
            references=item.content.get("references", []),
            links=[link for link in item.links.all() if link.withdrawn_at is None],
            suggestions=_suggestions(item, artifacts, extensions),
            choices=_choices(item, is_past=is_past),
            step_states=_step_states(item, evidence, reports),
            needs_statement=CONDITION_OF_ITEM.get(item.key) in STATED,
            findings=view_findings(findings.get(item.key, ())),
        )
        for item in items
    ]


def _suggestions(
    item: ChecklistItem, artifacts: list[Artifact], extensions: frozenset[str]
) -> list[Artifact]:
    """Return the artifacts of the case that are the one expected here."""
    if item.kind != ItemKind.ARTIFACT or not item.is_open:
        return []
    expects = planned_item(item).expects
    if expects is None:
        return []
    fitting = [
        artifact
        for artifact in artifacts
        if match_artifact(expects, artifact.facts, case_extensions=extensions).allowed
    ]
    return fitting[:SUGGESTIONS_MAX]


def _choices(item: ChecklistItem, *, is_past: bool) -> list[ChoiceView]:
    """Return the remediations; only one that can still be chosen is questioned."""
    newest = {decision.choice_key: decision for decision in item.decisions.all()}
    asks = not is_past and item.content.get("choices")
    doubts = question_choices(item) if asks else {}
    return [
        ChoiceView(
            key=choice["key"],
            text=choice["text"],
            condition=choice.get("condition", ""),
            term=(choice.get("term") or "").replace("_", " "),
            required=choice.get("required", False),
            commands=tuple(choice.get("commands", ())),
            decision=newest.get(choice["key"]),
            action=choice["action"],
            doubt=doubts.get(choice["key"], ""),
        )
        for choice in item.content.get("choices", ())
    ]


def _step_states(
    item: ChecklistItem,
    evidence: list[EvidenceItem],
    reports: dict[int, VerificationReport],
) -> list[tuple[str, str]]:
    """Return what each current report says of the step that the item is about."""
    step = _step_of(item)
    if not step:
        return []
    return [
        (item.original_name, reports[item.pk].steps[step])
        for item in evidence
        if item.pk in reports and step in reports[item.pk].steps
    ]


def _step_of(item: ChecklistItem) -> str:
    """Return the step of a verification report that the item is about, or ""."""
    return (item.content.get("expects") or {}).get("report_step") or ""


def _progress(cycle: Cycle) -> dict[str, tuple[int, int]]:
    """Return (answered, asked) of the items, by phase."""
    counts: dict[str, tuple[int, int]] = {}
    for item in cycle.checklist.asked():
        answered, asked = counts.get(item.phase, (0, 0))
        counts[item.phase] = (answered + (not item.is_open), asked + 1)
    return counts


def _actions(cycle: Cycle) -> list[RemediationAction]:
    return list(
        RemediationAction.objects.filter(cycle=cycle).select_related(
            "ticket", "evidence_item"
        )
    )
