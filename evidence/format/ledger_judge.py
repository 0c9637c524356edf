"""Judging a ledger's entries as they come, piece by piece: section 2.

What is kept of the entries heard is their sequences, the first and the last of them,
and the faults found: whether an entry is in its place is told by the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .json_numbers import integer_of, is_number
from .ledger_entries import (
    Columns,
    check_own_hashes,
    find_malformation,
    hash_entry,
    hash_of,
    text_of,
    well_formed_columns,
)
from .names import LEDGER_SCHEMA
from .pieces import Piece
from .reports import (
    ENTRY_LEVEL_CODES,
    Diagnosis,
    ErrorCode,
    Gap,
    RuntimeRiskLedgerVerificationReport,
    VerificationError,
)

_SHOWN_HASH = 12


class LedgerJudge:
    """Hears a ledger's entries in order, and concludes with the report on it."""

    def __init__(self, *, filtered_by_extension: bool) -> None:
        """Begin. `filtered_by_extension`: the filter names one: holes are gaps."""
        self._filtered = filtered_by_extension
        self._count = self._verified = self._redacted = self._malformed = 0
        self._first: Any = None
        self._last: Any = None
        self._last_is_malformed = False
        self._seen: set[int] = set()
        self._highest = 0
        self._errors: list[VerificationError] = []
        self._gaps: list[Gap] = []
        # Of the first malformed entry: whether its links to its neighbours hold.
        self._links_hold = True

    def hear(self, piece: Piece) -> None:
        """Judge the next entries: all at once where their columns prove them whole."""
        entries = piece.records
        columns = well_formed_columns(entries)
        malformed = {} if columns is not None else _malformed(entries)
        own = check_own_hashes(entries, malformed.keys(), piece.serialized())
        self._verified += own.verified
        self._redacted += own.redacted
        for index in own.mismatched:
            self._errors.append(_hash_error(entries[index], piece.start + index))
        if columns is not None and self._goes_on(columns):
            self._seen.update(columns["sequence"])
            self._highest = columns["sequence"][-1]
            self._pass_on(entries)
        else:
            for index, entry in enumerate(entries):
                self._judge(entry, malformed.get(index))
                self._pass_on([entry], is_malformed=index in malformed)

    def conclude(self, ledger: dict[str, Any]) -> RuntimeRiskLedgerVerificationReport:
        """Return the report: errors in order, break and diagnosis by entry level."""
        errors = [*self._artifact_errors(ledger), *self._errors]
        errors.sort(key=lambda error: error.order)
        of_entries = [error for error in errors if error.code in ENTRY_LEVEL_CODES]
        deciding = of_entries or errors
        links_hold = self._malformed == 1 and self._links_hold
        return RuntimeRiskLedgerVerificationReport(
            entry_count=self._count,
            verified_entries=self._verified,
            redacted_entries=self._redacted,
            gaps=tuple(self._gaps),
            verification_errors=tuple(errors),
            break_index=deciding[0].index if deciding else None,
            diagnosis=_diagnose(errors, of_entries, links_hold),
        )

    def _pass_on(self, entries: list[Any], *, is_malformed: bool = False) -> None:
        """Count entries that were judged, and remember the last of them."""
        if not self._count:
            self._first = entries[0]
        self._count += len(entries)
        self._last, self._last_is_malformed = entries[-1], is_malformed

    def _goes_on(self, columns: Columns) -> bool:
        """Return whether well-formed entries follow what came without a hole."""
        sequences, links = columns["sequence"], columns["prev_ledger_hash"]
        first = sequences[0]
        if self._count:
            joins = (
                not self._last_is_malformed
                and first == self._highest + 1
                and first - 1 == sequence_of(self._last)
                and links[0] == hash_of(self._last)
            )
        else:
            joins = (links[0] is None) == (first == 1)
        return (
            joins
            and sequences == tuple(range(first, first + len(sequences)))
            and links[1:] == columns["ledger_hash"][:-1]
        )

    def _judge(self, entry: Any, malformation: str | None) -> None:
        """Judge an entry against the one before it and the sequences seen so far."""
        sequence = sequence_of(entry)
        if self._last_is_malformed and self._malformed == 1:
            self._links_hold &= self._joined(self._last, entry)
        if malformation is not None:
            self._note_malformed(entry, malformation)
        elif sequence is not None:
            self._judge_place(entry, sequence)
        if sequence is not None:
            self._seen.add(sequence)
            self._highest = max(self._highest, sequence)

    def _note_malformed(self, entry: Any, why: str) -> None:
        """Note a malformed entry, and of the first whether it is linked back."""
        self._malformed += 1
        self._fault(entry, ErrorCode.MALFORMED_ENTRY, why)
        if self._malformed == 1:
            self._links_hold = self._is_linked_back(entry)

    def _judge_place(self, entry: dict[str, Any], sequence: int) -> None:
        """Judge order, holes and the link of a well-formed entry."""
        before = sequence_of(self._last) if self._count else None
        if sequence in self._seen:
            self._fault(entry, ErrorCode.DUPLICATE_ENTRY, "already seen")
        elif before is not None and not self._last_is_malformed:
            self._judge_step(entry, before, sequence)
        if not self._last_is_malformed and not self._link_holds(entry, before):
            why = _explain_link(entry, self._last)
            self._fault(entry, ErrorCode.PREV_HASH_MISMATCH, why)

    def _judge_step(self, entry: Any, before: int, sequence: int) -> None:
        """Judge the step from one sequence to the next, which was not seen before."""
        if sequence < before:
            why = f"stands after {_shown(before)}"
            self._fault(entry, ErrorCode.SEQUENCE_OUT_OF_ORDER, why)
        elif sequence == before + 1 or before + 1 in self._seen:
            return
        elif self._filtered:
            self._gaps.append(Gap(before, sequence))
        else:
            expected = f"expected sequence {_shown(before + 1)}"
            why = f"{expected}: entries are missing before this"
            self._fault(entry, ErrorCode.MISSING_ENTRIES, why)

    def _link_holds(self, entry: dict[str, Any], before: int | None) -> bool:
        """Return whether an entry's link back holds, as far as it can be judged."""
        link, sequence = entry["prev_ledger_hash"], sequence_of(entry)
        if (link is None) != (sequence == 1):
            return False
        follows = before is not None and sequence == before + 1
        return not follows or link == hash_of(self._last)

    def _is_linked_back(self, entry: Any) -> bool:
        """Return whether a malformed entry is linked to the one before it."""
        if type(entry) is not dict or "prev_ledger_hash" not in entry:
            return False
        if self._count:
            return self._joined(self._last, entry)
        return _opens_ledger(sequence_of(entry), entry["prev_ledger_hash"])

    def _joined(self, first: Any, second: Any) -> bool:
        """Return whether the second links to the first, or a known gap parts them."""
        link = text_of(second, "prev_ledger_hash")
        if link is not None and link == hash_of(first):
            return True
        before, sequence = sequence_of(first), sequence_of(second)
        return (
            self._filtered
            and link is not None
            and before is not None
            and sequence is not None
            and sequence > before + 1
        )

    def _fault(self, entry: Any, code: ErrorCode, why: str) -> None:
        """Note a fault of the entry that is being judged."""
        self._errors.append(_error(entry, self._count, code, why))

    def _artifact_errors(self, ledger: dict[str, Any]) -> Iterator[VerificationError]:
        """Yield the faults of the ledger's own members against its entries."""
        expected = ledger_members(self._count, self._first, self._last)
        last = max(self._count - 1, 0)
        if ledger.get("schema") != expected["schema"]:
            why = f"expected schema {LEDGER_SCHEMA}"
            yield _error(self._first, 0, ErrorCode.SCHEMA_MISMATCH, why)
        if integer_of(ledger.get("entry_count")) != self._count:
            why = f"entry_count is not the number of entries, {self._count}"
            yield _error(None, self._count, ErrorCode.ENTRY_COUNT_MISMATCH, why)
        for name, entry, index, code, which in (
            ("head_ledger_hash", self._first, 0, ErrorCode.HEAD_HASH_MISMATCH, "first"),
            (
                "tail_ledger_hash",
                self._last,
                last,
                ErrorCode.TAIL_HASH_MISMATCH,
                "last",
            ),
        ):
            if name not in ledger or ledger[name] != expected[name]:
                why = f"{name} is not that of the {which} entry"
                yield _error(entry, index, code, why)


