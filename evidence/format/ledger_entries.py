"""Single ledger entries: are they well-formed, and is their hash their own.

Each question has two answers: for all entries at once, by operations that run in C
over whole columns, where the ledger is as it should be; and entry by entry where it
is not. The second is the definition, the first a proof that it would find no fault.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import Any

from .canonical import canonical_record, hash_bytes
from .json_numbers import integer_of, is_number
from .names import (
    ENTRY_MEMBERS,
    OUTCOMES,
    PLACEHOLDER,
    POLICY_DECISIONS,
    SELECTED_ACTIONS,
)

_TEXT_MEMBERS = (
    "extension_id",
    "call_id",
    "capability",
    "method",
    "params_hash",
    "policy_reason",
    "ledger_hash",
)
_CHOICES = {
    "policy_decision": POLICY_DECISIONS,
    "selected_action": SELECTED_ACTIONS,
    "outcome": OUTCOMES,
}
_HASH_MEMBER = b',"ledger_hash":"'
_HEX_DIGITS = 64

Columns = dict[str, tuple[Any, ...]]


def find_malformation(entry: Any) -> str | None:
    """Return what is missing or of the wrong type in an entry, None if nothing is."""
    if type(entry) is not dict:
        return "the entry is not an object"
    for name in ENTRY_MEMBERS:
        if name not in entry:
            return f"{name} is missing"
        expected = _mismatch(name, entry[name])
        if expected is not None:
            return f"{name}: expected {expected}"
    return None


def _mismatch(name: str, value: Any) -> str | None:
    """Return what was expected of the member, None if the value is of that type."""
    if name in _TEXT_MEMBERS:
        return None if type(value) is str else "a string"
    if name in _CHOICES:
        fits = type(value) is str and value in _CHOICES[name]
        return None if fits else f"one of {', '.join(sorted(_CHOICES[name]))}"
    return _SPECIAL[name](value)


def _mismatch_sequence(value: Any) -> str | None:
    """Return what a sequence must be, None for one that fits."""
    sequence = integer_of(value)
    fits = sequence is not None and sequence >= 1
    return None if fits else "an integer from 1 up"


def _mismatch_moment(value: Any) -> str | None:
    """Return what a moment must be, None for one that fits."""
    return None if integer_of(value) is not None else "integer milliseconds"


def _mismatch_score(value: Any) -> str | None:
    """Return what a score must be, None for one that fits."""
    return None if is_number(value) else "a number"


def _mismatch_triggers(value: Any) -> str | None:
    """Return what triggers must be, None for what fits."""
    fits = type(value) is list and all(type(trigger) is str for trigger in value)
    return None if fits else "an array of strings"


def _mismatch_link(value: Any) -> str | None:
    """Return what a link must be, None for one that fits."""
    return None if value is None or type(value) is str else "a string or null"


_SPECIAL: dict[str, Callable[[Any], str | None]] = {
    "sequence": _mismatch_sequence,
    "ts_ms": _mismatch_moment,
    "risk_score": _mismatch_score,
    "triggers": _mismatch_triggers,
    "prev_ledger_hash": _mismatch_link,
}


def well_formed_columns(entries: list[Any]) -> Columns | None:
    """Return the entries' members by name if every entry is well-formed, else None."""
    if not entries or set(map(type, entries)) != {dict}:
        return None
    try:
        rows = map(itemgetter(*ENTRY_MEMBERS), entries)
        columns = dict(zip(ENTRY_MEMBERS, zip(*rows, strict=True), strict=True))
    except KeyError:
        return None
    return columns if _are_well_formed(columns) else None


def _are_well_formed(columns: Columns) -> bool:
    """Judge all entries at once by the types and values of their columns."""
    types = {name: set(map(type, column)) for name, column in columns.items()}
    return (
        all(types[name] == {str} for name in (*_TEXT_MEMBERS, *_CHOICES))
        and all(set(columns[name]) <= allowed for name, allowed in _CHOICES.items())
        and types["sequence"] == {int}
        and min(columns["sequence"]) >= 1
        and types["ts_ms"] == {int}
        and types["risk_score"] <= {int, float}
        and types["triggers"] == {list}
        and set(map(type, chain.from_iterable(columns["triggers"]))) <= {str}
        and types["prev_ledger_hash"] <= {str, type(None)}
    )


@dataclass(frozen=True, slots=True)
class OwnHashes:
    """How many entries are redacted and proven, and which indexes do not match."""

    verified: int
    redacted: int
    mismatched: frozenset[int]


def check_own_hashes(
    entries: list[Any], malformed: frozenset[int], serialized: list[bytes] | None
) -> OwnHashes:
    """Recompute the hash of every entry that is neither malformed nor redacted.

    `serialized` has the canonical form of each entry, where it is known already.
    """
    redacted = 0
    mismatched = []
    verified = 0
    for index, entry in enumerate(entries):
        if type(entry) is dict and entry.get("params_hash") == PLACEHOLDER:
            redacted += 1
        elif index in malformed:
            continue
        elif _has_own_hash(entry, None if serialized is None else serialized[index]):
            verified += 1
        else:
            mismatched.append(index)
    return OwnHashes(verified, redacted, frozenset(mismatched))


def _has_own_hash(entry: dict[str, Any], serialized: bytes | None) -> bool:
    """Return whether an entry's stored hash is that of its content."""
    stored = entry["ledger_hash"]
    if serialized is not None:
        digest = _spliced_digest(serialized, stored)
        if digest is not None:
            return digest == stored
    return hash_entry(entry) == stored


def _spliced_digest(serialized: bytes, stored: str) -> str | None:
    """Hash an entry's canonical form with its `ledger_hash` cut out.

    The cut is sure only where the member occurs once and holds plain hex digits; a
    quote within a string is escaped, so the bytes looked for are a member's name.
    Return None where it is not sure.
    """
    before, found, after = serialized.partition(_HASH_MEMBER)
    if not found or _HASH_MEMBER in after or len(stored) != _HEX_DIGITS:
        return None
    if not after.startswith(stored.encode("utf-8", "replace") + b'"'):
        return None
    return hashlib.sha256(before + after[_HEX_DIGITS + 1 :]).hexdigest()


def hash_entry(entry: dict[str, Any]) -> str:
    """Return H(entry without ledger_hash)."""
    unsealed = {name: item for name, item in entry.items() if name != "ledger_hash"}
    return hash_bytes(canonical_record(unsealed))
