"""The figures of a bundle: section 7 of docs/evidence-format.md."""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import Any

from .canonical import canonical_record
from .json_numbers import integer_of
from .names import BLOCKING_ACTIONS, COUNTED_SECTIONS, RECORD_SECTIONS
from .pieces import ARRAYS
from .reports import RuntimeRiskLedgerVerificationReport

Sections = dict[str, list[Any]]

FIGURES = (
    "distinct_extensions",
    "peak_risk_score",
    "blocked_count",
    "first_ts_ms",
    "last_ts_ms",
    "ledger_chain_valid",
)


def sections_of(document: dict[str, Any]) -> Sections:
    """Return the sections of records by name, the ledger's entries first."""
    sections = {"risk_ledger": document["risk_ledger"]["entries"]}
    sections.update((name, document[name]) for name in RECORD_SECTIONS)
    return sections


class Figures:
    """Works the figures of a summary out of records as they come."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._extensions: set[str] = set()
        self._actions: Counter[str] = Counter()
        self._peaks: list[int | float] = []
        self._moments: list[int] = []

    def hear(self, section: str, records: list[Any]) -> None:
        """Take some more records of a section into account."""
        self._counts[section] += len(records)
        self._extensions.update(_values(records, "extension_id", {str}))
        moments = self._moments + _integers(records)
        self._moments = [min(moments), max(moments)] if moments else []
        if section == "risk_ledger":
            self._actions.update(_values(records, "selected_action", {str}))
            scores = self._peaks + _values(records, "risk_score", {int, float})
            self._peaks = [max(scores)] if scores else []

    def conclude(
        self,
        replay: dict[str, Any] | None,
        report: RuntimeRiskLedgerVerificationReport,
    ) -> dict[str, Any]:
        """Return every figure of the summary."""
        steps = None if replay is None else replay.get("steps")
        count = len(steps) if isinstance(steps, ARRAYS) else 0
        counts = {name: self._counts[name] for name in COUNTED_SECTIONS}
        return {
            "counts": {**counts, "risk_replay": count},
            "distinct_extensions": len(self._extensions),
            "peak_risk_score": max(self._peaks, default=0),
            "blocked_count": sum(self._actions[name] for name in BLOCKING_ACTIONS),
            "first_ts_ms": min(self._moments, default=None),
            "last_ts_ms": max(self._moments, default=None),
            "ledger_chain_valid": report.chain_valid,
        }


def summarise(
    sections: Sections,
    replay: dict[str, Any] | None,
    report: RuntimeRiskLedgerVerificationReport,
) -> dict[str, Any]:
    """Compute every figure of the summary from the records themselves."""
    figures = Figures()
    for name, records in sections.items():
        figures.hear(name, records)
    return figures.conclude(replay, report)


def compare_figures(
    stored: dict[str, Any], recomputed: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return {name, stored, recomputed, ok} for every figure, in the format's order."""
    held = stored.get("counts")
    counts = held if type(held) is dict else {}
    rows = [
        _compare(f"counts.{name}", counts, name, figure)
        for name, figure in recomputed["counts"].items()
    ]
    return rows + [_compare(name, stored, name, recomputed[name]) for name in FIGURES]


def _compare(
    label: str, holder: dict[str, Any], name: str, recomputed: Any
) -> dict[str, Any]:
    """Return one row: what the summary states beside what the records give."""
    stored = holder.get(name)
    same = name in holder and canonical_record(stored) == canonical_record(recomputed)
    # Only figures are repeated in a report, whatever a document holds in their place.
    shown = stored if type(stored) in (int, float, bool) else None
    return {"name": label, "stored": shown, "recomputed": recomputed, "ok": same}


def _values(records: list[Any], name: str, kinds: set[type]) -> list[Any]:
    """Return a member's values, without the missing and those of other types."""
    try:
        column = list(map(itemgetter(name), records))
    except (KeyError, TypeError, IndexError):
        held = [record for record in records if type(record) is dict]
        column = [record.get(name) for record in held]
    if set(map(type, column)) <= kinds:
        return column
    return [value for value in column if type(value) in kinds]


def _integers(records: list[Any]) -> list[int]:
    """Return the moments of records, without those that are no integers."""
    moments = _values(records, "ts_ms", {int, float})
    if set(map(type, moments)) <= {int}:
        return moments
    return [moment for moment in map(integer_of, moments) if moment is not None]
