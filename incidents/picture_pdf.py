"""A picture of what happened as reportlab draws it, on the page's width."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from reportlab.lib import colors
from reportlab.platypus import Flowable

from evidence.tones import tone_of
from incidents.picture.layout import Box, Drawing, LaneDrawing, lay_out
from incidents.picture.model import Picture

INK = {
    "done": colors.HexColor("#16a34a"),
    "warn": colors.HexColor("#ea580c"),
    "watch": colors.HexColor("#b45309"),
    "late": colors.HexColor("#dc2626"),
    "calm": colors.HexColor("#0e7490"),
    "waived": colors.HexColor("#7c3aed"),
    "quiet": colors.HexColor("#71717a"),
}
"""What each tone of the pages is on white paper."""
LANE = colors.HexColor("#f4f4f5")
LINE = colors.HexColor("#a1a1aa")
TEXT = colors.HexColor("#27272a")
UNTRUSTED = colors.HexColor("#dc2626")
FONT_SIZE = 11
TALLEST = 640.0
"""Of a page of A4, less its margins and a heading."""
TITLE_LENGTH = 27


class PictureFlowable(Flowable):
    """Draws a picture as wide as the page; the layout is that of the pages."""

    def __init__(
        self, picture: Picture, *, font: str, write: Callable[[str], str]
    ) -> None:
        super().__init__()
        self.drawing: Drawing = lay_out(picture)
        self.font, self.write = font, write
        self.scale = 1.0

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Take the whole width; the height follows."""
        # Not higher than a page, however many lanes there are.
        self.scale = min(
            width / self.drawing.width,
            TALLEST / self.drawing.height,
        )
        self.width = self.drawing.width * self.scale
        self.height = self.drawing.height * self.scale
        return self.width, self.height

    def draw(self) -> None:
        """Draw lanes, shades and the axis."""
        canvas = self.canv
        canvas.saveState()
        canvas.scale(self.scale, self.scale)
        for lane in self.drawing.lanes:
            self._lane(canvas, lane)
        for shade in self.drawing.shades:
            self._hatch(canvas, shade, UNTRUSTED)
        self._axis(canvas)
        canvas.restoreState()

    def _up(self, y: float) -> float:
        """Return a height as paper counts it, from the bottom."""
        return self.drawing.height - y

    def _lane(self, canvas: Any, lane: LaneDrawing) -> None:
        drawing = self.drawing
        canvas.setFillColor(LANE)
        bottom = self._up(lane.bottom)
        canvas.rect(drawing.left, bottom, drawing.inner_width, lane.height, 0, 1)
        canvas.setFillColor(TEXT)
        canvas.setFont(self.font, FONT_SIZE)
        title = lane.lane.title
        if len(title) > TITLE_LENGTH:
            title = f"{title[: TITLE_LENGTH - 1]}…"
        canvas.drawString(4, self._up(lane.middle + 4), self.write(title))
        for gap in lane.gaps:
            self._hatch(canvas, gap, LINE)
        for box in lane.boxes:
            self._band(canvas, box)
        self._line(canvas, lane)
        for shape in lane.shapes:
            canvas.setFillColor(INK[tone_of(shape.mark.state, shape.mark.kind)])
            self._polygon(canvas, shape.points)

    def _band(self, canvas: Any, box: Box) -> None:
        if box.band is None:
            return
        ink = INK[tone_of(box.band.state, box.band.kind)]
        canvas.saveState()
        canvas.setStrokeColor(ink)
        canvas.setFillColor(ink)
        canvas.setFillAlpha(0.08 if box.look == "ordered" else 0.38)
        if box.look == "ordered":
            canvas.setDash(4, 3)
        canvas.rect(box.x, self._up(box.y + box.height), box.width, box.height, 1, 1)
        canvas.restoreState()
        if box.label:
            canvas.setFillColor(TEXT)
            canvas.setFont(self.font, FONT_SIZE - 2)
            middle = box.y + box.height / 2
            canvas.drawString(box.x + 5, self._up(middle + 3.5), self.write(box.label))

    def _line(self, canvas: Any, lane: LaneDrawing) -> None:
        canvas.setStrokeColor(INK["calm"])
        canvas.setLineWidth(1.4)
        for (x, y), (next_x, next_y) in zip(lane.line, lane.line[1:], strict=False):
            canvas.line(x, self._up(y), next_x, self._up(next_y))
        canvas.setLineWidth(1)

    def _polygon(self, canvas: Any, points: tuple[tuple[float, float], ...]) -> None:
        path = canvas.beginPath()
        path.moveTo(points[0][0], self._up(points[0][1]))
        for x, y in points[1:]:
            path.lineTo(x, self._up(y))
        path.close()
        canvas.drawPath(path, stroke=0, fill=1)

    def _hatch(self, canvas: Any, box: Box, ink: Any) -> None:
        canvas.saveState()
        clip = canvas.beginPath()
        bottom = self._up(box.y + box.height)
        clip.rect(box.x, bottom, box.width, box.height)
        canvas.clipPath(clip, stroke=0, fill=0)
        canvas.setStrokeColor(ink)
        canvas.setStrokeAlpha(0.55)
        canvas.setLineWidth(0.8)
        at = box.x - box.height
        while at < box.x + box.width:
            canvas.line(at, bottom, at + box.height, bottom + box.height)
            at += 6
        canvas.restoreState()

    def _axis(self, canvas: Any) -> None:
        drawing = self.drawing
        for tick in drawing.ticks:
            canvas.setStrokeColor(LINE)
            canvas.setDash(2, 3)
            canvas.line(tick.x, self._up(4), tick.x, self._up(drawing.foot))
            canvas.setDash()
            moment = dt.datetime.fromtimestamp(tick.at_ms / 1000, dt.UTC)
            form = "%H:%M:%S" if tick.style == "time" else "%Y-%m-%d %H:%M"
            text = f"{moment:{form}}"
            canvas.setFillColor(TEXT)
            canvas.setFont(self.font, FONT_SIZE - 1)
            place = {
                "start": canvas.drawString,
                "end": canvas.drawRightString,
            }.get(tick.anchor, canvas.drawCentredString)
            if tick.anchor != "middle":
                text = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
            place(tick.x, self._up(drawing.height - 8), text)
