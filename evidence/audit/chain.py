"""The audit history's hash chain, as values: how an entry is hashed, how a chain holds.

Pure: no database, no clock. An entry's document is hashed with the canonical form of
docs/evidence-format.md, section 1; `previous_hash` links it to the entry before in its
stream. A chain proves order and content; that the newest entries were not cut off is
proved only against a head that somebody noted elsewhere.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evidence.format import DocumentRefused
from evidence.format.canonical import canonical_record, hash_bytes

SCHEMA = "casefile.audit_entry.v1"


@dataclass(frozen=True)
class ChainFault:
    """One thing wrong with one entry. `code` is stable; `sequence` is the entry's."""

    stream: str
    sequence: int
    code: str
    message: str


def entry_hash(document: Mapping[str, Any]) -> str:
    """Return the hash of an entry's document, its `entry_hash` left out (hex)."""
    content = {k: v for k, v in document.items() if k != "entry_hash"}
    return hash_bytes(canonical_record(content))


def find_chain_faults(documents: Iterable[Mapping[str, Any]]) -> Iterator[ChainFault]:
    """Yield every fault of one stream's entry documents, given in sequence order.

    Codes: `hash_mismatch` (content changed), `sequence_gap` (an entry is missing or
    doubled), `link_mismatch` (it does not continue the entry before).
    """
    sequence, head = 0, None
    for document in documents:
        stream, found = str(document["stream"]), document["sequence"]
        if found != sequence + 1:
            yield ChainFault(
                stream,
                found,
                "sequence_gap",
                f"expected sequence {sequence + 1}, found {found}",
            )
        if document["previous_hash"] != head:
            yield ChainFault(
                stream,
                found,
                "link_mismatch",
                f"previous_hash is {document['previous_hash']}, "
                f"the entry before has {head}",
            )
        if not _has_own_hash(document):
            yield ChainFault(
                stream,
                found,
                "hash_mismatch",
                "the content does not hash to its entry_hash: it was changed",
            )
        sequence, head = found, document["entry_hash"]


def _has_own_hash(document: Mapping[str, Any]) -> bool:
    """Return whether an entry's stored hash is that of its content."""
    try:
        return entry_hash(document) == document["entry_hash"]
    except DocumentRefused:
        # A number that no double equals was never hashed here: somebody put it in.
        return False
