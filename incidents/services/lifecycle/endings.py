"""How a cycle ends: its clocks stand still, and what it was is kept beside it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from evidence.accounts.access import Actor, name_of
from incidents.models import (
    ArtifactKind,
    ArtifactLink,
    ChecklistItem,
    Cycle,
    CycleEnding,
    Incident,
)
from incidents.services.checklist_entries import answer_matching_item
from incidents.services.gates.conditions import decide_gate, keep_gate
from incidents.services.gates.facts import gather_facts
from incidents.workflow.conditions import HELD_CONDITIONS, ConditionKey
from incidents.workflow.gate_facts import BundleFact, GateFacts, SnapshotFact
from incidents.workflow.gates import evaluate_gate
from incidents.workflow.phases import Phase

PERSON_MISSING = ""


def utc(moment: dt.datetime | None) -> str | None:
    """Return a moment as documents write it: UTC, ISO 8601 to the second."""
    if moment is None:
        return None
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def case_head(incident: Incident, cycle: Cycle) -> dict[str, Any]:
    """Return what a document says of a case at its head, as the case stands now."""
    version = incident.playbook_version
    return {
        "reference": incident.reference,
        "title": incident.title,
        "class": version.playbook.code,
        "class_title": version.playbook.title,
        "playbook_version": version.number,
        "severity": incident.severity,
        "source": incident.source,
        "detected_at": utc(incident.detected_at),
        "reported_at": utc(incident.reported_at),
        "cycle": cycle.number,
        "lead": name_of(incident.lead) if incident.lead else PERSON_MISSING,
        "team": incident.team.name if incident.team else "",
        "labels": list(incident.labels),
        "extensions": sorted(
            extension.extension_id for extension in incident.extensions.all()
        ),
        "tickets": [
            {"ticket": link.ticket, "url": link.url}
            for link in incident.ticket_links.all()
        ],
    }


def end_cycle(
    incident: Incident, cycle: Cycle, *, actor: Actor, now: dt.datetime
) -> CycleEnding:
    """End the cycle of a case that has just been closed; keep how it stood.

    Gates that were left open are kept as they are: from here nothing evaluates them.
    """
    left_open = list(cycle.phases.filter(completed_at__isnull=True))
    facts = gather_facts(incident, cycle) if left_open else GateFacts()
    cycle.ended_at = now
    cycle.save(update_fields=["ended_at"])
    for phase in left_open:
        keep_gate(phase, decide_gate(phase, facts), facts, now=now)
    return CycleEnding.objects.create(
        cycle=cycle,
        status=incident.status,
        resolution=incident.resolution,
        functional_impact=incident.functional_impact,
        information_impact=incident.information_impact,
        recoverability=incident.recoverability,
        reason=incident.closing_reason,
        original=incident.duplicate_of,
        lead=incident.lead,
        severity=incident.severity,
        playbook_version=incident.playbook_version,
        head=case_head(incident, cycle),
        ended_by=actor,
    )


def answer_what_holds(
    incident: Incident, cycle: Cycle, *, actor: Actor, now: dt.datetime
) -> None:
    """Answer the items of a new cycle that ask for what the case holds already.

    What a case holds counts in every cycle, for its gates and for its checklist: one
    rule for evidence, snapshots and kill switches.
    """
    facts = gather_facts(incident, cycle)
    conditions = {
        condition.key: condition
        for phase in (Phase.CONTAIN, Phase.COLLECT)
        for condition in evaluate_gate(phase, facts).conditions
    }
    held: dict[ConditionKey, Sequence[BundleFact | SnapshotFact]] = {
        ConditionKey.BUNDLE_STORED: facts.bundles,
        ConditionKey.CONFIGURATION_SNAPSHOT: facts.snapshots,
    }
    for key in HELD_CONDITIONS:
        if not conditions[key].met:
            continue
        item = answer_matching_item(
            cycle,
            key,
            actor=actor,
            now=now,
            note=f"Held from an earlier cycle: {conditions[key].detail}",
        )
        if item is not None:
            _link(item, held.get(key, ()), actor=actor, now=now)


def _link(
    item: ChecklistItem,
    held: Sequence[BundleFact | SnapshotFact],
    *,
    actor: Actor,
    now: dt.datetime,
) -> None:
    ArtifactLink.objects.bulk_create(
        ArtifactLink(
            item=item,
            kind=ArtifactKind.EVIDENCE,
            evidence_item_id=fact.evidence_id,
            label=fact.name,
            linked_at=now,
            linked_by=actor,
        )
        for fact in held
    )
