"""Moments that were written by a clock which has been set since.

A clock that is found ahead of the time and set right leaves moments in a future that
has not come. Who waits for such a moment to pass would wait as long as the clock was
wrong: what lies further ahead than it could have been put counts as passed.
"""

from __future__ import annotations

import datetime as dt

TOLERANCE = dt.timedelta(minutes=1)
"""Clocks of several machines differ, and who writes takes the moment first and then
waits in turn: so much is nobody's setting."""


def has_passed(since: dt.datetime, length: dt.timedelta, *, now: dt.datetime) -> bool:
    """Return whether so much time is over, or `since` lies ahead of every clock."""
    return now - since >= length or since - now > TOLERANCE


def is_put_off(until: dt.datetime, longest: dt.timedelta, *, now: dt.datetime) -> bool:
    """Return whether nobody by this clock could put something off until then."""
    return until - now > longest + TOLERANCE
