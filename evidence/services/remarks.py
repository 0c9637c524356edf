"""What the app of cases says of evidence: that it came late, or that it is void.

Evidence stands below the cases and cannot ask them. They register here, once, when the
apps start; pages and the API show whatever is remarked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from evidence.models import EvidenceItem, FaultKind, StoreFault


class RemarkKind(StrEnum):
    """What a remark means for those who read the item."""

    LATE = "late"
    VOID = "void"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Remark:
    """One remark on an item, in words for people."""

    kind: RemarkKind
    text: str


Remarker = Callable[[Collection[EvidenceItem]], Mapping[int, list[Remark]]]
"""Takes items and returns the remarks on them, by ID, in a fixed count of queries."""

_remarkers: list[Remarker] = []


def remark_on_evidence(remarker: Remarker) -> None:
    """Have this asked whenever evidence is shown."""
    if remarker not in _remarkers:
        _remarkers.append(remarker)


def find_remarks(items: Collection[EvidenceItem]) -> dict[int, list[Remark]]:
    """Return what is to be said of each item, by its ID; what has none is left out."""
    found: dict[int, list[Remark]] = {}
    for remarker in (_remark_on_faults, *_remarkers) if items else ():
        for pk, remarks in remarker(items).items():
            found.setdefault(pk, []).extend(remarks)
    return found


FAULT_WORDS = {
    FaultKind.DAMAGED: "Stored bytes were changed",
    FaultKind.MISSING: "Stored bytes are missing",
}


def _remark_on_faults(items: Collection[EvidenceItem]) -> dict[int, list[Remark]]:
    """Say of items that the store no longer has the bytes that were received."""
    standing = StoreFault.everything.standing().filter(
        sha256_hex__in={item.sha256_hex for item in items}
    )
    words = {fault.sha256_hex: FAULT_WORDS[FaultKind(fault.kind)] for fault in standing}
    return {
        item.pk: [Remark(RemarkKind.DAMAGED, words[item.sha256_hex])]
        for item in items
        if item.sha256_hex in words
    }
