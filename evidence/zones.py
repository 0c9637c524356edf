"""Time zones as people name them, and the moments that a clock on a wall means."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import cache

PLACEHOLDERS = {"Factory", "localtime"}
"""In the database, and the zone of no place."""


@cache
def _zones() -> dict[str, str]:
    names = zoneinfo.available_timezones() - PLACEHOLDERS
    return {name.casefold(): name for name in names}


def find_zone(name: str) -> zoneinfo.ZoneInfo | None:
    """Return the zone of this name, whatever its capitals; None where there is none.

    The list is asked first: a folder of the time zone database, such as "Europe", is no
    zone, and to open it as one is an error of the operating system.
    """
    known = _zones().get(name.strip().casefold())
    return zoneinfo.ZoneInfo(known) if known else None


def moments_of(wall: dt.datetime, zone: dt.tzinfo) -> tuple[dt.datetime, ...]:
    """Return the moments that a clock in `zone` shows as `wall`, the earlier first.

    None where clocks skip it, two where they are set back over it, one otherwise.
    `wall` is without a zone.
    """
    first, second = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return (first,)
    back = first.astimezone(dt.UTC).astimezone(zone)
    return (first, second) if back.replace(tzinfo=None, fold=0) == wall else ()
