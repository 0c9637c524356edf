"""Where a picture is drawn: numbers in, coordinates out, for any who draws it.

The units are those of a view box as wide as WIDTH, from the top left. Shapes are named
and have an outline, so that colour is not needed to tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from incidents.picture.model import Band, Lane, Mark, Picture, Shade, Window

WIDTH, LEFT, RIGHT = 1000, 168, 12
TOP, FOOT = 10, 26
LANE_HEIGHT, LINE_HEIGHT, LANE_GAP = 26, 58, 6
TICKS = 5
DAY_MS = 24 * 60 * 60 * 1000
LEAST_WIDTH = 2.5
"""A band of a moment is still seen."""
SIZE = 5.0
LETTER, LEAST_LETTERS = 6.0, 7
"""The width of a letter in a band, and how many are worth being read."""

# Corners around the middle of a mark, in halves of its size.
OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "bar": ((-0.45, -1.7), (0.45, -1.7), (0.45, 1.7), (-0.45, 1.7)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    "up": ((0, -1.2), (1.2, 1), (-1.2, 1)),
    "down": ((0, 1.2), (1.2, -1), (-1.2, -1)),
    "flag": ((-0.9, -1.4), (1.3, -0.6), (-0.4, 0.2), (-0.4, 1.5), (-0.9, 1.5)),
    "cross": (
        (-1.3, -0.9), (-0.9, -1.3), (0, -0.4), (0.9, -1.3), (1.3, -0.9), (0.4, 0),
        (1.3, 0.9), (0.9, 1.3), (0, 0.4), (-0.9, 1.3), (-1.3, 0.9), (-0.4, 0),
    ),
}  # fmt: skip
SHAPES = {
    "call executed": "bar",
    "call blocked": "square",
    "call failed": "down",
    "act harden": "diamond",
    "act deny": "square",
    "act terminate": "cross",
    "mediation allow": "bar",
    "mediation deny": "square",
    "secret disclosed": "up",
    "secret redacted": "square",
    "phase due": "flag",
}
ANY_SHAPE = "diamond"


@dataclass(frozen=True)
class Box:
    """A band, a gap or a shade; `look` says which."""

    x: float
    y: float
    width: float
    height: float
    look: str
    words: str
    band: Band | None = None

    @property
    def label(self) -> str:
        """As much of its words as it has room for; "" where that says nothing."""
        room = int((self.width - 8) / LETTER)
        if len(self.words) <= room:
            return self.words
        return f"{self.words[: room - 1]}…" if room >= LEAST_LETTERS else ""


@dataclass(frozen=True)
class Shape:
    """A mark with its corners."""

    points: tuple[tuple[float, float], ...]
    mark: Mark

    @property
    def outline(self) -> str:
        """The corners as an SVG polygon takes them."""
        return " ".join(f"{x},{y}" for x, y in self.points)


@dataclass(frozen=True)
class LaneDrawing:
    """One lane: its place, and what stands in it."""

    lane: Lane
    y: float
    height: float
    gaps: tuple[Box, ...]
    boxes: tuple[Box, ...]
    shapes: tuple[Shape, ...]
    line: tuple[tuple[float, float], ...]

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.y + self.height

    @property
    def middle(self) -> float:
        """Where its title stands."""
        return self.y + self.height / 2

    @property
    def points(self) -> str:
        """The line as an SVG polyline takes it."""
        return " ".join(f"{x},{y}" for x, y in self.line)


@dataclass(frozen=True)
class Tick:
    """A moment on the axis."""

    x: float
    at_ms: int
    anchor: str
    style: str
    """How its time is written: with the day where the window is longer than one."""


@dataclass(frozen=True)
class Drawing:
    """What is drawn, in the units of its view box."""

    window: Window
    height: float
    lanes: tuple[LaneDrawing, ...]
    shades: tuple[Box, ...]
    ticks: tuple[Tick, ...]
    width: float = WIDTH
    left: float = LEFT
    right: float = WIDTH - RIGHT

    @property
    def inner_width(self) -> float:
        """How wide the lanes are."""
        return self.right - self.left

    @property
    def foot(self) -> float:
        """Where the lanes end and the axis stands."""
        return self.height - FOOT


def lay_out(picture: Picture) -> Drawing:
    """Return where everything of a picture is drawn; nothing outside its window is."""
    lanes: list[LaneDrawing] = []
    y = float(TOP)
    for lane in picture.lanes:
        lanes.append(_lay_out_lane(lane, picture.window, y))
        y = lanes[-1].bottom + LANE_GAP
    places = {drawn.lane.key: drawn for drawn in lanes}
    return Drawing(
        window=picture.window,
        height=y + FOOT,
        lanes=tuple(lanes),
        shades=tuple(
            box
            for shade in picture.shades
            for box in _shade_boxes(shade, picture.window, places)
        ),
        ticks=tuple(_ticks(picture.window)),
    )


def place(window: Window, at_ms: float) -> float:
    """Return where a moment stands on the axis."""
    share = min(1.0, max(0.0, (at_ms - window.from_ms) / window.length_ms))
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _lay_out_lane(lane: Lane, window: Window, y: float) -> LaneDrawing:
    height = LINE_HEIGHT if lane.line else LANE_HEIGHT
    middle = y + height / 2
    gaps = [
        box
        for gap in lane.gaps
        if (box := _box(window, gap.from_ms, gap.to_ms, y, height, "gap", gap.words))
    ]
    boxes = [box for band in lane.bands if (box := _band(window, band, y, height))]
    shapes = [
        Shape(_corners(mark, place(window, mark.at_ms), middle), mark)
        for mark in lane.marks
        if window.holds(mark.at_ms)
    ]
    line = tuple(
        (place(window, at_ms), round(y + (1 - min(1.0, max(0.0, score))) * height, 1))
        for at_ms, score in lane.line
        if window.holds(at_ms)
    )
    return LaneDrawing(lane, y, height, tuple(gaps), tuple(boxes), tuple(shapes), line)


def _band(window: Window, band: Band, y: float, height: float) -> Box | None:
    look = "ordered" if band.is_ordered else "band"
    box = _box(window, band.from_ms, band.to_ms, y + 4, height - 8, look, band.words)
    return None if box is None else Box(**{**vars(box), "band": band})


def _box(
    window: Window,
    from_ms: int,
    to_ms: int | None,
    y: float,
    height: float,
    look: str,
    words: str,
) -> Box | None:
    if to_ms == from_ms and window.holds(from_ms):
        part: tuple[int, int] | None = (from_ms, from_ms)
    else:
        part = window.cut(from_ms, to_ms)
    if part is None:
        return None
    x = place(window, part[0])
    width = max(LEAST_WIDTH, round(place(window, part[1]) - x, 1))
    return Box(x, y, width, height, look, words)


def _corners(mark: Mark, x: float, y: float) -> tuple[tuple[float, float], ...]:
    shape = SHAPES.get(f"{mark.kind} {mark.state}", ANY_SHAPE)
    return tuple(
        (round(x + dx * SIZE, 1), round(y + dy * SIZE, 1)) for dx, dy in OUTLINES[shape]
    )


def _shade_boxes(
    shade: Shade, window: Window, places: dict[str, LaneDrawing]
) -> Iterator[Box]:
    for key in shade.lanes:
        drawn = places.get(key)
        if drawn is None:
            continue
        box = _box(
            window,
            shade.from_ms,
            shade.to_ms,
            drawn.y,
            drawn.height,
            "untrusted",
            shade.words,
        )
        if box is not None:
            yield box


def _ticks(window: Window) -> Iterator[Tick]:
    for number in range(TICKS):
        at_ms = window.from_ms + window.length_ms * number // (TICKS - 1)
        anchor = {0: "start", TICKS - 1: "end"}.get(number, "middle")
        style = "time" if window.length_ms < DAY_MS else "day"
        yield Tick(place(window, at_ms), at_ms, anchor, style)
