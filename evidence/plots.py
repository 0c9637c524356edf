"""Geometry of the risk plot: numbers in, coordinates out; the template draws them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 760, 220
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 12, 28
SCORE_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
DAY_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class Mark:
    """One marked action. `path` is its shape, so that colour is not needed."""

    action: str
    path: str
    index: int
    ts_ms: int
    score: float


@dataclass(frozen=True)
class Tick:
    position: float
    value: float


@dataclass(frozen=True)
class RiskPlot:
    """What the template draws, in the units of its view box."""

    line: str
    marks: list[Mark]
    score_ticks: list[Tick]
    time_ticks: list[Tick]
    break_x: float | None
    break_index: int | None
    first_ts_ms: int
    last_ts_ms: int
    point_count: int
    peak: float
    action_counts: dict[str, int]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM

    @property
    def untrusted_width(self) -> float:
        """Return how wide the part after the break is."""
        return 0.0 if self.break_x is None else self.right - self.break_x

    @property
    def tick_style(self) -> str:
        """Return the style of the times between the ends: their date where it moves."""
        return "time" if self.last_ts_ms - self.first_ts_ms < DAY_MS else "day"


def draw_risk(plot: dict[str, Any]) -> RiskPlot | None:
    """Return the drawing of `overview["plot"]`; None where it has no point."""
    if not plot:
        return None
    first, last = plot["first_ts_ms"], plot["last_ts_ms"]
    span = max(1, last - first)

    def x(ts_ms: float) -> float:
        share = min(1.0, max(0.0, (ts_ms - first) / span))
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    marks = [
        Mark(action, _shape(action, x(ts_ms), _y(score)), index, ts_ms, score)
        for action, points in plot["marks"].items()
        for index, ts_ms, score in points
    ]
    moment = plot["break_ts_ms"]
    return RiskPlot(
        line=" ".join(f"{x(ts_ms)},{_y(score)}" for _, ts_ms, score in plot["line"]),
        marks=marks,
        score_ticks=[Tick(_y(value), value) for value in SCORE_TICKS],
        time_ticks=[Tick(x(value), value) for value in _moments(first, last)],
        break_x=None if moment is None else x(moment),
        break_index=plot["break_index"],
        first_ts_ms=first,
        last_ts_ms=last,
        point_count=plot["point_count"],
        peak=max(score for _, _, score in plot["line"]),
        action_counts=plot["action_counts"],
    )


def _y(score: float) -> float:
    return round(TOP + (1.0 - score) * (HEIGHT - TOP - BOTTOM), 1)


def _moments(first: int, last: int) -> Iterable[int]:
    """Return the ends and as many moments between as their words leave room for."""
    parts = 3 if last - first < DAY_MS else 2
    return sorted({first + (last - first) * i // parts for i in range(parts + 1)})


def _shape(action: str, x: float, y: float) -> str:
    """Return a diamond for harden, a square for deny, a cross for terminate."""
    if action == "harden":
        return f"M{x} {y - 4}l4 4l-4 4l-4 -4z"
    if action == "deny":
        return f"M{x - 3} {y - 3}h6v6h-6z"
    return f"M{x - 4} {y - 4}l8 8m0 -8l-8 8"
