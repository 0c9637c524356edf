"""The decision timeline rebuilt from a ledger: section 6 of docs/evidence-format.md."""

from __future__ import annotations

from itertools import islice
from operator import itemgetter
from typing import Any

import orjson

from .canonical import canonical_record
from .ledger import hash_of
from .names import STEP_MEMBERS
from .reports import RuntimeRiskLedgerVerificationReport

_STEP_SIZE = len(STEP_MEMBERS) + 2
_story = itemgetter(*STEP_MEMBERS)


def replay_steps(
    entries: list[Any], trusted_prefix: int, *, start: int = 0, stop: int | None = None
) -> list[dict[str, Any]]:
    """Return steps `start` to `stop`; from `trusted_prefix` on they are untrusted."""
    end = len(entries) if stop is None else stop
    return [
        _step(index, entry, index < trusted_prefix)
        for index, entry in enumerate(islice(entries, start, end), start)
    ]


def build_replay(
    entries: list[Any], report: RuntimeRiskLedgerVerificationReport
) -> dict[str, Any]:
    """Return the replay of the entries, trusted as far as the report trusts them."""
    return {
        **replay_head(entries, report),
        "steps": replay_steps(entries, report.trusted_prefix),
    }


def replay_head(
    entries: list[Any], report: RuntimeRiskLedgerVerificationReport
) -> dict[str, Any]:
    """Return the members of the replay apart from its steps."""
    return {
        "source_tail_ledger_hash": hash_of(entries[-1]) if entries else None,
        "step_count": len(entries),
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
    head = replay_head(entries, report)
    expected = {*head, "steps"}
    found = [name for name in stored if name not in expected]
    found += [name for name in head if not _same(stored, head, name)]
    steps = stored.get("steps")
    if type(steps) is not list:
        return [*found, "steps"]
    if not _tell_same_story(steps, entries, report.trusted_prefix):
        place = _first_difference(steps, entries, report.trusted_prefix)
        if place is not None:
            found.append(f"steps[{place}]")
    return found


def _same(stored: dict[str, Any], head: dict[str, Any], name: str) -> bool:
    """Return whether a member is there and equal, as canonical JSON sees it."""
    return name in stored and canonical_record(stored[name]) == canonical_record(
        head[name]
    )


def _tell_same_story(steps: list[Any], entries: list[Any], trusted: int) -> bool:
    """Prove the steps right without building them; False where that fails.

    Serialised, booleans and integers differ, as they do not by Python's `==`.
    """
    count = len(entries)
    if len(steps) != count or set(map(type, steps)) - {dict}:
        return False
    if set(map(len, steps)) - {_STEP_SIZE}:
        return False
    flags = [True] * trusted + [False] * (count - trusted)
    try:
        return (
            _dump(list(map(itemgetter("index"), steps))) == _dump(list(range(count)))
            and _dump(list(map(itemgetter("trusted"), steps))) == _dump(flags)
            and _dump(list(map(_story, steps))) == _dump(list(map(_story, entries)))
        )
    except (KeyError, TypeError):
        return False


def _dump(value: Any) -> bytes:
    """Return a value as bytes in which booleans and integers differ."""
    return orjson.dumps(value)


def _first_difference(steps: list[Any], entries: list[Any], trusted: int) -> int | None:
    """Return the first index at which steps and entries part, None if they never do."""
    for index, entry in enumerate(entries):
        if index >= len(steps):
            return index
        expected = _step(index, entry, index < trusted)
        if canonical_record(steps[index]) != canonical_record(expected):
            return index
    return len(entries) if len(steps) > len(entries) else None


def _step(index: int, entry: Any, trusted: bool) -> dict[str, Any]:
    """Return the step of an entry; what the entry lacks is left out."""
    step: dict[str, Any] = {"index": index, "trusted": trusted}
    if type(entry) is dict:
        step.update({name: entry[name] for name in STEP_MEMBERS if name in entry})
    return step
