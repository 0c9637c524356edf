"""Artifacts that checklist items expect, with what is known of each from its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evidence.models import (
    EvidenceItem,
    ReplayStep,
    Tombstone,
    TombstoneKind,
    VerificationReport,
)
from incidents.errors import IncidentError
from incidents.models import Alert, ArtifactKind, Incident
from incidents.services.gates.gathering import find_current_reports, is_chain_valid
from incidents.services.policy_records import kill_switches_of, trust_transitions_of
from incidents.workflow.artifacts import ArtifactFacts
from policy.models import KillSwitch, TrustTransition

COUNTS_PREFIX = "counts."


@dataclass(frozen=True)
class Artifact:
    """One thing that can be linked: what it is, and what is known of it."""

    kind: ArtifactKind
    label: str
    facts: ArtifactFacts
    evidence_item: EvidenceItem | None = None
    record_id: str = ""

    @property
    def key(self) -> str:
        """What names the artifact in forms: its kind and its ID."""
        record = self.evidence_item.pk if self.evidence_item else self.record_id
        return f"{self.kind.value}:{record}"


def evidence_artifact(item: EvidenceItem) -> Artifact:
    """Return an evidence item as an artifact, with what its current report says."""
    return evidence_artifacts([item])[0]


def evidence_artifacts(items: Iterable[EvidenceItem]) -> list[Artifact]:
    """Return evidence items as artifacts; three queries, however many there are."""
    listed = list(items)
    reports = find_current_reports(listed)
    decisions = _policy_decisions(reports.values())
    return [
        Artifact(
            kind=ArtifactKind.EVIDENCE,
            label=item.original_name,
            facts=_evidence_facts(item, reports.get(item.pk), decisions),
            evidence_item=item,
        )
        for item in listed
    ]


def record_artifact(incident: Incident, kind: ArtifactKind, record_id: str) -> Artifact:
    """Return an alert or a policy record of the case as an artifact."""
    found = {
        record.record_id: record
        for record in list_records(incident)
        if record.kind == kind
    }
    if record_id not in found:
        raise IncidentError(f"This {kind.label.lower()} is not one of this case.")
    return found[record_id]


def list_records(incident: Incident) -> list[Artifact]:
    """Return the alerts and policy records of a case as artifacts."""
    return [
        *map(_alert_artifact, alerts_of(incident)),
        *map(_transition_artifact, trust_transitions_of(incident)),
        *map(_kill_switch_artifact, kill_switches_of(incident)),
    ]


def alerts_of(incident: Incident) -> Iterable[Alert]:
    """Return the alerts that belong to a case now."""
    return incident.alerts.select_related("extension")


def failed_steps(incident: Incident, step: str) -> list[str]:
    """Return the names of the case's evidence whose current report fails a step."""
    items = {item.pk: item for item in incident.evidence_items.all()}
    reports = find_current_reports(items.values())
    return [
        items[pk].original_name
        for pk, report in reports.items()
        if report.steps.get(step) == "fail"
    ]


def _evidence_facts(
    item: EvidenceItem,
    report: VerificationReport | None,
    decisions: dict[int, frozenset[str]],
) -> ArtifactFacts:
    if report is None:
        return ArtifactFacts(evidence_kind=item.kind)
    return ArtifactFacts(
        evidence_kind=item.kind,
        bundle_sections=_sections_with_records(report),
        policy_decisions=decisions.get(report.pk, frozenset()),
        chain_valid=is_chain_valid(report),
        has_verification_errors=report.error_count > 0,
        bundle_alert_categories=frozenset(
            row["category"] for row in report.overview.get("alerts", ())
        ),
    )


def _sections_with_records(report: VerificationReport) -> frozenset[str]:
    """Return the sections that the engine itself counted records in."""
    step = report.details.get("details", {}).get("summary_counts", {})
    return frozenset(
        figure["name"].removeprefix(COUNTS_PREFIX)
        for figure in step.get("figures", ())
        if figure["name"].startswith(COUNTS_PREFIX) and figure.get("recomputed")
    )


def _policy_decisions(
    reports: Iterable[VerificationReport],
) -> dict[int, frozenset[str]]:
    keys = [report.pk for report in reports]
    rows = (
        ReplayStep.objects.filter(report__in=keys)
        .order_by()
        .values_list("report_id", "policy_decision")
        .distinct()
    )
    found: dict[int, set[str]] = {}
    for report_id, decision in rows:
        if decision:
            found.setdefault(report_id, set()).add(decision)
    stones = Tombstone.objects.filter(kind=TombstoneKind.REPLAY, row_key__in=keys)
    for report_id, kept in stones.values_list("row_key", "kept"):
        found.setdefault(report_id, set()).update(kept["policy_decisions"])
    return {report_id: frozenset(names) for report_id, names in found.items()}


def _alert_artifact(alert: Alert) -> Artifact:
    return Artifact(
        kind=ArtifactKind.ALERT,
        label=str(alert),
        facts=ArtifactFacts(
            alert_category=alert.category,
            extension_ids=frozenset({alert.extension.extension_id}),
        ),
        record_id=str(alert.pk),
    )


def _transition_artifact(row: TrustTransition) -> Artifact:
    extension = row.extension.extension_id
    return Artifact(
        kind=ArtifactKind.TRUST_TRANSITION,
        label=f"{extension}: {row.from_state} → {row.to_state}",
        facts=ArtifactFacts(
            record=ArtifactKind.TRUST_TRANSITION, extension_ids=frozenset({extension})
        ),
        record_id=str(row.pk),
    )


def _kill_switch_artifact(row: KillSwitch) -> Artifact:
    about = {row.extension.extension_id} if row.extension else set()
    return Artifact(
        kind=ArtifactKind.KILL_SWITCH,
        label=f"{row} ({row.state.value})",
        facts=ArtifactFacts(
            record=ArtifactKind.KILL_SWITCH, extension_ids=frozenset(about)
        ),
        record_id=str(row.pk),
    )