def ledger_members(count: int, first: Any, last: Any) -> dict[str, Any]:
    """Return a ledger's own members, as its entries give them; None for no entry."""
    return {
        "schema": LEDGER_SCHEMA,
        "entry_count": count,
        "head_ledger_hash": hash_of(first),
        "tail_ledger_hash": hash_of(last),
    }


def sequence_of(entry: Any) -> int | None:
    """Return the entry's place in the producer's ledger, None where it states none."""
    value = integer_of(entry.get("sequence")) if type(entry) is dict else None
    return value if value is not None and value >= 1 else None


def _malformed(entries: list[Any]) -> dict[int, str]:
    """Return why each malformed entry is one, by index."""
    found = ((index, find_malformation(entry)) for index, entry in enumerate(entries))
    return {index: why for index, why in found if why is not None}


def _opens_ledger(sequence: int | None, link: Any) -> bool:
    """Return whether an entry may stand first: null link at sequence 1 only."""
    if sequence is None:
        return link is None or type(link) is str
    return link is None if sequence == 1 else type(link) is str


def _diagnose(
    errors: list[VerificationError],
    of_entries: list[VerificationError],
    links_hold: bool,
) -> Diagnosis:
    """Tell corruption, one record that went bad where it lay, from tampering."""
    if not errors:
        return Diagnosis.INTACT
    if len(of_entries) != 1:
        return Diagnosis.TAMPERING
    code = of_entries[0].code
    # A broken link beside a hash_mismatch would have been an error of its own.
    if code is ErrorCode.HASH_MISMATCH:
        return Diagnosis.CORRUPTION
    if code is ErrorCode.MALFORMED_ENTRY and links_hold:
        return Diagnosis.CORRUPTION
    return Diagnosis.TAMPERING


