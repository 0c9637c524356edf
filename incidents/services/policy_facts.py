"""What the policy app knows of a case: kill switches and configuration snapshots."""

from __future__ import annotations

from evidence.models import EvidenceKind
from incidents.models import Cycle, Incident


def find_kill_switched(incident: Incident) -> frozenset[str]:
    """Return the extension IDs of a case whose kill switch is active."""
    return frozenset()


def count_configuration_snapshots(incident: Incident, cycle: Cycle) -> int:
    """Return how many configuration snapshots were stored for a case."""
    return incident.evidence_items.filter(kind=EvidenceKind.POLICY_SNAPSHOT).count()
