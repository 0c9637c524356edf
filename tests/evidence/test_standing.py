"""How far behind a replica is, and what is no replica: judged from figures."""

from dataclasses import replace

import pytest

from evidence.database.standing import Mark, Place, Use, judge, measure_lag

PRIMARY = Place("7001", "00000001", 5, position=1000, clock=5000.0)
SAME = replace(PRIMARY, clock=100.0)
"""It has all; the last commit was long ago."""


def test_replica_of_an_idle_primary_lags_behind_nothing() -> None:
    found = judge(PRIMARY, SAME, [], now=10.0, most=30)
    assert (found.use, found.lag) == (Use.IN_USE, 0.0)


def test_age_is_that_of_the_last_commit_it_has() -> None:
    late = replace(PRIMARY, position=900, clock=4996.5)
    found = judge(PRIMARY, late, [], now=10.0, most=30)
    assert (found.use, found.lag, found.detail) == (Use.IN_USE, 3.5, "3.5 s behind")


def test_age_is_no_more_than_since_the_primary_was_as_far() -> None:
    late = replace(PRIMARY, position=900, clock=4000.0)
    marks = [Mark(1.0, 700), Mark(8.0, 900), Mark(9.0, 950)]
    assert measure_lag(PRIMARY, late, marks, now=10.0) == 2.0


def test_too_far_behind_is_not_read_from() -> None:
    late = replace(PRIMARY, position=900, clock=4960.0)
    found = judge(PRIMARY, late, [Mark(9.0, 950)], now=10.0, most=30)
    assert (found.use, found.lag) == (Use.BEHIND, 40.0)
    assert found.detail == "it is 40 s behind, and 30 s are the most"


def test_lag_that_nobody_can_tell_is_unknown() -> None:
    late = replace(PRIMARY, position=900, clock=0.0)
    found = judge(PRIMARY, late, [Mark(9.0, 950)], now=10.0, most=30)
    assert (found.use, found.lag) == (Use.UNKNOWN, None)


@pytest.mark.parametrize(
    ("other", "use", "told"),
    [
        (replace(SAME, cluster="7002"), Use.WRONG, "another cluster"),
        (replace(SAME, database=6), Use.WRONG, "another database"),
        (replace(SAME, timeline="00000002"), Use.BEHIND, "another timeline"),
    ],
)
def test_what_follows_another_is_not_read_from(
    other: Place, use: Use, told: str
) -> None:
    found = judge(PRIMARY, other, [], now=10.0, most=30)
    assert (found.use, found.lag) == (use, None)
    assert told in found.detail
