"""How moments and lengths of time are written for people, on every page.

One way everywhere: ISO date, 24 hours, the zone named. The zone is the reader's, which
the middleware of evidence.reader_zone activates for the request; it is UTC elsewhere.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone

from evidence.stored_moments import from_ms

FORMS = {"": "%Y-%m-%d %H:%M:%S", "day": "%Y-%m-%d %H:%M", "time": "%H:%M:%S"}
"""By style: in full, without seconds, without the date."""
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def read_moment(value: Any) -> dt.datetime | None:
    """Return a moment, its ISO 8601 text or milliseconds since 1970 as a moment.

    None stands for what is no moment.
    """
    try:
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = from_ms(value)
    except (OverflowError, ValueError):
        return None
    if not isinstance(value, dt.datetime) or value.tzinfo is None:
        return None
    return value


def say_moment(moment: dt.datetime, style: str = "") -> str:
    """Return a moment in the reader's zone, the zone named; see FORMS for `style`."""
    try:
        local = timezone.localtime(moment)
    except OverflowError:
        local = moment
    return f"{local:{FORMS.get(style, FORMS[''])}} {name_zone(local)}"


def say_utc(moment: dt.datetime, style: str = "") -> str:
    """Return a moment in UTC, for documents and messages that many people read."""
    return f"{moment.astimezone(dt.UTC):{FORMS.get(style, FORMS[''])}} UTC"


def name_zone(local: dt.datetime) -> str:
    """Return the short name of a moment's zone; UTC+03 where it has only a number."""
    name = local.tzname() or "UTC"
    return f"UTC{name}" if name[:1] in "+-" else name


def say_length(length: dt.timedelta) -> str:
    """Return a length in its two largest units: 2 d 3 h, 4 min 32 s, 450 ms."""
    milliseconds = abs(length) // dt.timedelta(milliseconds=1)
    if milliseconds < 1_000:
        return f"{milliseconds} ms" if milliseconds else "0 s"
    if milliseconds < 10_000 and milliseconds % 1_000:
        return f"{milliseconds / 1_000:.1f} s"
    return _whole_units(milliseconds // 1_000)


def say_ago(moment: dt.datetime, now: dt.datetime) -> str:
    """Return how long ago a moment was, or how far ahead it lies, in one unit."""
    seconds = int(abs(now - moment).total_seconds())
    if seconds < 60:
        return "just now" if moment <= now else "within a minute"
    size, unit = next(pair for pair in UNITS if seconds >= pair[0])
    length = f"{seconds // size} {unit}"
    return f"{length} ago" if moment <= now else f"in {length}"


def _whole_units(rest: int) -> str:
    parts: list[str] = []
    for size, unit in UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part)
