"""What the evidence page draws from a document, worked out once per verification.

Values in, JSON values out. However long the ledger, the plot keeps at most
PLOT_BUCKETS points of its line, each the highest score of its stretch of time, and as
many marks per action: nothing above the rest is averaged away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, TypeGuard

from evidence.format import Array, LongArray
from evidence.storable_values import safe_bigint, safe_float, safe_json, safe_text

PLOT_BUCKETS = 300
MARKED_ACTIONS = ("harden", "deny", "terminate")
MAX_CATEGORIES = 50
MAX_EXTENSIONS = 200
OTHER_CATEGORIES = "(other names)"
OTHER_WORD = "other"
DRAWN_MEMBERS = ("extension_id", "ts_ms", "risk_score", "selected_action")
SEVERITIES = ("critical", "error", "warning", "info")

Point = tuple[int, int, float, str]
"""Index, ts_ms, risk_score, selected_action."""


def make_overview(
    document: dict[str, Any], entries: Array, *, break_index: int | None
) -> dict[str, Any]:
    """Return the document's own summary, its alerts counted, and its risk plot.

    The document may have been opened: its long arrays are walked, not held.
    """
    alerts = document.get("security_alerts")
    told = [_drawn(entry) for entry in entries]
    return {
        "summary": safe_json(document.get("summary") or {}),
        "filter": safe_json(document.get("filter") or {}),
        "redaction": safe_json(document.get("redaction") or {}),
        "generated_at_ms": safe_bigint(document.get("generated_at_ms")),
        "alerts": count_alerts(alerts if _is_array(alerts) else []),
        "extensions": count_extensions(told),
        "plot": plot_risk(told, break_index=break_index),
        "records": time_records(document),
    }


def _is_array(value: Any) -> TypeGuard[Array]:
    return isinstance(value, list | LongArray)


def _drawn(entry: Any) -> dict[str, Any] | None:
    """Return what is drawn of an entry: what is not is let go of."""
    if not isinstance(entry, dict):
        return None
    return {name: entry[name] for name in DRAWN_MEMBERS if name in entry}


def count_alerts(alerts: Array) -> list[dict[str, Any]]:
    """Return {category, severity, count} rows, most frequent category first."""
    pairs = Counter(
        (_name(alert.get("category")), _name(alert.get("severity")))
        for alert in alerts
        if isinstance(alert, dict)
    )
    totals: Counter[str] = Counter()
    for (category, _), count in pairs.items():
        totals[category] += count
    ranked = [category for category, _ in totals.most_common()]
    shown = set(ranked[:MAX_CATEGORIES])
    rows: Counter[tuple[str, str]] = Counter()
    for (category, severity), count in pairs.items():
        kept = category if category in shown else OTHER_CATEGORIES
        rows[kept, severity] += count
    rank = {category: place for place, category in enumerate(ranked)}
    ordered = sorted(
        rows.items(), key=lambda row: (rank.get(row[0][0], len(rank)), row)
    )
    return [
        {"category": category, "severity": severity, "count": count}
        for (category, severity), count in ordered
    ]


def count_extensions(entries: list[Any]) -> list[dict[str, Any]]:
    """Return the extensions with most entries, for the filter of the replay."""
    names = Counter(
        safe_text(entry.get("extension_id"))
        for entry in entries
        if isinstance(entry, dict)
    )
    return [
        {"extension_id": name, "count": count}
        for name, count in names.most_common(MAX_EXTENSIONS)
        if name
    ]


def plot_risk(entries: list[Any], *, break_index: int | None) -> dict[str, Any]:
    """Return the line, the marks by action, and the moment of the break."""
    points = [
        point
        for index, entry in enumerate(entries)
        if (point := _point(index, entry)) is not None
    ]
    if not points:
        return {}
    first = min(point[1] for point in points)
    last = max(point[1] for point in points)
    return {
        "first_ts_ms": first,
        "last_ts_ms": last,
        "point_count": len(points),
        "line": [point[:3] for point in _highest(points, first, last)],
        "marks": {
            action: [point[:3] for point in _highest(taken, first, last)]
            for action in MARKED_ACTIONS
            if (taken := [point for point in points if point[3] == action])
        },
        "action_counts": dict(Counter(point[3] for point in points).most_common(20)),
        "break_ts_ms": _moment_of_break(points, break_index),
        "break_index": break_index,
    }


def time_records(document: dict[str, Any]) -> dict[str, Any]:
    """Return when the records of each section were, by what they say in a word.

    By section: `first_ts_ms`, `last_ts_ms`, `count`, how many are `undated`, and as
    `marks` [word, first ts_ms, last ts_ms, index of the first, count] for each stretch
    of time. A section that is no list is left out: nothing is known of it.
    """
    return {
        name: _time_section(document[name], word_of)
        for name, word_of in TIMED_SECTIONS.items()
        if _is_array(document.get(name))
    }


def _time_section(
    records: Array, word_of: Callable[[dict[str, Any]], str]
) -> dict[str, Any]:
    dated = [
        (moment, index, word_of(record))
        for index, record in enumerate(records)
        if isinstance(record, dict)
        and (moment := safe_bigint(record.get("ts_ms"))) is not None
    ]
    first = min((moment for moment, *_ in dated), default=0)
    last = max((moment for moment, *_ in dated), default=0)
    stretches: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for moment, index, word in dated:
        stretch = (moment - first) * PLOT_BUCKETS // max(1, last - first + 1)
        stretches.setdefault((stretch, word), []).append((moment, index))
    return {
        "first_ts_ms": first if dated else None,
        "last_ts_ms": last if dated else None,
        "count": len(records),
        "undated": len(records) - len(dated),
        "marks": [
            [word, min(found)[0], max(found)[0], min(found)[1], len(found)]
            for (_, word), found in sorted(stretches.items())
        ],
    }


def _one_of(member: str, known: tuple[str, ...]) -> Callable[[dict[str, Any]], str]:
    """Return what reads a member's word; what is none of the format's is "other"."""

    def word_of(record: dict[str, Any]) -> str:
        value = record.get(member)
        return value if isinstance(value, str) and value in known else OTHER_WORD

    return word_of


def _disclosure(record: dict[str, Any]) -> str:
    redacted = record.get("redacted")
    if not isinstance(redacted, bool):
        return OTHER_WORD
    return "redacted" if redacted else "disclosed"


TIMED_SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "security_alerts": _one_of("severity", SEVERITIES),
    "exec_mediation": _one_of("decision", ("allow", "deny")),
    "secret_broker": _disclosure,
}


def _point(index: int, entry: Any) -> Point | None:
    if not isinstance(entry, dict):
        return None
    moment = safe_bigint(entry.get("ts_ms"))
    score = safe_float(entry.get("risk_score"))
    if moment is None or score is None:
        return None
    return index, moment, min(1.0, max(0.0, score)), _name(entry.get("selected_action"))


def _highest(points: list[Point], first: int, last: int) -> list[Point]:
    """Return the highest point of each stretch of time, in order of time."""
    width = max(1, last - first + 1)
    best: dict[int, Point] = {}
    for point in points:
        bucket = (point[1] - first) * PLOT_BUCKETS // width
        if bucket not in best or point[2] > best[bucket][2]:
            best[bucket] = point
    return [best[bucket] for bucket in sorted(best)]


def _moment_of_break(points: list[Point], break_index: int | None) -> int | None:
    if break_index is None:
        return None
    for index, moment, *_ in points:
        if index >= break_index:
            return moment
    return points[-1][1]


def _name(value: Any) -> str:
    return safe_text(value, length=80) or "(none)"
