"""Moments and spans of time as sentences write them."""

from __future__ import annotations

from evidence.stored_moments import from_ms
from incidents.findings.finding import figure


def moment_text(ts_ms: int | None) -> str:
    """Return ``2026-09-14 03:12:16.388 UTC``; a moment no calendar has, as it is."""
    if ts_ms is None:
        return "an unknown time"
    try:
        moment = from_ms(ts_ms)
    except OverflowError:
        return f"{ts_ms} ms"
    return f"{moment:%Y-%m-%d %H:%M:%S}.{ts_ms % 1000:03d} UTC"


def span_text(milliseconds: int) -> str:
    """Return a length of time in seconds, as exactly as it was measured."""
    return f"{figure(milliseconds / 1000)} s"
