"""Evidence that came after the phase that verifies it, or after the case was closed."""

from __future__ import annotations

from collections.abc import Collection

from evidence.models import Channel, EvidenceItem
from incidents.models import Cycle
from incidents.workflow.phases import Phase


def find_late(items: Collection[EvidenceItem]) -> dict[int, str]:
    """Return why each late item of any cases is late, by its ID; two queries.

    A gate that was passed is not looked at again for it: people have to know. What a
    worker or an export made here did not arrive, and is never late.
    """
    cycles: dict[int, list[Cycle]] = {}
    concerned = Cycle.objects.filter(incident__in={item.incident_id for item in items})
    for cycle in concerned.prefetch_related("phases").order_by("number"):
        cycles.setdefault(cycle.incident_id, []).append(cycle)
    found = (
        (item.pk, _why_late(cycles.get(item.incident_id, []), item)) for item in items
    )
    return {pk: why for pk, why in found if why}


def _why_late(cycles: list[Cycle], item: EvidenceItem) -> str:
    if item.channel == Channel.WORKER or item.derived_from_id is not None:
        return ""
    begun = [cycle for cycle in cycles if cycle.started_at <= item.received_at]
    if not begun:
        return ""
    cycle = begun[-1]
    if cycle.ended_at is not None and item.received_at > cycle.ended_at:
        return "Late: after the case was closed"
    verify = next(phase for phase in cycle.phases.all() if phase.phase == Phase.VERIFY)
    if verify.completed_at is not None and item.received_at > verify.completed_at:
        return "Late: after VERIFY was complete"
    return ""
