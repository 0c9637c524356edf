"""Moments that come from outside: checked and brought to UTC before they are stored.

PostgreSQL stores more than Python reads back: midnight of 0001-01-01 east of Greenwich
becomes a year before 1, and a row that holds one can never be read again. What lies
outside a plausible range is a slip of the pen in any case.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from evidence.errors import MomentRefused

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
"""No record of an incident is older; the database refuses earlier ones as well."""
FURTHEST_AHEAD = dt.timedelta(days=366)
"""How far ahead a moment can be set, unless a caller says less."""


@dataclass(frozen=True)
class Span:
    """Where a moment has to lie, and how a refusal names it.

    A form and the service behind it share one, so that the form can name every fault
    at once. `is_to_come` is for what has to lie ahead.
    """

    what: str
    ahead: dt.timedelta = FURTHEST_AHEAD
    is_to_come: bool = False

    def require(self, value: dt.datetime, *, now: dt.datetime) -> dt.datetime:
        """Return a moment in UTC; raise MomentRefused where it cannot be meant."""
        earliest = now if self.is_to_come else EARLIEST
        return require_moment(
            value, what=self.what, now=now, earliest=earliest, ahead=self.ahead
        )


def to_ms(moment: dt.datetime) -> int:
    """Return whole milliseconds since 1970, as documents count them."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(milliseconds: float) -> dt.datetime:
    """Return the moment; raise OverflowError where the calendar does not reach."""
    return EPOCH + dt.timedelta(milliseconds=milliseconds)


def require_moment(
    value: dt.datetime,
    *,
    what: str,
    now: dt.datetime,
    earliest: dt.datetime = EARLIEST,
    ahead: dt.timedelta = FURTHEST_AHEAD,
) -> dt.datetime:
    """Return a moment in UTC; raise MomentRefused where it cannot be meant.

    `what` names it in the message ("a detection time"); it lies between `earliest` and
    `now + ahead`, both included.
    """
    if value.tzinfo is None or value.utcoffset() is None:
        raise MomentRefused(f"Give {what}, with its time zone.")
    latest = now + ahead
    try:
        moment = value.astimezone(dt.UTC)
    except OverflowError:
        moment = None
    if moment is None or not earliest <= moment <= latest:
        raise MomentRefused(
            f"Give {what}. It has to lie between {_shown(earliest)} and "
            f"{_shown(latest)}, and {value.isoformat(' ', 'seconds')} does not."
        )
    return moment


def _shown(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
