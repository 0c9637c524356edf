"""Several bundles of one incident as one: what an export that draws on all is made of.

Equal records count once. What the bundles say differently about the same thing cannot
be told by the reader from what happened, so that it is refused, with its place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .bundle import require_bundle
from .canonical import canonical_bytes
from .errors import DocumentRefused
from .json_numbers import integer_of
from .names import RECORD_SECTIONS
from .reading_exactly import member_path
from .summary import sections_of

NAMED_ONCE = {"security_alerts": "alert_id", "hostcall_telemetry": "call_id"}
"""Sections with at most one record of each such name."""
_MADE_ANEW = frozenset(
    {
        *("schema", "generated_at_ms", "filter", "redaction", "risk_ledger"),
        *("risk_replay", "summary", "bundle_hash", *RECORD_SECTIONS),
    }
)
_LEDGER_MADE_ANEW = frozenset(
    {"entry_count", "head_ledger_hash", "tail_ledger_hash", "entries"}
)
SHOWN_CALLS = 20

Document = dict[str, Any]


@dataclass
class MergedBundles:
    """The bundle that several make, not sealed, and what stands in more than one.

    `in_several` has a row for each section: how many of its records, and the first of
    the calls that they are about.
    """

    document: Document
    in_several: list[dict[str, Any]] = field(default_factory=list)


def merge_bundles(documents: Sequence[Document]) -> MergedBundles:
    """Return bundles as one; raise DocumentRefused where they contradict each other.

    Records are in order of time, entries of the ledger in order of their sequence.
    """
    for document in documents:
        require_bundle(document)
    if len(documents) == 1:
        return MergedBundles(documents[0])
    first = documents[0]
    ledgers = [document["risk_ledger"] for document in documents]
    sections = [sections_of(document) for document in documents]
    merged = MergedBundles(
        {
            **first,
            **_others(documents, _MADE_ANEW, "$"),
            "filter": {**first["filter"], "extension_id": _extension_of(documents)},
            "risk_ledger": {
                **first["risk_ledger"],
                **_others(ledgers, _LEDGER_MADE_ANEW, "$.risk_ledger"),
                "entries": _merge_entries([held["risk_ledger"] for held in sections]),
            },
        }
    )
    for name in RECORD_SECTIONS:
        held = [section[name] for section in sections]
        merged.document[name] = _merge_records(name, held)
    for name in ("risk_ledger", *RECORD_SECTIONS):
        merged.in_several += _in_several(name, [section[name] for section in sections])
    return merged


def _extension_of(documents: Sequence[Document]) -> Any:
    """Return the extension that all were filtered by; None where there is no such."""
    named = {canonical_bytes(each["filter"].get("extension_id")) for each in documents}
    return documents[0]["filter"].get("extension_id") if len(named) == 1 else None


def _others(
    documents: Sequence[Document], known: frozenset[str], path: str
) -> Document:
    """Return the members that the format does not make anew, the same in all."""
    found: Document = {}
    for document in documents:
        for name, value in document.items():
            if name in known:
                continue
            if canonical_bytes(found.setdefault(name, value)) != canonical_bytes(value):
                raise _contradict(
                    "say another thing in a member", member_path(path, name)
                )
    return found


def _merge_entries(ledgers: Sequence[list[Any]]) -> list[Any]:
    """Return the entries of several ledgers, each sequence once, in order."""
    by_sequence: dict[int, Any] = {}
    for entries in ledgers:
        for sequence, entry in _in_order(entries):
            held = by_sequence.setdefault(sequence, entry)
            if canonical_bytes(held) != canonical_bytes(entry):
                raise _contradict(
                    f"have another entry at sequence {sequence}",
                    "$.risk_ledger.entries",
                )
    return [by_sequence[sequence] for sequence in sorted(by_sequence)]


def _in_order(entries: list[Any]) -> Iterator[tuple[int, Any]]:
    """Yield (sequence, entry); refuse a ledger that sorting would hide a fault of."""
    last = None
    for index, entry in enumerate(entries):
        held = entry.get("sequence") if type(entry) is dict else None
        sequence = integer_of(held) if type(held) in (int, float) else None
        if sequence is None or (last is not None and sequence <= last):
            raise DocumentRefused(
                "bundles_contradict",
                "a ledger whose entries are not in order is exported by itself, or "
                "its fault would be hidden among the entries of others",
                f"$.risk_ledger.entries[{index}]",
            )
        yield sequence, entry
        last = sequence


def _merge_records(section: str, lists: Sequence[list[Any]]) -> list[Any]:
    """Return the records of a section, equal ones of several bundles once, by time."""
    member = NAMED_ONCE.get(section)
    taken: Counter[bytes] = Counter()
    named: dict[str, bytes] = {}
    merged: list[Any] = []
    for records in lists:
        here: Counter[bytes] = Counter()
        for record in records:
            written = canonical_bytes(record)
            here[written] += 1
            if here[written] > taken[written]:
                merged.append(record)
            name = record.get(member) if member and type(record) is dict else None
            if type(name) is str and named.setdefault(name, written) != written:
                raise _contradict(
                    f"differ on one and the same {member}", f"$.{section}"
                )
        taken |= here
    return sorted(merged, key=_moment_of)


def _moment_of(record: Any) -> float:
    """Return when a record is from; 0 where it does not say."""
    held = record.get("ts_ms") if type(record) is dict else None
    return float(held) if isinstance(held, int | float) else 0.0


def _in_several(section: str, lists: Sequence[list[Any]]) -> Iterator[dict[str, Any]]:
    """Yield how many of a section's records stand in several, and of which calls."""
    counts: Counter[bytes] = Counter()
    calls: dict[bytes, Any] = {}
    for records in lists:
        for written, record in {
            canonical_bytes(each): each for each in records
        }.items():
            counts[written] += 1
            calls[written] = record.get("call_id") if type(record) is dict else None
    shared = [written for written, count in counts.items() if count > 1]
    if shared:
        names = [calls[each] for each in shared if type(calls[each]) is str]
        yield {
            "section": section,
            "count": len(shared),
            "calls": list(dict.fromkeys(names))[:SHOWN_CALLS],
        }


def _contradict(what: str, path: str) -> DocumentRefused:
    """Return the refusal of bundles that cannot both be true."""
    return DocumentRefused(
        "bundles_contradict",
        f"the chosen items contradict each other: they {what}. Export them one by one",
        path,
    )
