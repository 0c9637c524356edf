"""Single ledger entries: are they well-formed, and is their hash their own.

Each question has two answers: for all entries at once, by operations that run in C
over whole columns, where the ledger is as it should be; and entry by entry where it
is not. The second is the definition, the first a proof that it would find no fault.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
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
    mismatched: tuple[int, ...]


def check_own_hashes(
    entries: list[Any], malformed: Collection[int], serialized: list[bytes]
) -> OwnHashes:
    """Recompute the hash of every entry that is neither malformed nor redacted.

    `serialized` has the canonical form of each entry. Indexes are those in the lists.
    """
    redacted = 0
    mismatched = []
    verified = 0
    for index, entry in enumerate(entries):
        if type(entry) is dict and entry.get("params_hash") == PLACEHOLDER:
            redacted += 1
        elif index in malformed:
            continue
        elif _has_own_hash(entry, serialized[index]):
            verified += 1
        else:
            mismatched.append(index)
    return OwnHashes(verified, redacted, tuple(mismatched))


def _has_own_hash(entry: dict[str, Any], serialized: bytes) -> bool:
    """Return whether an entry's stored hash is that of its content.

    The hash is cut out of the canonical form where it stands there once: a quote
    within a string is escaped, so what is cut is a member, and as a well-formed entry
    has members that sort before it, its own has a comma before it.
    """
    stored: str = entry["ledger_hash"]
    member = b',"ledger_hash":"' + stored.encode("utf-8", "replace") + b'"'
    unsealed = serialized.replace(member, b"")
    if len(unsealed) + len(member) != len(serialized):
        return hash_entry(entry) == stored
    return hashlib.sha256(unsealed).hexdigest() == stored


def hash_entry(entry: dict[str, Any]) -> str:
    """Return H(entry without ledger_hash)."""
    unsealed = {name: item for name, item in entry.items() if name != "ledger_hash"}
    return hash_bytes(canonical_record(unsealed))


def hash_of(entry: Any) -> str | None:
    """Return the `ledger_hash` that an entry states, None where it states none."""
    return text_of(entry, "ledger_hash")


def text_of(entry: Any, name: str) -> str | None:
    """Return a string member of an entry, None for anything else."""
    value = entry.get(name) if type(entry) is dict else None
    return value if type(value) is str else None
