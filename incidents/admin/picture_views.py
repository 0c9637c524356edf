"""One picture of what happened as pages show it: tones, words and links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from evidence.tones import tone_of
from incidents.notification_texts import page_of
from incidents.picture.layout import Box, Drawing, LaneDrawing, Shape, lay_out
from incidents.picture.model import (
    Band,
    Lane,
    Mark,
    Picture,
    Target,
    read_picture,
)
from incidents.workflow.phases import PHASE_ORDER

ROWS = {
    "evidence": "evidence.evidenceitem",
    "alert": "incidents.alert",
    "extension": "policy.extension",
    "kill switch": "policy.killswitch",
    "quota breach": "policy.quotabreach",
    "runtime history": "policy.runtimehistoryimport",
}


@dataclass(frozen=True)
class BoxView:
    """A band with its tone and its page."""

    box: Box
    tone: str
    url: str


@dataclass(frozen=True)
class ShapeView:
    """A mark with its tone and its page."""

    shape: Shape
    tone: str
    url: str


@dataclass(frozen=True)
class LaneView:
    """One lane, made ready to be drawn."""

    drawn: LaneDrawing
    bands: list[BoxView]
    marks: list[ShapeView]

    @property
    def lane(self) -> Lane:
        return self.drawn.lane


@dataclass(frozen=True)
class RowView:
    """One row of the table that says the same; `to_ms` None: it still holds."""

    lane: str
    from_ms: int
    to_ms: int | None
    words: str
    tone: str = ""
    url: str = ""
    is_moment: bool = False


@dataclass(frozen=True)
class PictureView:
    """What the templates of a picture take."""

    picture: Picture
    drawing: Drawing
    lanes: list[LaneView]
    rows: list[RowView]


def view_picture(picture: Picture) -> PictureView:
    """Return a picture as pages show it."""
    drawing = lay_out(picture)
    lanes = [_lane_view(drawn) for drawn in drawing.lanes]
    return PictureView(picture, drawing, lanes, list(_rows(picture)))


def stored_view(stored: dict[str, Any] | None) -> PictureView | None:
    """Return the picture that a postmortem holds; versions of 0.1.0 hold none."""
    return view_picture(read_picture(stored)) if stored else None


def _lane_view(drawn: LaneDrawing) -> LaneView:
    return LaneView(
        drawn,
        [
            BoxView(box, _tone(box.band), _page(box.band.target))
            for box in drawn.boxes
            if box.band is not None
        ],
        [
            ShapeView(shape, _tone(shape.mark), _page(shape.mark.target))
            for shape in drawn.shapes
        ],
    )


def _rows(picture: Picture) -> Iterator[RowView]:
    """Yield everything of the picture that its window holds, lane by lane, in order."""
    for lane in picture.lanes:
        rows = [*_lane_rows(lane, picture)]
        yield from sorted(rows, key=lambda row: (row.from_ms, row.words))
    for shade in picture.shades:
        if picture.window.cut(shade.from_ms, shade.to_ms):
            yield RowView(
                "Trust in the records",
                shade.from_ms,
                shade.to_ms,
                shade.words,
                tone_of("fail"),
            )


def _lane_rows(lane: Lane, picture: Picture) -> Iterator[RowView]:
    window = picture.window
    for gap in lane.gaps:
        yield RowView(lane.title, gap.from_ms, gap.to_ms, gap.words, tone_of("unknown"))
    for band in lane.bands:
        if window.cut(band.from_ms, band.to_ms):
            yield RowView(
                lane.title,
                band.from_ms,
                band.to_ms,
                band.words,
                _tone(band),
                _page(band.target),
            )
    for mark in lane.marks:
        if window.holds(mark.at_ms):
            yield RowView(
                lane.title,
                mark.at_ms,
                mark.last_ms,
                mark.words,
                _tone(mark),
                _page(mark.target),
                is_moment=mark.at_ms == mark.last_ms,
            )


def _tone(drawn: Band | Mark) -> str:
    return tone_of(drawn.state, drawn.kind)


def _page(target: Target | None) -> str:
    """Return the page of a record: what a mark opens."""
    if target is None:
        return ""
    if target.kind in ROWS:
        return page_of(ROWS[target.kind], target.id)
    if target.kind == "step":
        query = urlencode({"view": "replay", "from": target.index})
        item = reverse("admin:evidence_evidenceitem_change", args=[target.id])
        return f"{item}?{query}"
    if target.kind == "phase" and target.index is not None:
        case = reverse("admin:incidents_incident_change", args=[target.id])
        return f"{case}?{urlencode({'phase': PHASE_ORDER[target.index]})}"
    # An entry of the timeline, of the case whose page this is.
    return f"?{urlencode({'tab': 'timeline', 'entry': target.id})}#entry-{target.id}"
