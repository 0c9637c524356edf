"""What an export draws on: one bundle, or several of a case as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evidence import storage
from evidence.format import (
    read_document,
    seal_bundle,
    serialize_document,
    verify_document,
)
from evidence.format.merging import merge_bundles
from evidence.models import EvidenceItem
from evidence.services.carried_faults import failed_steps
from evidence.services.documents import unpack_document

NamedBytes = Sequence[tuple[str, bytes]]
"""Documents with the names of their items."""


@dataclass(frozen=True)
class Sources:
    """Bundles as one: its bytes, its document, and the bytes of each by item's name."""

    data: bytes
    document: dict[str, Any]
    in_several: list[dict[str, Any]]
    each: NamedBytes

    def report(self) -> dict[str, Any]:
        """Return the ledger's faults of all of them, and which steps each fails."""
        errors: list[dict[str, Any]] = []
        fails: list[dict[str, str]] = []
        for name, data in self.each:
            found = verify_document(data).as_dict()["report"]
            errors += found["ledger"]["verification_errors"]
            fails += [{**row, "source": name} for row in failed_steps(found)]
        return {"ledger": {"verification_errors": errors}, "fails": fails}


def load_sources(items: Sequence[EvidenceItem]) -> NamedBytes:
    """Return the bytes of items by their names, digests checked and unpacked."""
    return [
        (item.shown_name, unpack_document(storage.read_verified(item.sha256_hex)))
        for item in items
    ]


def join_sources(each: NamedBytes) -> Sources:
    """Read bundles and make one of them.

    Raise DocumentRefused where they contradict each other or are no bundles.
    """
    merged = merge_bundles([read_document(data) for _, data in each])
    if len(each) == 1:
        return Sources(each[0][1], merged.document, [], each)
    sealed = seal_bundle(merged.document)
    return Sources(serialize_document(sealed), sealed, merged.in_several, each)
