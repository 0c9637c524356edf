"""What the evidence page draws, from values alone."""

import re

from evidence.plots import draw_risk
from evidence.services.overview import (
    MAX_CATEGORIES,
    OTHER_CATEGORIES,
    PLOT_BUCKETS,
    count_alerts,
    count_extensions,
    plot_risk,
)
from tests.evidence.helpers import make_ledger_entry


def entry(index, score, action="allow", **members):
    return make_ledger_entry(
        index + 1, risk_score=score, selected_action=action, **members
    )


def test_long_ledger_keeps_its_peaks_in_few_points():
    entries = [entry(index, 0.1) for index in range(100_000)]
    entries[54_321] = entry(54_321, 0.99, "terminate")
    plot = plot_risk(entries, break_index=None)
    assert len(plot["line"]) <= PLOT_BUCKETS
    assert plot["point_count"] == 100_000
    assert max(score for _, _, score in plot["line"]) == 0.99
    assert [index for index, _, _ in plot["marks"]["terminate"]] == [54_321]
    assert plot["action_counts"] == {"allow": 99_999, "terminate": 1}


def test_break_is_marked_at_the_first_untrusted_moment():
    entries = [entry(index, 0.5) for index in range(10)]
    plot = plot_risk(entries, break_index=4)
    assert plot["break_ts_ms"] == entries[4]["ts_ms"]
    # Behind the last entry: an artifact member is wrong, no entry is.
    beyond = plot_risk(entries, break_index=10)
    assert beyond["break_ts_ms"] == entries[9]["ts_ms"]


def test_entries_without_time_or_score_are_left_out():
    odd = [None, 7, {}, entry(0, "high"), entry(1, True), entry(2, 0.5, ts_ms=10**40)]
    assert plot_risk(odd, break_index=None) == {}
    plot = plot_risk([*odd, entry(3, 7.5)], break_index=0)
    assert [point[2] for point in plot["line"]] == [1.0]


def test_drawing_stays_inside_its_frame_and_tells_actions_apart_by_shape():
    actions = ["allow", "harden", "deny", "terminate"]
    entries = [entry(i, i % 11 / 10, actions[i % 4]) for i in range(400)]
    drawing = draw_risk(plot_risk(entries, break_index=200))
    assert drawing is not None
    for pair in drawing.line.split():
        x, y = map(float, pair.split(","))
        assert drawing.left <= x <= drawing.right
        assert drawing.top <= y <= drawing.bottom
    assert drawing.left < drawing.break_x < drawing.right
    assert drawing.untrusted_width == drawing.right - drawing.break_x
    shapes = {mark.action: re.sub(r"[\d. -]", "", mark.path) for mark in drawing.marks}
    assert len(set(shapes.values())) == 3


def test_axis_names_the_date_between_its_ends_where_it_moves():
    def draw(step_ms):
        entries = [entry(i, 0.5, ts_ms=1_700_000_000_000 + i * step_ms) for i in (0, 1)]
        drawing = draw_risk(plot_risk(entries, break_index=None))
        assert drawing is not None
        return drawing.tick_style, len(drawing.time_ticks)

    assert draw(60_000) == ("time", 4)
    assert draw(3 * 24 * 3_600_000) == ("day", 3)


def test_one_moment_is_drawn_too():
    drawing = draw_risk(plot_risk([entry(0, 0.5)], break_index=None))
    assert drawing is not None
    assert drawing.line == f"{float(drawing.left)},{(drawing.top + drawing.bottom) / 2}"
    assert drawing.break_x is None
    assert draw_risk({}) is None


def test_alerts_are_counted_by_category_and_severity():
    alerts = [
        {"category": "secret_exposure", "severity": "critical"},
        {"category": "secret_exposure", "severity": "critical"},
        {"category": "made_up_name", "severity": 7},
        "no alert",
        {},
    ]
    assert count_alerts(alerts) == [
        {"category": "secret_exposure", "severity": "critical", "count": 2},
        {"category": "made_up_name", "severity": "(none)", "count": 1},
        {"category": "(none)", "severity": "(none)", "count": 1},
    ]


def test_categories_beyond_the_limit_are_counted_together():
    alerts = [{"category": f"c{n}", "severity": "info"} for n in range(200)]
    rows = count_alerts(alerts)
    assert len(rows) == MAX_CATEGORIES + 1
    assert rows[-1] == {
        "category": OTHER_CATEGORIES,
        "severity": "info",
        "count": 200 - MAX_CATEGORIES,
    }


def test_extensions_are_listed_by_how_often_they_act():
    entries = [entry(0, 0.1, extension_id="a"), *[entry(1, 0.1, extension_id="b")] * 2]
    assert count_extensions([*entries, 7, {}, {"extension_id": 7}]) == [
        {"extension_id": "b", "count": 2},
        {"extension_id": "a", "count": 1},
    ]
