"""A picture in words: what paper says beside the drawing, few rows for each lane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from incidents.picture.model import Lane, Mark, Picture


@dataclass(frozen=True)
class Row:
    """One thing that is drawn; `to_ms` None: it still holds."""

    lane: str
    from_ms: int
    to_ms: int | None
    words: str


def say_picture(picture: Picture) -> list[Row]:
    """Return bands and gaps one by one, and the marks of a lane added up by state."""
    return [
        *(row for lane in picture.lanes for row in _lane_rows(lane, picture)),
        *(
            Row("Trust in the records", shade.from_ms, shade.to_ms, shade.words)
            for shade in picture.shades
            if picture.window.cut(shade.from_ms, shade.to_ms)
        ),
    ]


def _lane_rows(lane: Lane, picture: Picture) -> Iterator[Row]:
    window = picture.window
    for gap in lane.gaps:
        yield Row(lane.title, gap.from_ms, gap.to_ms, gap.words)
    for band in lane.bands:
        if window.cut(band.from_ms, band.to_ms):
            yield Row(lane.title, band.from_ms, band.to_ms, band.words)
    groups: dict[str, list[Mark]] = {}
    for mark in lane.marks:
        if window.holds(mark.at_ms):
            groups.setdefault(mark.state, []).append(mark)
    for marks in groups.values():
        first = min(mark.at_ms for mark in marks)
        last = max(mark.last_ms for mark in marks)
        yield Row(lane.title, first, last, _say_marks(marks))
    if lane.line:
        peak_at, peak = max(lane.line, key=lambda point: point[1])
        yield Row(lane.title, peak_at, peak_at, f"highest score about here: {peak:.3f}")


def _say_marks(marks: list[Mark]) -> str:
    if len(marks) == 1:
        return marks[0].words
    total = sum(mark.count for mark in marks)
    return f"{marks[0].state}: {total:,}, in {len(marks)} stretches"
