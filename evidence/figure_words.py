"""The members of reports in words, and their values as people read them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from evidence.shown_times import read_moment, say_length, say_moment

WORDS = {
    "first_ts_ms": "First record",
    "last_ts_ms": "Last record",
    "ledger_chain_valid": "Ledger's chain holds",
    "peak_risk_score": "Highest risk score",
    "distinct_extensions": "Distinct extensions",
    "blocked_count": "Blocked calls",
    "gap_count": "Gaps in the sequence",
    "entry_count": "Entries",
    "head_hash": "Hash of the newest entry",
    "tail_hash": "Hash of the oldest entry",
    "bundle_hash": "Hash of the bundle",
}
SHORT = {"sha256": "SHA-256", "id": "ID", "ids": "IDs", "json": "JSON", "ts": "time"}
COUNTS = "counts."


def say_figure(name: str) -> str:
    """Return a name in words: `counts.risk_ledger` is “Risk ledger records”."""
    last = name.rpartition(".")[2]
    if name in WORDS or last in WORDS:
        return WORDS.get(name) or WORDS[last]
    is_count = name.startswith(COUNTS) or "." + COUNTS in name
    text = _plain(last if is_count else name.replace(".", ": "))
    return f"{text} records" if is_count else text


def say_value(name: str, value: Any) -> Any:
    """Return a member's value: milliseconds as a moment or a length, yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not name.endswith("_ms") or not isinstance(value, int | float):
        return value
    if not name.endswith("ts_ms"):
        return say_length(dt.timedelta(milliseconds=value))
    moment = read_moment(value)
    return say_moment(moment) if moment else f"{value} ms since 1970, beyond a calendar"


def _plain(name: str) -> str:
    words = [SHORT.get(word, word) for word in name.replace("_", " ").split()]
    text = " ".join(words)
    return text[:1].upper() + text[1:]
