"""The picture's layout: everything in its place, nothing outside its window."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.picture.layout import LEFT, RIGHT, SHAPES, WIDTH, lay_out, place
from incidents.picture.model import (
    Band,
    Gap,
    Lane,
    Mark,
    Picture,
    Shade,
    Target,
    Window,
    find_gaps,
    read_picture,
)
from incidents.picture.words import say_picture

WINDOW = Window(1_000, 2_000)
MARK = Mark(
    1_500, 1_500, "deny", "act", "deny: 1 decision", target=Target("step", 3, 7)
)
BAND = Band(1_200, None, "quarantined", "", "quarantined")
SHADE = Shade(1_400, 1_800, "Untrusted: a.json breaks at entry 3", ("calls",))
MOMENTS = st.integers(0, 3_000)


def picture(*lanes: Lane, **fields: object) -> Picture:
    return Picture(WINDOW, lanes, **fields)  # type: ignore[arg-type]


def test_axis_runs_from_edge_to_edge() -> None:
    assert place(WINDOW, 1_000) == LEFT
    assert place(WINDOW, 2_000) == WIDTH - RIGHT
    assert place(WINDOW, 1_500) == pytest.approx((LEFT + WIDTH - RIGHT) / 2, abs=0.1)


@given(at=MOMENTS)
def test_mark_is_drawn_only_inside_the_window(at: int) -> None:
    lane = Lane("a", "A", (Mark(at, at, "x", "", "x"),))
    (drawn,) = lay_out(picture(lane)).lanes
    assert bool(drawn.shapes) is (1_000 <= at <= 2_000)


@given(start=MOMENTS, length=st.none() | st.integers(0, 3_000))
def test_band_is_cut_to_the_window(start: int, length: int | None) -> None:
    end = None if length is None else start + length
    lane = Lane("a", "A", bands=(Band(start, end, "x", "", "x"),))
    (drawn,) = lay_out(picture(lane)).lanes
    for box in drawn.boxes:
        assert LEFT <= box.x <= WIDTH - RIGHT
        assert box.width > 0
    if (end is not None and end < 1_000) or start > 2_000:
        assert not drawn.boxes
    if start < 2_000 and (end is None or end > 1_000):
        assert drawn.boxes


def test_what_still_holds_reaches_the_end() -> None:
    (drawn,) = lay_out(picture(Lane("a", "A", bands=(BAND,)))).lanes
    (box,) = drawn.boxes
    assert box.x + box.width == pytest.approx(WIDTH - RIGHT, abs=0.2)


def test_ordered_and_effective_look_different() -> None:
    bands = (
        Band(1_100, 1_200, "ordered", "", "kill ordered", is_ordered=True),
        Band(1_200, None, "confirmed", "", "in effect"),
    )
    (drawn,) = lay_out(picture(Lane("kills", "Kill switches", bands=bands))).lanes
    assert [box.look for box in drawn.boxes] == ["ordered", "band"]


def test_actions_are_told_apart_without_colour() -> None:
    shapes = {SHAPES[f"act {action}"] for action in ("harden", "deny", "terminate")}
    assert len(shapes) == 3


def test_shade_lies_over_the_lanes_that_it_names() -> None:
    lanes = (Lane("calls", "Calls"), Lane("people", "People"))
    drawing = lay_out(picture(*lanes, shades=(SHADE,)))
    (box,) = drawing.shades
    assert box.y == drawing.lanes[0].y


@given(st.lists(st.tuples(MOMENTS, st.integers(0, 800)), max_size=6))
def test_gaps_are_what_no_record_covers(spans: list[tuple[int, int]]) -> None:
    known = [(start, start + length) for start, length in spans]
    gaps = list(find_gaps(WINDOW, known, "no record"))
    for moment in range(1_001, 2_000, 7):
        in_gap = any(gap.from_ms < moment < gap.to_ms for gap in gaps)
        covered = any(start <= moment <= end for start, end in known)
        on_edge = any(moment in (gap.from_ms, gap.to_ms) for gap in gaps)
        assert on_edge or in_gap is not covered
    assert all(gap.from_ms < gap.to_ms for gap in gaps)


def test_nothing_known_is_one_gap_and_not_an_empty_lane() -> None:
    assert list(find_gaps(WINDOW, [], "no record")) == [Gap(1_000, 2_000, "no record")]


def test_picture_is_read_back_from_json_as_it_was_written() -> None:
    lane = Lane(
        "calls",
        "Calls",
        (MARK,),
        (BAND,),
        (Gap(1_000, 1_100, "no record"),),
        ((1_100, 0.25),),
        before=3,
        note="cut",
    )
    drawn = picture(lane, shades=(SHADE,), notes=("one is missing",))
    assert read_picture(json.loads(json.dumps(drawn.as_json()))) == drawn


def test_words_say_bands_gaps_marks_and_the_highest_score() -> None:
    lane = Lane(
        "calls",
        "Calls",
        (MARK, Mark(1_600, 1_700, "deny", "act", "deny: 4 decisions", 4)),
        (BAND,),
        (Gap(1_000, 1_100, "no record"),),
        ((1_100, 0.25), (1_300, 0.5)),
    )
    said = [row.words for row in say_picture(picture(lane, shades=(SHADE,)))]
    assert said == [
        "no record",
        "quarantined",
        "deny: 5, in 2 stretches",
        "highest score about here: 0.500",
        SHADE.words,
    ]


@pytest.mark.parametrize(("start", "end"), [(5, 5), (6, 5)])
def test_window_without_length_is_none(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="ends after it begins"):
        Window(start, end)
