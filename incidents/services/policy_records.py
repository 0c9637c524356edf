"""Records of the policy app that concern a case, for its pages and its checklist."""

from __future__ import annotations

from django.db.models import Q

from incidents.models import Incident
from policy.models import KillSwitch, TrustTransition


def kill_switches_of(incident: Incident) -> list[KillSwitch]:
    """Return the kill switches that concern a case's extensions, newest first.

    One that stops all concerns every case: while it stands, and afterwards those that
    were open meanwhile.
    """
    everywhere = Q(extension__isnull=True) & (
        Q(lift__isnull=True) | Q(lift__lifted_at__gte=incident.reported_at)
    )
    if incident.closed_at is not None:
        everywhere &= Q(ordered_at__lte=incident.closed_at)
    concerns = (
        Q(incident=incident) | Q(extension__in=incident.extensions.all()) | everywhere
    )
    return list(KillSwitch.objects.with_people().filter(concerns).order_by("-id"))


def shown_orders(incident: Incident) -> list[KillSwitch]:
    """Return the orders that a case waits on: stood, not confirmed, oldest first.

    Those that it gave, those that name an extension of it, and those that stop all.
    """
    concerns = (
        Q(incident=incident)
        | Q(extension__in=incident.extensions.all())
        | Q(extension__isnull=True)
    )
    waiting = KillSwitch.objects.unconfirmed().filter(concerns)
    return list(waiting.with_people().order_by("id"))


def standing_kill_all() -> KillSwitch | None:
    """Return the kill switch that stops every extension now; None where none does."""
    rows = KillSwitch.objects.active().filter(extension__isnull=True)
    return rows.with_people().first()


def trust_transitions_of(incident: Incident) -> list[TrustTransition]:
    """Return how the trust of a case's extensions moved, newest first."""
    return list(
        TrustTransition.objects.filter(extension__in=incident.extensions.all())
        .select_related("extension", "requested_by", "approved_by")
        .order_by("-id")
    )
