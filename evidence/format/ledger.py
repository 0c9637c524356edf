"""Verifying a risk ledger: section 2 of docs/evidence-format.md.

Every entry is looked at and every fault reported. What cannot be decided from the
artifact alone (who wrote it, whether its newest entries were cut off before it was
sealed) is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .canonical import canonical_plain
from .errors import DocumentRefused
from .json_numbers import integer_of, is_number
from .ledger_entries import (
    Columns,
    OwnHashes,
    check_own_hashes,
    find_malformation,
    hash_entry,
    well_formed_columns,
)
from .names import LEDGER_SCHEMA
from .reading import json_type
from .reports import (
    ENTRY_LEVEL_CODES,
    Diagnosis,
    ErrorCode,
    Gap,
    RuntimeRiskLedgerVerificationReport,
    VerificationError,
)

_SHOWN_HASH = 12


def verify_runtime_risk_ledger_artifact(
    ledger: dict[str, Any],
    *,
    filtered_by_extension: bool = False,
    serialized: list[bytes] | None = None,
) -> RuntimeRiskLedgerVerificationReport:
    """Verify a ledger as read by `read_document`; report every fault found.

    `filtered_by_extension`: the bundle's filter names an extension, which explains
    holes. `serialized`: the canonical form of each entry, where it is known already.
    """
    entries = require_entries(ledger, "$")
    columns = well_formed_columns(entries)
    malformed = {} if columns is not None else _malformed(entries)
    own = check_own_hashes(entries, frozenset(malformed), serialized)
    judged = _judge_sequence(entries, columns, malformed, filtered_by_extension)
    errors = [
        *_artifact_errors(ledger, entries),
        *(_malformed_error(entries, index, why) for index, why in malformed.items()),
        *judged.errors,
        *(_hash_error(entries, index) for index in own.mismatched),
    ]
    return _conclude(entries, own, judged, errors)


def require_entries(ledger: dict[str, Any], path: str) -> list[Any]:
    """Return the ledger's entries; refuse a document that has no such array."""
    entries = ledger.get("entries")
    if type(entries) is not list:
        got = json_type(entries) if "entries" in ledger else "no such member"
        raise DocumentRefused(
            "wrong_type" if "entries" in ledger else "missing_member",
            f"expected an array, got {got}",
            f"{path}.entries",
        )
    return entries


def serialize_entries(entries: list[Any], *, plain: bool) -> list[bytes]:
    """Return the canonical form of each entry, written in one go where it can be."""
    data = canonical_plain(entries, plain=plain)
    pieces = data[1:-1].replace(b"},{", b"}\n{").split(b"\n")
    # Between objects there is a boundary for sure, so one within a string or an array
    # makes a piece too many. No line feed is in canonical form: it is escaped.
    if len(pieces) == len(entries) and set(map(type, entries)) == {dict}:
        return pieces
    return [canonical_plain(entry, plain=plain) for entry in entries]


def seal_ledger_entries(
    entries: Iterable[dict[str, Any]], *, prev_ledger_hash: str | None = None
) -> dict[str, Any]:
    """Chain a producer's entries, in order, and return them as a ledger artifact.

    `prev_ledger_hash` is the hash of the entry before the first, None at sequence 1.
    """
    sealed: list[dict[str, Any]] = []
    for entry in entries:
        linked = {**entry, "prev_ledger_hash": prev_ledger_hash}
        linked.pop("ledger_hash", None)
        prev_ledger_hash = hash_entry(linked)
        sealed.append({**linked, "ledger_hash": prev_ledger_hash})
    return ledger_artifact(sealed)


def ledger_artifact(entries: list[Any]) -> dict[str, Any]:
    """Return the ledger that holds the entries, with its own members made from them."""
    return {
        "schema": LEDGER_SCHEMA,
        "entry_count": len(entries),
        "head_ledger_hash": hash_of(entries[0]) if entries else None,
        "tail_ledger_hash": hash_of(entries[-1]) if entries else None,
        "entries": entries,
    }


def hash_of(entry: Any) -> str | None:
    """Return the `ledger_hash` that an entry states, None where it states none."""
    return _text(entry, "ledger_hash")


# --- Order, holes and links ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Judged:
    """What order, holes and links came to."""

    errors: list[VerificationError]
    gaps: list[Gap]
    links_hold: bool


def _malformed(entries: list[Any]) -> dict[int, str]:
    """Return why each malformed entry is one, by index."""
    found = ((index, find_malformation(entry)) for index, entry in enumerate(entries))
    return {index: why for index, why in found if why is not None}


