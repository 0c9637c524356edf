"""What the policy app knows of a case: snapshots and rollbacks."""

from __future__ import annotations

from django.db.models import Q

from evidence.models import EvidenceItem, EvidenceKind
from incidents.models import Cycle, Incident
from policy.models import RollbackProof, RollbackState


def find_configuration_snapshots(incident: Incident) -> list[EvidenceItem]:
    """Return the configuration snapshots that a case holds as evidence, oldest first.

    One that an earlier cycle brought counts, as its bundles and kill switches do.
    """
    stored = Q(kind=EvidenceKind.POLICY_SNAPSHOT) | Q(policy_snapshots__isnull=False)
    return list(incident.evidence_items.filter(stored).distinct().order_by("pk"))


def find_verified_rollbacks(cycle: Cycle) -> list[int]:
    """Return the numbers of the rollbacks of a case that were verified in a cycle."""
    proofs = RollbackProof.objects.filter(
        rollback__incident=cycle.incident_id,
        rollback__state=RollbackState.VERIFIED,
        deviations=[],
        given_at__gte=cycle.started_at,
    )
    if cycle.ended_at is not None:
        proofs = proofs.filter(given_at__lte=cycle.ended_at)
    return sorted(set(proofs.values_list("rollback_id", flat=True)))
