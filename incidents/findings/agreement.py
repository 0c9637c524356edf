"""Do the ledgers of one runtime agree?

The same sequence carries the same hash wherever it stands; a later ledger extends an
earlier one; the link that a ring buffer left dangling points at the entry that another
ledger still holds. Who rewrites a ledger whole, chain and seal included, is caught here
and nowhere else.

Only entries before a break are compared. Two ledgers that share no entry, no link and
no call are not known to be of one runtime, and are not compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from evidence.format.errors import DocumentRefused
from evidence.format.filters import IncidentBundleFilter
from evidence.format.json_numbers import integer_of
from evidence.format.names import PLACEHOLDER, STEP_MEMBERS
from incidents.findings.finding import Pointer, counted, listed
from incidents.findings.records import Document, Record

_CONTENT = (*STEP_MEMBERS, "params_hash")


@dataclass
class Agreement:
    """What comparing ledgers came to, in words, and the records that show it."""

    contradictions: list[str] = field(default_factory=list)
    pointers: list[Pointer] = field(default_factory=list)
    agreements: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Side:
    """One ledger: its trusted entries by sequence."""

    document: Document
    entries: dict[int, Record]

    @property
    def first(self) -> int:
        """Return the lowest sequence number."""
        return min(self.entries)

    @property
    def last(self) -> int:
        """Return the highest sequence number."""
        return max(self.entries)

    def calls(self) -> frozenset[object]:
        """Return the calls whose entries it holds."""
        return frozenset(e.call for e in self.entries.values() if e.call is not None)

    def extensions(self) -> frozenset[str]:
        """Return the extensions it speaks of."""
        return frozenset(entry.extension for entry in self.entries.values())


def find_contradictions(documents: list[Document]) -> Agreement:
    """Compare every two ledgers; return what contradicts, agrees or cannot be told."""
    result = Agreement()
    sides = []
    for document in documents:
        entries = {
            entry.sequence: entry
            for entry in document.entries or ()
            if entry.is_trusted and entry.sequence is not None
        }
        if document.has_broken_ledger:
            whole = len(document.entries or ())
            result.gaps.append(
                f"of {document.item} only the {document.trusted_prefix} of {whole} "
                "entries before its break were compared"
            )
        if entries:
            sides.append(_Side(document, entries))
        elif not document.has_broken_ledger:
            result.agreements.append(f"{document.item} is empty")
    for left, right in combinations(sides, 2):
        _compare(left, right, result)
    return result


def _compare(left: _Side, right: _Side, result: Agreement) -> None:
    """Note what two ledgers agree on and where they contradict each other."""
    names = f"{left.document.item} and {right.document.item}"
    shared = sorted(left.entries.keys() & right.entries.keys())
    differing = [n for n in shared if _hash(left, n) != _hash(right, n)]
    links = [*_links(left, right), *_links(right, left)]
    bad_links = [entries for entries, holds in links if not holds]
    if not _is_one_runtime(left, right, shared, differing, links):
        result.gaps.append(f"{names} have no entry in common: {_ranges(left, right)}")
        return
    if differing:
        _contradict(left, right, differing, result)
    for earlier, later in bad_links if not differing else ():
        result.contradictions.append(
            f"sequence {later.sequence} of {later.item} links to another entry than "
            f"sequence {earlier.sequence} of {earlier.item}"
        )
        result.pointers += [earlier.pointer, later.pointer]
    missing = [*_missing(left, right), *_missing(right, left)]
    for holder, lacking, entries in missing:
        numbers = _numbers([e.sequence for e in entries if e.sequence is not None])
        result.contradictions.append(
            f"{lacking.document.item} lacks sequence {numbers}, which "
            f"{holder.document.item} holds and its filter does not leave out"
        )
        result.pointers += [entry.pointer for entry in entries]
    if not differing and not bad_links and not missing:
        result.agreements.append(
            f"{names} carry the same hash at {counted(len(shared), 'shared sequence')}"
            if shared
            else f"{names} follow each other by their link"
        )


def _is_one_runtime(
    left: _Side,
    right: _Side,
    shared: list[int],
    differing: list[int],
    links: list[tuple[tuple[Record, Record], bool]],
) -> bool:
    """Return whether two ledgers are known to be of one runtime.

    They share an entry, a link or a call; or, where one begins just after the other,
    extensions: then the link between them is all there is to compare.
    """
    if len(differing) < len(shared) or any(holds for _, holds in links):
        return True
    if left.calls() & right.calls():
        return True
    return not shared and bool(links) and bool(left.extensions() & right.extensions())


def _contradict(
    left: _Side, right: _Side, differing: list[int], result: Agreement
) -> None:
    """Note sequences with two hashes: those whose content differs, or the first."""
    changed = {
        n: members
        for n in differing
        if (members := _changes(left.entries[n], right.entries[n]))
    }
    shown = list(changed) or differing[:1]
    details = listed(f"{n} ({', '.join(members)})" for n, members in changed.items())
    result.contradictions.append(
        f"sequence {_numbers(differing)} carries another hash in "
        f"{right.document.item} than in {left.document.item}"
        + (f"; the records differ at {details}" if details else "")
    )
    for number in dict.fromkeys([differing[0], *shown]):
        result.pointers += [left.entries[number].pointer, right.entries[number].pointer]


def _changes(left: Record, right: Record) -> list[str]:
    """Return what differs in the content of two entries, redacted members left out."""
    found = []
    for name in _CONTENT:
        ours, theirs = left.members.get(name), right.members.get(name)
        if ours != theirs and PLACEHOLDER not in (ours, theirs):
            found.append(f"{name} {_shown(ours)} and {_shown(theirs)}")
    return found


def _shown(value: Any) -> str:
    """Return a value as text, cut short: it came out of a bundle."""
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _hash(side: _Side, sequence: int) -> Any:
    """Return the hash that a side gives for an entry."""
    return side.entries[sequence].members.get("ledger_hash")


def _links(
    earlier: _Side, later: _Side
) -> Iterator[tuple[tuple[Record, Record], bool]]:
    """Yield links that only the other ledger can prove, and whether they hold."""
    for number, entry in later.entries.items():
        before = earlier.entries.get(number - 1)
        if before is not None and number - 1 not in later.entries:
            link = entry.members.get("prev_ledger_hash")
            yield (before, entry), link == before.members.get("ledger_hash")


def _missing(
    holder: _Side, lacking: _Side
) -> Iterator[tuple[_Side, _Side, list[Record]]]:
    """Yield entries that a ledger would have to hold, and does not.

    Those between its first and its last; and those after its last, where it was made
    later than the ledger that holds them. A ring buffer may have dropped the first.
    """
    is_later = _is_later(lacking.document, holder.document)
    document = lacking.document
    scope = _scope_of(document)
    reaches = is_later and not document.has_broken_ledger
    entries = [
        entry
        for number, entry in sorted(holder.entries.items())
        if number not in lacking.entries
        and number > lacking.first
        and (number < lacking.last or reaches)
        and scope is not None
        and scope.keeps(entry.members)
    ]
    if entries:
        yield holder, lacking, entries


def _scope_of(document: Document) -> IncidentBundleFilter | None:
    """Return a bundle's own filter; None where it cannot be read."""
    if not document.is_bundle:
        return IncidentBundleFilter()
    try:
        return IncidentBundleFilter.from_dict(document.members.get("filter"))
    except DocumentRefused:
        return None


def _is_later(left: Document, right: Document) -> bool:
    """Return whether the left document says that it was made later."""
    made = integer_of(left.members.get("generated_at_ms"))
    made_other = integer_of(right.members.get("generated_at_ms"))
    return made is not None and made_other is not None and made > made_other


def _ranges(left: _Side, right: _Side) -> str:
    """Describe which sequence numbers each side holds."""
    return (
        f"{left.document.item} holds sequence {left.first} to {left.last}, "
        f"{right.document.item} {right.first} to {right.last}"
    )


def _numbers(numbers: list[int]) -> str:
    """Return ``9``, ``9 to 12`` or ``9, 11 and 2 more``, for people."""
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return listed(str(number) for number in numbers).replace("; ", ", ")
