"""Records of the policy app that concern a case, for its pages and its checklist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Q

from evidence.loading import load_people
from evidence.models.case_bound import is_shown
from incidents.models import Incident
from policy.models import KillSwitch, TrustTransition
from policy.rules.kill_switch import KillSwitchState


@dataclass(frozen=True)
class CaseSwitches:
    """The kill switches that concern a case and nobody lifted, oldest first.

    Read once, and asked for whatever page, gate or ending wants to know of them.
    """

    incident_id: int
    extension_ids: Mapping[int, str]
    """The extensions of the case: the ID of each by its key."""
    standing: tuple[KillSwitch, ...]
    hidden: frozenset[int] = frozenset()
    """Those that a case gave which is hidden from who is looking."""

    @property
    def orders(self) -> list[KillSwitch]:
        """The orders that the case waits on: nobody confirmed them."""
        return [
            switch
            for switch in self.standing
            if switch.state is KillSwitchState.ORDERED and switch.pk not in self.hidden
        ]

    @property
    def own_orders(self) -> list[KillSwitch]:
        """The orders that the case gave, or that name an extension of it."""
        return [order for order in self.orders if self._is_own(order)]

    @property
    def given(self) -> tuple[KillSwitch, ...]:
        """Those that the case itself ordered, confirmed or not."""
        return tuple(
            switch for switch in self.standing if switch.incident_id == self.incident_id
        )

    @property
    def kill_all(self) -> KillSwitch | None:
        """The newest that stops every extension; None where none does."""
        found = [
            switch
            for switch in self.standing
            if switch.extension_id is None and switch.pk not in self.hidden
        ]
        return found[-1] if found else None

    @property
    def killed(self) -> frozenset[str]:
        """The IDs of the case's extensions with an active kill switch.

        One of another case counts, and so does one for all extensions. An active one
        is an order: whether it took effect is another question.
        """
        return self._covered(self.standing)

    @property
    def confirmed(self) -> frozenset[str]:
        """The IDs of the case's extensions that are confirmed to be stopped."""
        return self._covered(
            switch
            for switch in self.standing
            if switch.state is KillSwitchState.CONFIRMED
        )

    @property
    def are_all_confirmed(self) -> bool:
        """Return whether the case names extensions, all confirmed to be stopped."""
        names = frozenset(self.extension_ids.values())
        return bool(names) and names <= self.confirmed

    def _is_own(self, switch: KillSwitch) -> bool:
        is_given = switch.incident_id == self.incident_id
        return is_given or switch.extension_id in self.extension_ids

    def _covered(self, switches: Iterable[KillSwitch]) -> frozenset[str]:
        stopped = {switch.extension_id for switch in switches}
        if None in stopped:
            return frozenset(self.extension_ids.values())
        return frozenset(
            name for pk, name in self.extension_ids.items() if pk in stopped
        )


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


def read_switches(incident: Incident) -> CaseSwitches:
    """Return the kill switches that stand and concern a case.

    Those that it gave, those that name an extension of it, and those that stop all.
    """
    names = {
        extension.pk: extension.extension_id for extension in incident.extensions.all()
    }
    concerns = Q(incident=incident) | Q(extension__in=names) | Q(extension__isnull=True)
    # What stands counts, no matter who ordered it: only what is shown of it is less.
    standing = KillSwitch.everything.active().filter(concerns)
    found = tuple(standing.with_state().select_related("incident").order_by("id"))
    # Of one that stands, nobody lifted it.
    load_people(found, "ordered_by", "confirmation__confirmed_by")
    hidden = frozenset(each.pk for each in found if not is_shown(each.incident))
    return CaseSwitches(incident.pk, names, found, hidden)


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