def _judge_sequence(
    entries: list[Any],
    columns: Columns | None,
    malformed: dict[int, str],
    filtered: bool,
) -> _Judged:
    """Judge order, holes and links; at once where the columns prove them whole."""
    if columns is not None and _is_unbroken(columns):
        return _Judged([], [], True)
    errors: list[VerificationError] = []
    gaps: list[Gap] = []
    for found in _walk_sequence(entries, malformed, filtered):
        if isinstance(found, Gap):
            gaps.append(found)
        else:
            errors.append(found)
    links_hold = len(malformed) == 1 and _links_hold(
        entries, next(iter(malformed)), filtered
    )
    return _Judged(errors, gaps, links_hold)


def _is_unbroken(columns: Columns) -> bool:
    """Return whether well-formed entries follow each other without a hole."""
    sequences, links = columns["sequence"], columns["prev_ledger_hash"]
    first = sequences[0]
    return (
        sequences == tuple(range(first, first + len(sequences)))
        and (links[0] is None) == (first == 1)
        and links[1:] == columns["ledger_hash"][:-1]
    )


def _walk_sequence(
    entries: list[Any], malformed: dict[int, str], filtered: bool
) -> Iterator[VerificationError | Gap]:
    """Judge each entry against the one before it and the sequences seen so far."""
    seen: set[int] = set()
    for index, entry in enumerate(entries):
        sequence = _sequence(entry)
        if index not in malformed and sequence is not None:
            after_malformed = index - 1 in malformed
            before = None if index == 0 else _sequence(entries[index - 1])
            if sequence in seen:
                yield _error(entries, index, ErrorCode.DUPLICATE_ENTRY, "already seen")
            elif before is not None and not after_malformed:
                found = _judge_step(entries, index, (before, sequence), seen)
                if found is not None:
                    explained = filtered and found.code is ErrorCode.MISSING_ENTRIES
                    yield Gap(before, sequence) if explained else found
            if not after_malformed and not _link_holds(entries, index, before):
                yield _link_error(entries, index)
        if sequence is not None:
            seen.add(sequence)


def _judge_step(
    entries: list[Any], index: int, step: tuple[int, int], seen: set[int]
) -> VerificationError | None:
    """Judge the step from one sequence to the next, which was not seen before."""
    before, sequence = step
    if sequence < before:
        code, why = ErrorCode.SEQUENCE_OUT_OF_ORDER, f"stands after {_shown(before)}"
    elif sequence == before + 1 or before + 1 in seen:
        return None
    else:
        code = ErrorCode.MISSING_ENTRIES
        why = f"expected sequence {_shown(before + 1)}: entries are missing before this"
    return _error(entries, index, code, why)


def _link_holds(entries: list[Any], index: int, before: int | None) -> bool:
    """Return whether an entry's link back holds, as far as it can be judged."""
    link = entries[index]["prev_ledger_hash"]
    sequence = _sequence(entries[index])
    if (link is None) != (sequence == 1):
        return False
    follows = before is not None and sequence == before + 1
    return not follows or link == hash_of(entries[index - 1])


def _links_hold(entries: list[Any], index: int, filtered: bool) -> bool:
    """Return whether a malformed entry is linked to both its neighbours."""
    entry = entries[index]
    if type(entry) is not dict or "prev_ledger_hash" not in entry:
        return False
    sequence, link = _sequence(entry), entry["prev_ledger_hash"]
    if index == 0:
        linked_back = _opens_ledger(sequence, link)
    else:
        linked_back = _joined(entries[index - 1], entry, filtered)
    if index == len(entries) - 1:
        return linked_back
    return linked_back and _joined(entry, entries[index + 1], filtered)


def _opens_ledger(sequence: int | None, link: Any) -> bool:
    """Return whether an entry may stand first: null link at sequence 1 only."""
    if sequence is None:
        return link is None or type(link) is str
    return link is None if sequence == 1 else type(link) is str


def _joined(first: Any, second: Any, filtered: bool) -> bool:
    """Return whether the second entry links to the first, or a known gap parts them."""
    link = _text(second, "prev_ledger_hash")
    if link is not None and link == hash_of(first):
        return True
    before, sequence = _sequence(first), _sequence(second)
    return (
        filtered
        and link is not None
        and before is not None
        and sequence is not None
        and sequence > before + 1
    )


