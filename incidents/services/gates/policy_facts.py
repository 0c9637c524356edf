"""What the policy app knows of a case: kill switches, snapshots, rollbacks."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from evidence.models import EvidenceItem, EvidenceKind
from incidents.models import Cycle, Incident
from policy.models import KillSwitch, RollbackProof, RollbackState


def find_kill_switched(incident: Incident) -> frozenset[str]:
    """Return the extension IDs of a case whose kill switch is active.

    A switch of another case counts, and so does one for all extensions. An active one
    is an order: whether it took effect is another question.
    """
    return _covered(incident, KillSwitch.objects.active())


def find_kill_confirmed(incident: Incident) -> frozenset[str]:
    """Return the extension IDs of a case that are confirmed to be stopped."""
    return _covered(incident, KillSwitch.objects.confirmed())


def _covered(incident: Incident, switches: QuerySet[KillSwitch]) -> frozenset[str]:
    names = {
        extension.pk: extension.extension_id for extension in incident.extensions.all()
    }
    about = Q(extension__isnull=True) | Q(extension__in=names)
    stopped = set(switches.filter(about).values_list("extension_id", flat=True))
    if None in stopped:
        return frozenset(names.values())
    return frozenset(names[pk] for pk in stopped if pk is not None)


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