# --- What is said of a fault -----------------------------------------------------


def _error(entry: Any, index: int, code: ErrorCode, message: str) -> VerificationError:
    """Return an error at an index; without a number, no sequence."""
    sequence = entry.get("sequence") if type(entry) is dict else None
    return VerificationError(
        index, sequence if is_number(sequence) else None, code, message
    )


def _hash_error(entry: dict[str, Any], index: int) -> VerificationError:
    """Return the error of an entry whose content gives another hash."""
    stated, found = _short(entry["ledger_hash"]), _short(hash_entry(entry))
    why = f"states {stated}, its content gives {found}"
    return _error(entry, index, ErrorCode.HASH_MISMATCH, why)


def _explain_link(entry: dict[str, Any], before: Any) -> str:
    """Return which rule the link back of an entry breaks."""
    link = entry["prev_ledger_hash"]
    if sequence_of(entry) == 1:
        return "prev_ledger_hash must be null at sequence 1"
    if link is None:
        return "prev_ledger_hash is null above sequence 1"
    stated = _short(hash_of(before) or "none")
    return f"prev_ledger_hash is {_short(link)}, the entry before has {stated}"


def _short(text: str) -> str:
    """Return the beginning of a hash, enough to be recognised."""
    return text if len(text) <= _SHOWN_HASH else text[:_SHOWN_HASH] + "…"


def _shown(sequence: int) -> str:
    """Return a sequence as a message shows it."""
    # An integer near the greatest double has 309 digits.
    return str(sequence) if sequence < 10**21 else "beyond 10**21"
