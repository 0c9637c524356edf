"""Moments from outside: aware, in UTC, and within what can be meant."""

import datetime as dt
import zoneinfo

import pytest

from evidence.errors import MomentRefused
from evidence.stored_moments import EARLIEST, FURTHEST_AHEAD, require_moment

NOW = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
TOKYO = zoneinfo.ZoneInfo("Asia/Tokyo")
HAWAII = zoneinfo.ZoneInfo("Pacific/Honolulu")


def check(value, **options):
    return require_moment(value, what="a time", now=NOW, **options)


def test_moment_comes_back_in_utc():
    moment = check(dt.datetime(2026, 3, 10, 9, tzinfo=TOKYO))
    assert moment == dt.datetime(2026, 3, 10, 0, tzinfo=dt.UTC)
    assert moment.tzinfo is dt.UTC


@pytest.mark.parametrize("edge", [EARLIEST, NOW + FURTHEST_AHEAD])
def test_bounds_are_included(edge):
    assert check(edge) == edge


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(1, 1, 1, tzinfo=TOKYO),
        dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=HAWAII),
        EARLIEST - dt.timedelta(microseconds=1),
        dt.datetime(2000, 1, 1, tzinfo=TOKYO),
        NOW + FURTHEST_AHEAD + dt.timedelta(microseconds=1),
    ],
)
def test_moment_that_cannot_be_meant_is_refused(value):
    with pytest.raises(
        MomentRefused, match=r"Give a time\. It has to lie between 2000-01-01"
    ):
        check(value)


def test_time_without_zone_is_refused():
    with pytest.raises(MomentRefused, match="with its time zone"):
        check(dt.datetime(2026, 3, 10))


def test_bounds_can_be_narrower():
    with pytest.raises(MomentRefused):
        check(NOW + dt.timedelta(seconds=2), ahead=dt.timedelta(seconds=1))
    with pytest.raises(MomentRefused):
        check(NOW - dt.timedelta(seconds=2), earliest=NOW - dt.timedelta(seconds=1))