def _text(entry: Any, name: str) -> str | None:
    """Return a string member of an entry, None for anything else."""
    value = entry.get(name) if type(entry) is dict else None
    return value if type(value) is str else None


def _sequence(entry: Any) -> int | None:
    """Return the entry's place in the producer's ledger, None where it states none."""
    value = integer_of(entry.get("sequence")) if type(entry) is dict else None
    return value if value is not None and value >= 1 else None


# --- The artifact's own members --------------------------------------------------


def _artifact_errors(
    ledger: dict[str, Any], entries: list[Any]
) -> Iterator[VerificationError]:
    """Yield the faults of the ledger's own members against its entries."""
    expected = ledger_artifact(entries)
    last = max(len(entries) - 1, 0)
    if ledger.get("schema") != expected["schema"]:
        yield _error(
            entries, 0, ErrorCode.SCHEMA_MISMATCH, f"expected schema {LEDGER_SCHEMA}"
        )
    if integer_of(ledger.get("entry_count")) != len(entries):
        yield _error(
            entries,
            len(entries),
            ErrorCode.ENTRY_COUNT_MISMATCH,
            f"entry_count is not the number of entries, {len(entries)}",
        )
    for name, index, code in (
        ("head_ledger_hash", 0, ErrorCode.HEAD_HASH_MISMATCH),
        ("tail_ledger_hash", last, ErrorCode.TAIL_HASH_MISMATCH),
    ):
        if name not in ledger or ledger[name] != expected[name]:
            which = "first" if name.startswith("head") else "last"
            yield _error(
                entries, index, code, f"{name} is not that of the {which} entry"
            )


# --- The report ------------------------------------------------------------------


def _conclude(
    entries: list[Any],
    own: OwnHashes,
    judged: _Judged,
    errors: list[VerificationError],
) -> RuntimeRiskLedgerVerificationReport:
    """Return the report: errors in order, break and diagnosis from entry-level ones."""
    errors.sort(key=lambda error: error.order)
    of_entries = [error for error in errors if error.code in ENTRY_LEVEL_CODES]
    deciding = of_entries or errors
    return RuntimeRiskLedgerVerificationReport(
        entry_count=len(entries),
        verified_entries=own.verified,
        redacted_entries=own.redacted,
        gaps=tuple(judged.gaps),
        verification_errors=tuple(errors),
        break_index=deciding[0].index if deciding else None,
        diagnosis=_diagnose(errors, of_entries, judged.links_hold),
    )


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


def _error(
    entries: list[Any], index: int, code: ErrorCode, message: str
) -> VerificationError:
    """Return an error at an index; without a number, no sequence."""
    entry = entries[index] if index < len(entries) else None
    sequence = entry.get("sequence") if type(entry) is dict else None
    return VerificationError(
        index, sequence if is_number(sequence) else None, code, message
    )


def _malformed_error(entries: list[Any], index: int, why: str) -> VerificationError:
    """Return the error of an entry that lacks a member or has one of another type."""
    return _error(entries, index, ErrorCode.MALFORMED_ENTRY, why)


def _hash_error(entries: list[Any], index: int) -> VerificationError:
    """Return the error of an entry whose content gives another hash."""
    return _error(
        entries,
        index,
        ErrorCode.HASH_MISMATCH,
        f"states {_short(entries[index]['ledger_hash'])}, "
        f"its content gives {_short(hash_entry(entries[index]))}",
    )


def _link_error(entries: list[Any], index: int) -> VerificationError:
    """Return the error of an entry whose link back does not hold, saying which rule."""
    link = entries[index]["prev_ledger_hash"]
    if _sequence(entries[index]) == 1:
        why = "prev_ledger_hash must be null at sequence 1"
    elif link is None:
        why = "prev_ledger_hash is null above sequence 1"
    else:
        why = (
            f"prev_ledger_hash is {_short(link)}, "
            f"the entry before has {_short(hash_of(entries[index - 1]) or 'none')}"
        )
    return _error(entries, index, ErrorCode.PREV_HASH_MISMATCH, why)


def _short(text: str) -> str:
    """Return the beginning of a hash, enough to be recognised."""
    return text if len(text) <= _SHOWN_HASH else text[:_SHOWN_HASH] + "…"


def _shown(sequence: int) -> str:
    """Return a sequence as a message shows it."""
    # An integer near the greatest double has 309 digits.
    return str(sequence) if sequence < 10**21 else "beyond 10**21"
