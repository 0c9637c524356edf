"""Moments in words, as the reader of a page is told them."""

from __future__ import annotations

import datetime as dt

import pytest

from evidence.shown_times import say_ago

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3_599, "59 min ago"),
        (3_600, "1 h ago"),
        (86_399, "23 h ago"),
        (86_400, "1 d ago"),
        (400 * 86_400, "400 d ago"),
        (-1, "within a minute"),
        (-60, "in 1 min"),
        (-7_200, "in 2 h"),
        (-7 * 86_400 + 1, "in 6 d"),
    ],
)
def test_how_long_ago_or_ahead_is_said_in_one_whole_unit(
    seconds: int, words: str
) -> None:
    assert say_ago(NOW - dt.timedelta(seconds=seconds), NOW) == words
