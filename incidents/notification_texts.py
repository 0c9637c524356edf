"""What a notification says: reference, severity, phase, time left, link; no evidence.

Neither the title of the case nor the names of its extensions appear: they may quote
what was found, and mail and chat keep it where no rule of the case reaches.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.urls import reverse

from evidence.handling import Tlp
from evidence.lookalikes import show_hidden
from incidents.models import (
    IncidentPhase,
    Notification,
    NotificationKind,
    NotificationPreference,
)
from incidents.workflow.clocks import describe_duration


def is_late(row: Notification, *, now: dt.datetime, late_after: dt.timedelta) -> bool:
    """Return whether sending at `now` has to say that it comes late."""
    return now - row.send_at > late_after


def compose_subject(row: Notification, *, now: dt.datetime) -> str:
    """Return the one line that a phone shows."""
    line = show_hidden(row.headline)
    left = _left_words(row.phase, now) if row.phase else ""
    if left:
        line = f"{line}: {left}"
    if row.incident is None:
        return f"[Casefile] {line}"
    return f"[{row.incident.reference}] {row.incident.severity.upper()}: {line}"


def compose_body(
    row: Notification, *, now: dt.datetime, preference: NotificationPreference | None
) -> str:
    """Return the text of a message, with times in UTC and in the reader's zone."""
    zone = preference.zone if preference else dt.UTC
    lines = [f"{show_hidden(row.headline)}.", ""]
    if row.incident is not None:
        lines += [
            f"Reference: {row.incident.reference}",
            f"Severity:  {row.incident.get_severity_display()}",
            f"Handling:  {Tlp(row.incident.tlp).label}",
        ]
    if row.phase is not None:
        lines += _phase_lines(row.phase, now, zone)
    lines += [f"Open:      {settings.CASEFILE_BASE_URL}{path_of(row)}"]
    if row.was_late:
        lines += ["", f"This message is late: it was due {_moment(row.send_at, zone)}."]
    lines += ["", f"Message key: {row.key}"]
    return "\n".join(lines)


def path_of(row: Notification) -> str:
    """Return what the link of a message opens, without the host."""
    if row.kind == NotificationKind.ACCOUNT:
        return reverse("admin:auth_user_sessions")
    if row.kind == NotificationKind.TEST or row.about_id is None:
        return reverse("admin:incidents_notification_preferences")
    return page_of(row.about_type, row.about_id)


def page_of(row_type: str, pk: int) -> str:
    """Return the path of the page of a row, by its type such as `incidents.incident`.

    The one place that knows how pages are named, for mail as for lists.
    """
    return reverse(f"admin:{row_type.replace('.', '_')}_change", args=[pk])


def _phase_lines(phase: IncidentPhase, now: dt.datetime, zone: dt.tzinfo) -> list[str]:
    lines = [f"Phase:     {phase.name.label}"]
    if phase.due_at is not None:
        lines.append(f"Due:       {_moment(phase.due_at, zone)}")
    lines.append(f"Time left: {_left_words(phase, now) or 'no due time'}")
    if phase.completed_at is not None:
        lines.append(
            f"Completed: {_moment(phase.completed_at, zone)}, after it was due"
        )
    return lines


def _left_words(phase: IncidentPhase, now: dt.datetime) -> str:
    if phase.due_at is None:
        return ""
    left = phase.due_at - (phase.completed_at or now)
    words = describe_duration(left)
    return f"{words} left" if left > dt.timedelta(0) else f"{words} overdue"


def _moment(moment: dt.datetime, zone: dt.tzinfo) -> str:
    """Return a moment in UTC, and in the reader's zone where it has a date there."""
    utc = f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    try:
        local = moment.astimezone(zone)
        offset = local.utcoffset()
    except (OverflowError, ValueError):
        # The first or last hours of the calendar are outside it in another zone.
        return utc
    if offset == dt.timedelta(0):
        return utc
    return f"{utc} ({local:%Y-%m-%d %H:%M} {local.tzname()})"
