"""Records of the policy app that concern a case, for its pages and its checklist."""

from __future__ import annotations

from django.db.models import Q

from incidents.models import Incident
from policy.models import KillSwitch, TrustTransition


def kill_switches_of(incident: Incident) -> list[KillSwitch]:
    """Return the kill switches that concern a case's extensions, newest first."""
    concerns = Q(incident=incident) | Q(extension__in=incident.extensions.all())
    return list(KillSwitch.objects.with_people().filter(concerns).order_by("-id"))


def trust_transitions_of(incident: Incident) -> list[TrustTransition]:
    """Return how the trust of a case's extensions moved, newest first."""
    return list(
        TrustTransition.objects.filter(extension__in=incident.extensions.all())
        .select_related("extension", "requested_by", "approved_by")
        .order_by("-id")
    )
