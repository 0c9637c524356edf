"""Ways to spoil a sealed bundle. Most who tamper seal again.

Each function changes the document in place, at a place that the seed chooses past the
first entries; a ledger too short for it is left as it is.
"""

from __future__ import annotations

from random import Random
from typing import Any

from evidence.format import hash_value

FIRST_SPOILED = 0.35
LAST_SPOILED = 0.85


def rewrite_entries(document: dict[str, Any], random: Random) -> None:
    """Turn refusals into permissions without knowing about hashes, then reseal."""
    entries = _entries(document)
    start = _choose(entries, random)
    for entry in entries[start : start + 3]:
        entry.update(
            policy_decision="allow", selected_action="allow", outcome="executed"
        )
        entry["risk_score"] = 0.01
    _reseal(document)


def rehash_entry(document: dict[str, Any], random: Random) -> None:
    """Rewrite one entry and give it a fitting hash: the link after it breaks."""
    entries = _entries(document)
    entry = entries[_choose(entries, random)]
    entry["risk_score"] = 0.01
    entry["ledger_hash"] = hash_value(
        {name: value for name, value in entry.items() if name != "ledger_hash"}
    )
    _reseal(document)


def remove_entries(document: dict[str, Any], random: Random) -> None:
    """Cut two entries out of the middle and count again."""
    entries = _entries(document)
    start = _choose(entries, random)
    del entries[start : start + 2]
    document["risk_ledger"]["entry_count"] = len(entries)
    _reseal(document)


def swap_entries(document: dict[str, Any], random: Random) -> None:
    """Let two neighbours change places."""
    entries = _entries(document)
    at = _choose(entries, random)
    if at + 1 < len(entries):
        entries[at], entries[at + 1] = entries[at + 1], entries[at]
    _reseal(document)


def lie_in_summary(document: dict[str, Any], random: Random) -> None:
    """Understate what was blocked."""
    document["summary"]["blocked_count"] = 0
    document["summary"]["peak_risk_score"] = 0.1
    _reseal(document)


def change_after_sealing(document: dict[str, Any], random: Random) -> None:
    """Change an outer member and leave the old seal."""
    document["generated_at_ms"] += 60_000


def corrupt_entry(document: dict[str, Any], random: Random) -> None:
    """Flip a character of one entry's fingerprint."""
    entries = _entries(document)
    entry = entries[_choose(entries, random)]
    old = entry["params_hash"]
    entry["params_hash"] = ("1" if old[0] != "1" else "2") + old[1:]
    _reseal(document)


def break_member(document: dict[str, Any], random: Random) -> None:
    """Give one entry a score that is no number."""
    entries = _entries(document)
    entries[_choose(entries, random)]["risk_score"] = "high"
    _reseal(document)


def _entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = document["risk_ledger"]["entries"]
    return entries


def _choose(entries: list[dict[str, Any]], random: Random) -> int:
    return int(len(entries) * random.uniform(FIRST_SPOILED, LAST_SPOILED))


def _reseal(document: dict[str, Any]) -> None:
    document["bundle_hash"] = hash_value(
        {name: value for name, value in document.items() if name != "bundle_hash"}
    )
