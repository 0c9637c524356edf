"""The timeline as Markdown and as CSV, for people and for spreadsheets."""

from __future__ import annotations

from collections.abc import Iterable

from evidence.handling import Tlp
from evidence.spreadsheets import write_table
from incidents.models import Incident
from incidents.timeline_reading import TimelineLine

CSV_COLUMNS = (
    "event_at",
    "entered_at",
    "kind",
    "phase",
    "cycle",
    "author",
    "entry",
    "corrects",
    "text",
)


def write_csv(entries: Iterable[TimelineLine]) -> str:
    """Return the entries as CSV (RFC 4180) with times in UTC, ISO 8601."""
    return write_table(CSV_COLUMNS, map(_csv_row, entries))


def write_markdown(incident: Incident, entries: Iterable[TimelineLine]) -> str:
    """Return the entries as a Markdown document with times in UTC, marked at its ends.

    The mark of handling is the case's.
    """
    mark = f"**{Tlp(incident.tlp).label}**"
    title = f"# Timeline of {incident.reference}: {one_line(incident.title)}"
    lines = [mark, "", title, ""]
    for entry in entries:
        lines += _markdown_lines(entry)
    return "\n".join([*lines, "", mark]) + "\n"


def one_line(text: str) -> str:
    """Return text that stays within its line of a Markdown document."""
    return " ".join(text.split()).replace("<", "&lt;")


def _csv_row(entry: TimelineLine) -> tuple[object, ...]:
    return (
        entry.event_at.isoformat(timespec="seconds"),
        entry.entered_at.isoformat(timespec="seconds"),
        entry.kind.value,
        entry.phase,
        entry.cycle_number,
        entry.author_name,
        entry.reference,
        entry.corrects,
        entry.body,
    )


def _markdown_lines(entry: TimelineLine) -> list[str]:
    corrects = f", corrects #{entry.corrects}" if entry.corrects else ""
    head = (
        f"## {entry.event_at:%Y-%m-%d %H:%M:%S} UTC · {entry.kind.label}"
        f" · #{entry.reference}{corrects}"
    )
    entered = f"{entry.entered_at:%Y-%m-%d %H:%M:%S} UTC"
    by = f"*{one_line(entry.author_name)}, entered {entered}*"
    # A quoted body cannot pass for a heading or an entry of its own.
    quoted = [f"> {line}".rstrip() for line in entry.body.splitlines()]
    return [head, "", by, "", *quoted, ""]
