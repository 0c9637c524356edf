"""What becomes of a checklist when a case is reclassified.

What somebody answered is kept as it stands, whatever the new playbook says of it.
What is open is planned anew from the new playbook.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from incidents.workflow.incident_states import ItemState
from incidents.workflow.playbook_document import PlaybookDocument, PlaybookItem


@dataclass(frozen=True)
class PlannedItem:
    """An item of the case's checklist, as its playbook version describes it."""

    item: PlaybookItem
    state: ItemState


@dataclass(frozen=True)
class ReclassificationPlan:
    """Which items stay, which are added, and which open ones are closed.

    ``carried`` are kept items that the new playbook does not have: answers of the old
    class, which stay visible.
    """

    keep: tuple[PlannedItem, ...]
    add: tuple[PlaybookItem, ...]
    close: tuple[PlannedItem, ...]
    carried: tuple[PlannedItem, ...]


def plan_reclassification(
    old_items: Iterable[PlannedItem], new_document: PlaybookDocument
) -> ReclassificationPlan:
    """Plan the checklist of a case for another playbook.

    The same item in both (key and content) stays as it is, open or answered. Of two
    items that share a key only, an answered one is kept and the new one is added.
    """
    old = tuple(old_items)
    wanted = {item.key: item for item in new_document.checklist}
    is_same = {planned: wanted.get(planned.item.key) == planned.item for planned in old}
    keep = tuple(p for p in old if is_same[p] or p.state.is_answered)
    kept_as_is = {p.item.key for p in old if is_same[p]}
    return ReclassificationPlan(
        keep=keep,
        add=tuple(i for i in new_document.checklist if i.key not in kept_as_is),
        close=tuple(p for p in old if p not in keep),
        carried=tuple(p for p in keep if not is_same[p]),
    )
