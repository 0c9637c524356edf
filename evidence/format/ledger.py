"""Verifying a risk ledger: section 2 of docs/evidence-format.md.

Every entry is looked at and every fault reported. What cannot be decided from the
artifact alone (who wrote it, whether its newest entries were cut off before it was
sealed) is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .errors import DocumentRefused
from .ledger_entries import hash_entry
from .ledger_judge import LedgerJudge, ledger_members
from .pieces import ARRAYS, pieces_of
from .reading import json_type
from .reports import RuntimeRiskLedgerVerificationReport


def verify_runtime_risk_ledger_artifact(
    ledger: dict[str, Any], *, filtered_by_extension: bool = False, plain: bool = False
) -> RuntimeRiskLedgerVerificationReport:
    """Verify a ledger as read by `read_document`; report every fault found.

    `filtered_by_extension`: the bundle's filter names an extension, which explains
    holes. `plain` is the reader's word on the ledger's numbers.
    """
    judge = LedgerJudge(filtered_by_extension=filtered_by_extension)
    for piece in pieces_of(require_entries(ledger, "$"), plain=plain):
        judge.hear(piece)
    return judge.conclude(ledger)


def require_entries(ledger: dict[str, Any], path: str) -> Any:
    """Return the ledger's entries; refuse a document that has no such array."""
    entries = ledger.get("entries")
    if type(entries) not in ARRAYS:
        got = json_type(entries) if "entries" in ledger else "no such member"
        raise DocumentRefused(
            "wrong_type" if "entries" in ledger else "missing_member",
            f"expected an array, got {got}",
            f"{path}.entries",
        )
    return entries


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
    first, last = (entries[0], entries[-1]) if entries else (None, None)
    return {**ledger_members(len(entries), first, last), "entries": entries}
