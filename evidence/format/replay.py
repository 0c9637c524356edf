"""The decision timeline rebuilt from a ledger: section 6 of docs/evidence-format.md."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from operator import itemgetter
from typing import Any

import orjson

from .canonical import canonical_record
from .ledger_entries import hash_of
from .names import STEP_MEMBERS
from .pieces import ARRAYS, Array, Piece, pieces_of
from .reports import RuntimeRiskLedgerVerificationReport

_STEP_SIZE = len(STEP_MEMBERS) + 2
_story = itemgetter(*STEP_MEMBERS)


def replay_steps(entries: Array, trusted_prefix: int) -> Iterator[dict[str, Any]]:
    """Yield the step of each entry; from `trusted_prefix` on they are untrusted."""
    for index, entry in enumerate(entries):
        yield _step(index, entry, index < trusted_prefix)


def build_replay(
    entries: list[Any], report: RuntimeRiskLedgerVerificationReport
) -> dict[str, Any]:
    """Return the replay of the entries, trusted as far as the report trusts them."""
    return {
        **_head(len(entries), hash_of(entries[-1]) if entries else None, report),
        "steps": list(replay_steps(entries, report.trusted_prefix)),
    }


def _head(
    count: int, tail: str | None, report: RuntimeRiskLedgerVerificationReport
) -> dict[str, Any]:
    """Return the members of the replay apart from its steps."""
    return {
        "source_tail_ledger_hash": tail,
        "step_count": count,
        "trusted_steps": report.trusted_prefix,
    }


def differing_members(
    stored: dict[str, Any],
    entries: list[Any],
    report: RuntimeRiskLedgerVerificationReport,
) -> list[str]:
    """Return where a stored replay differs from the one recomputed, as JSON paths.

    Paths are relative to the replay; of the steps, the first that differs is named.
    """
    comparison = ReplayComparison(entries)
    for piece in pieces_of(entries):
        comparison.hear_entries(piece)
    steps = stored.get("steps")
    for piece in pieces_of(steps if type(steps) is list else []):
        comparison.hear_steps(piece, report.trusted_prefix)
    return comparison.conclude(stored, report)


class ReplayComparison:
    """Compares the steps of a stored replay with the entries, in two walks.

    Of each piece of entries its digest is kept; they are read again only where the
    steps of that piece have another.
    """

    def __init__(self, entries: Array) -> None:
        self._entries = entries
        self._digests: dict[tuple[int, int], bytes] = {}
        self._tail: str | None = None
        self._difference: int | None = None

    def hear_entries(self, piece: Piece) -> None:
        """Keep the digest of what the next entries tell, where they tell it whole."""
        self._tail = hash_of(piece.records[-1])
        told = _digest_story(piece.records)
        if told is not None:
            self._digests[piece.start, len(piece.records)] = told

    def hear_steps(self, piece: Piece, trusted: int) -> None:
        """Compare the next steps. `trusted`: how many entries come before the break."""
        if self._difference is None and not self._tells_same_story(piece, trusted):
            self._difference = self._first_difference(piece, trusted)

    def conclude(
        self, stored: dict[str, Any], report: RuntimeRiskLedgerVerificationReport
    ) -> list[str]:
        """Return where the replay differs, once all its steps were heard."""
        head = _head(len(self._entries), self._tail, report)
        expected = {*head, "steps"}
        found = [name for name in stored if name not in expected]
        found += [name for name in head if not _same(stored, head, name)]
        steps = stored.get("steps")
        if not isinstance(steps, ARRAYS):
            return [*found, "steps"]
        place = self._difference
        if place is None and len(steps) != len(self._entries):
            place = min(len(steps), len(self._entries))
        return found if place is None else [*found, f"steps[{place}]"]

    def _tells_same_story(self, piece: Piece, trusted: int) -> bool:
        """Prove some steps right without building them; False where that fails."""
        steps, start, end = piece.records, piece.start, piece.start + len(piece.records)
        if set(map(type, steps)) != {dict} or set(map(len, steps)) != {_STEP_SIZE}:
            return False
        sure = min(max(trusted - start, 0), len(steps))
        flags = [True] * sure + [False] * (len(steps) - sure)
        try:
            places = list(map(itemgetter("index"), steps))
            marks = list(map(itemgetter("trusted"), steps))
        except KeyError:
            return False
        told = self._digests.get((start, len(steps)))
        return (
            told is not None
            and _dump(places) == _dump(list(range(start, end)))
            and _dump(marks) == _dump(flags)
            and told == _digest_story(steps)
        )

    def _first_difference(self, piece: Piece, trusted: int) -> int | None:
        """Return the first index at which steps and entries part, None if nowhere."""
        end = piece.start + len(piece.records)
        entries = self._entries[piece.start : end]
        for index, step in enumerate(piece.records, piece.start):
            if index - piece.start >= len(entries):
                return index
            expected = _step(index, entries[index - piece.start], index < trusted)
            if canonical_record(step) != canonical_record(expected):
                return index
        return None


def _digest_story(records: list[Any]) -> bytes | None:
    """Return a digest of what entries or steps tell; None where a member is missing."""
    try:
        return sha256(_dump(list(map(_story, records)))).digest()
    except (KeyError, TypeError):
        return None


def _same(stored: dict[str, Any], head: dict[str, Any], name: str) -> bool:
    """Return whether a member is there and equal, as canonical JSON sees it."""
    return name in stored and canonical_record(stored[name]) == canonical_record(
        head[name]
    )


def _dump(value: Any) -> bytes:
    """Return a value as bytes in which booleans and integers differ."""
    return orjson.dumps(value)


def _step(index: int, entry: Any, trusted: bool) -> dict[str, Any]:
    """Return the step of an entry; what the entry lacks is left out."""
    step: dict[str, Any] = {"index": index, "trusted": trusted}
    if type(entry) is dict:
        step.update({name: entry[name] for name in STEP_MEMBERS if name in entry})
    return step
