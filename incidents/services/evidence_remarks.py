"""What cases say of their evidence wherever it is shown: that it is late or void."""

from __future__ import annotations

from collections.abc import Collection

from evidence.models import EvidenceItem
from evidence.services.remarks import Remark, RemarkKind
from incidents.services.gates.late_evidence import find_late
from incidents.services.postmortems.archive import find_void_files


def remark_on_items(items: Collection[EvidenceItem]) -> dict[int, list[Remark]]:
    """Return the remarks on items of any cases, by the item's ID."""
    late, void = find_late(items), find_void_files(items)
    found = {
        item.pk: [
            *([Remark(RemarkKind.LATE, late[item.pk])] if item.pk in late else []),
            *([Remark(RemarkKind.VOID, void[item.pk])] if item.pk in void else []),
        ]
        for item in items
    }
    return {pk: remarks for pk, remarks in found.items() if remarks}
