"""What happened, as values: lanes, bands, marks, and the stretches nobody knows of.

Times are whole milliseconds since 1970. A picture is bounded however much happened:
who gathers it puts what lies close together into one mark with a count. It guarantees
nothing about what it was gathered from; `Gap` and `Shade` say how far that goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

BINS = 96
"""Into how many stretches a window is cut: what a screen can tell apart."""
SCHEMA = "casefile.picture.v1"


@dataclass(frozen=True)
class Window:
    """The stretch of time that is drawn; `to_ms` is after `from_ms`."""

    from_ms: int
    to_ms: int

    def __post_init__(self) -> None:
        if self.to_ms <= self.from_ms:
            raise ValueError("a window ends after it begins")

    @property
    def length_ms(self) -> int:
        """How long it is."""
        return self.to_ms - self.from_ms

    def holds(self, at_ms: int) -> bool:
        """Return whether a moment lies within; both ends do."""
        return self.from_ms <= at_ms <= self.to_ms

    def cut(self, from_ms: int, to_ms: int | None) -> tuple[int, int] | None:
        """Return the part of a stretch that lies within; None where none does."""
        end = self.to_ms if to_ms is None else min(to_ms, self.to_ms)
        start = max(from_ms, self.from_ms)
        return (start, end) if start < end else None


@dataclass(frozen=True)
class Target:
    """The record that a mark opens: what it is, its key, its place in there."""

    kind: str
    id: int
    index: int | None = None


@dataclass(frozen=True)
class Mark:
    """Something that happened, or `count` of it between `at_ms` and `last_ms`.

    `state` and `kind` are those of the table of tones.
    """

    at_ms: int
    last_ms: int
    state: str
    kind: str
    words: str
    count: int = 1
    target: Target | None = None


@dataclass(frozen=True)
class Band:
    """Something that held for a time; `to_ms` None: it still does.

    `is_ordered`: somebody ordered it, and nobody knows yet that it took effect.
    """

    from_ms: int
    to_ms: int | None
    state: str
    kind: str
    words: str
    is_ordered: bool = False
    target: Target | None = None


@dataclass(frozen=True)
class Gap:
    """A stretch of which there is no record: nothing is known, not that nothing was."""

    from_ms: int
    to_ms: int
    words: str


@dataclass(frozen=True)
class Lane:
    """One subject. `line` are (moment, height from 0 to 1), for what has a height.

    `before` and `after` count what lies outside the window.
    """

    key: str
    title: str
    marks: tuple[Mark, ...] = ()
    bands: tuple[Band, ...] = ()
    gaps: tuple[Gap, ...] = ()
    line: tuple[tuple[int, float], ...] = ()
    before: int = 0
    after: int = 0
    note: str = ""


@dataclass(frozen=True)
class Shade:
    """A stretch whose records cannot be trusted, over the lanes that rest on them."""

    from_ms: int
    to_ms: int
    words: str
    lanes: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """Everything that is drawn; `notes` say what could not be."""

    window: Window
    lanes: tuple[Lane, ...]
    shades: tuple[Shade, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values; `read_picture` takes them back."""
        return {"schema": SCHEMA, **asdict(self)}


def read_picture(stored: Mapping[str, Any]) -> Picture:
    """Return a picture from what `as_json` made of it."""
    return Picture(
        window=Window(**stored["window"]),
        lanes=tuple(_read_lane(lane) for lane in stored["lanes"]),
        shades=tuple(
            Shade(**{**shade, "lanes": tuple(shade["lanes"])})
            for shade in stored["shades"]
        ),
        notes=tuple(stored["notes"]),
    )


def _read_lane(stored: Mapping[str, Any]) -> Lane:
    return Lane(
        **{
            **stored,
            "marks": tuple(
                Mark(**{**mark, "target": _read_target(mark)})
                for mark in stored["marks"]
            ),
            "bands": tuple(
                Band(**{**band, "target": _read_target(band)})
                for band in stored["bands"]
            ),
            "gaps": tuple(Gap(**gap) for gap in stored["gaps"]),
            "line": tuple((moment, height) for moment, height in stored["line"]),
        }
    )


def _read_target(stored: Mapping[str, Any]) -> Target | None:
    target = stored["target"]
    return None if target is None else Target(**target)


def find_gaps(
    window: Window, known: Iterable[tuple[int, int]], words: str
) -> Iterator[Gap]:
    """Yield the stretches of a window that no known stretch covers."""
    at = window.from_ms
    for start, end in sorted(known):
        if start > at:
            yield Gap(at, min(start, window.to_ms), words)
        # A record of one moment is known for that moment.
        at = max(at, end)
        if at >= window.to_ms:
            return
    if at < window.to_ms:
        yield Gap(at, window.to_ms, words)
