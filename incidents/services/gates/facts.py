"""The facts of a gate: all of them at once, or each when a rule asks for it."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property

from django.db.models import Exists, OuterRef

from incidents.models import (
    ChecklistEntry,
    ChecklistItem,
    Cycle,
    EntryAction,
    GateStatement,
    Incident,
)
from incidents.services.gates.gathering import (
    find_replay_viewing,
    gather_actions,
    gather_bundles,
    gather_choices,
    gather_postmortem,
    gather_snapshots,
    item_fact,
    newest_statements,
    stated,
)
from incidents.services.gates.policy_facts import find_verified_rollbacks
from incidents.services.policy_records import CaseSwitches, read_switches
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.gate_facts import (
    BundleFact,
    ChoiceFact,
    GateFacts,
    ItemFact,
    PostmortemFact,
    SnapshotFact,
    Statement,
)
from incidents.workflow.incident_states import RemediationKind


def gather_facts(
    incident: Incident, cycle: Cycle, *, switches: CaseSwitches | None = None
) -> GateFacts:
    """Return everything that the gates of a cycle look at.

    A page that has read the kill switches of the case hands them over.
    """
    facts = FactsAsAsked(incident, cycle, switches)
    return GateFacts(**{name.name: getattr(facts, name.name) for name in fields(facts)})


class FactsAsAsked(GateFacts):
    """What the gates of a cycle look at, each fact read when a rule asks for it.

    One gate looks at a few of them, and who waives a condition at one gate only.
    Statements and checklist are of the cycle; evidence, snapshots and kill switches are
    of the case, and count in each of its cycles.
    """

    _incident: Incident
    _cycle: Cycle

    def __init__(
        self, incident: Incident, cycle: Cycle, switches: CaseSwitches | None = None
    ) -> None:
        # The class is frozen; what stands here is no field of it.
        self.__dict__.update(_incident=incident, _cycle=cycle)
        if switches is not None:
            self.__dict__["_switches"] = switches

    @cached_property
    def _switches(self) -> CaseSwitches:
        return read_switches(self._incident)

    @cached_property
    def _statements(self) -> dict[tuple[str, int | None], GateStatement]:
        return newest_statements(self._cycle)

    @cached_property
    def _asked(self) -> list[ChecklistItem]:
        undone = ChecklistEntry.objects.filter(
            item=OuterRef("pk"), action=EntryAction.UNDONE
        )
        asked = self._cycle.checklist.asked()
        return list(asked.annotate(was_undone=Exists(undone)))

    @cached_property
    def extension_ids(self) -> tuple[str, ...]:
        rows = self._incident.extensions.all()
        return tuple(extension.extension_id for extension in rows)

    @cached_property
    def kill_switched(self) -> frozenset[str]:
        return self._switches.killed

    @cached_property
    def kill_confirmed(self) -> frozenset[str]:
        return self._switches.confirmed

    @cached_property
    def killed_otherwise(self) -> Statement | None:
        return stated(self._statements, ConditionKey.EXTENSION_KILLED)

    @cached_property
    def isolation(self) -> Statement | None:
        return stated(self._statements, ConditionKey.ISOLATION_VERIFIED)

    @cached_property
    def bundles(self) -> tuple[BundleFact, ...]:
        return gather_bundles(self._incident, self._cycle, self._statements.values())

    @cached_property
    def snapshots(self) -> tuple[SnapshotFact, ...]:
        return gather_snapshots(self._incident, self._cycle)

    @cached_property
    def failed_verification_is_finding(self) -> bool:
        document = self._incident.playbook_version.document
        return bool(document.get("failed_verification_is_finding", False))

    @cached_property
    def root_cause(self) -> Statement | None:
        return stated(self._statements, ConditionKey.ROOT_CAUSE_WRITTEN)

    @cached_property
    def replay_viewed(self) -> Statement | None:
        return find_replay_viewing(self._incident, self._cycle)

    @cached_property
    def items(self) -> tuple[ItemFact, ...]:
        return tuple(item_fact(item) for item in self._asked)

    @cached_property
    def actions(self) -> tuple[RemediationKind, ...]:
        return gather_actions(self._cycle)

    @cached_property
    def verified_rollbacks(self) -> tuple[int, ...]:
        return tuple(find_verified_rollbacks(self._cycle))

    @cached_property
    def choices(self) -> tuple[ChoiceFact, ...]:
        return gather_choices(self._asked)

    @cached_property
    def postmortem(self) -> PostmortemFact:
        return gather_postmortem(self._cycle)
