"""A postmortem's document as Markdown (CommonMark with tables).

What people wrote is Markdown already and stays as it is, save that its headings are
pushed below those of the document and raw HTML is made text. What the case says is
escaped: a file name cannot become a link, a heading or a cell of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from evidence.lookalikes import show_hidden
from evidence.stored_moments import from_ms
from incidents.picture.model import read_picture
from incidents.picture.words import say_picture
from incidents.workflow.postmortem import SECTIONS, describe_offset

_MARKS = re.compile(r"([\\`*_\[\]#|~])")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_HEADING = re.compile(r"^( {0,3})(#{1,6})(?=\s|$)")
_SETEXT = re.compile(r"^ {0,3}(=+|-+)\s*$")
DEEPEST_HEADING = 6
HEADING_SHIFT = 3
_TASK = {"[ ]": "☐", "[x]": "☑", "[X]": "☑"}
_TASK_LINE = re.compile(r"^(\s*[-*+] )(\[[ xX]\])(?= )")

PICTURE_TITLE = "What happened"
"""The one heading of its level with these words: what people write stands deeper."""
PICTURE_KEY = (
    "Where it is drawn, a dashed frame is what was ordered and not known to be in "
    "effect; grey hatching a stretch without a record, of which nothing is known; red "
    "hatching what cannot be trusted."
)
TYPE_NAMES = {
    "detective": "Detective",
    "preventative": "Preventative",
    "corrective": "Corrective",
}


def render_postmortem(
    content: Mapping[str, Any],
    *,
    sha256_hex: str,
    signature: str = "",
    mark: str = "",
) -> str:
    """Return the document as Markdown. `signature` says who signed it and when.

    `mark` says how it is handled, at both ends; empty where each page says it.
    """
    facts = content["facts"]
    marked = [f"**{plain(mark)}**", ""] if mark else []
    lines = [
        *marked,
        f"# Postmortem of {plain(content['reference'])}: "
        f"{plain(facts['incident']['title'])}",
        "",
        *_head(content, sha256_hex, signature),
        *_written(content["sections"], facts),
        *_facts(facts),
    ]
    whole = "\n".join(lines).rstrip() + "\n"
    return whole + "\n".join(["", *marked[:1], ""]) if marked else whole


def plain(value: Any) -> str:
    """Return a value as one line of text that Markdown takes for nothing else."""
    text = " ".join(str("" if value is None else value).split())
    text = show_hidden(text, keep="\ufe0e\ufe0f")
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return _MARKS.sub(r"\\\1", text)


def show_tasks(text: str) -> str:
    """Return Markdown with the boxes of a task list as ☐ and ☑."""
    return "\n".join(
        _TASK_LINE.sub(lambda m: m[1] + _TASK[m[2]], line) for line in text.split("\n")
    )


def tame(text: str) -> str:
    """Return written Markdown that stays under its heading and holds no raw HTML."""
    return "\n".join(_tame_lines(show_tasks(text).split("\n")))


def moment(value: str | None) -> str:
    """Return a moment of the document for reading: 2026-03-10 12:00:00 UTC."""
    return value.replace("T", " ").replace("Z", " UTC") if value else "–"


def length(seconds: int | None) -> str:
    """Return a number of seconds as h:mm:ss."""
    return "–" if seconds is None else describe_offset(seconds)[2:]


def _tame_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines whose headings stand below ours; code stays as it is."""
    fence = ""
    previous = ""
    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
            yield line
        elif mark:
            fence = mark[1][:3]
            yield line
        elif previous.strip() and _SETEXT.match(line):
            yield "\\" + line.lstrip()
        else:
            yield _HEADING.sub(_deeper, line).replace("<", "&lt;")
        previous = line
    if fence:
        yield fence


def _deeper(match: re.Match[str]) -> str:
    """Return a heading moved down, six levels at the most."""
    return match[1] + "#" * min(DEEPEST_HEADING, len(match[2]) + HEADING_SHIFT)


def _head(content: Mapping[str, Any], sha256_hex: str, signature: str) -> Iterator[str]:
    """Yield the table of what the postmortem is of."""
    incident = content["facts"]["incident"]
    yield from _table(
        ("", ""),
        (
            ("Reference", incident["reference"]),
            ("Class", f"{incident['class']} {incident['class_title']}"),
            ("Severity", incident["severity"]),
            ("Detected", moment(incident["detected_at"])),
            ("Reported", moment(incident["reported_at"])),
            ("Lead", incident["lead"]),
            ("Extensions", ", ".join(incident["extensions"])),
            ("Cycle", content["cycle"]),
            ("Version", content["version"]),
            ("Authors", ", ".join(content["authors"])),
            (
                "Submitted",
                f"{moment(content['submitted_at'])} by {content['submitted_by']}",
            ),
            ("Signature", signature or "not signed"),
            ("SHA-256", sha256_hex),
        ),
    )


def _written(sections: Mapping[str, str], facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what people wrote, section by section, and the action items."""
    group = ""
    for section in SECTIONS:
        if section.group != group:
            group = section.group
            yield from (f"## {group}", "")
        if section.title != group:
            yield from (f"### {section.title}", "")
        yield from (tame(sections.get(section.key, "")) or "*Nothing written.*", "")
    yield from ("## Action items", "")
    yield from _table(
        ("Action item", "Type", "Owner", "Due", "Ticket", "State"),
        (
            (
                action["text"],
                TYPE_NAMES.get(action["type"], action["type"]),
                action["owner"],
                action["due_on"],
                " ".join(filter(None, (action["ticket"], action["ticket_url"]))),
                action["state"],
            )
            for action in facts["action_items"]
        ),
    )


def _facts(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield what Casefile knows by itself, as of the moment it was gathered."""
    yield from (f"## Facts as of {moment(facts['gathered_at'])}", "")
    yield from ("### Phases", "")
    yield from _table(
        ("Phase", "Started", "Due", "Completed", "Took", "By", "Waivers"),
        (
            (
                phase["phase"].upper(),
                moment(phase["started_at"]),
                moment(phase["due_at"]),
                moment(phase["completed_at"]),
                length(phase["seconds"]) + (" late" if phase["breached_at"] else ""),
                phase["completed_by"],
                "; ".join(
                    f"{w['condition']} by {w['by']}: {w['reason']}"
                    for w in phase["waivers"]
                ),
            )
            for phase in facts["phases"]
        ),
    )
    yield from ("### Timeline", "")
    yield from _table(
        ("T", "When", "Kind", "By", "What"),
        (
            (
                describe_offset(entry["offset_seconds"]),
                moment(entry["event_at"]),
                entry["kind"],
                entry["author"],
                entry["text"]
                + (f" (corrects #{entry['corrects']})" if entry["corrects"] else ""),
            )
            for entry in facts["timeline"]
        ),
    )
    yield from _picture(facts.get("picture"))
    yield from ("### Evidence", "")
    yield from _table(
        ("Item", "Kind", "Bytes", "Received", "Verified", "SHA-256"),
        (
            (
                item["name"],
                item["kind"].replace("_", " "),
                item["size_bytes"],
                f"{moment(item['received_at'])} by {item['received_by']}",
                item["outcome"].replace("_", " ") or "none",
                item["sha256"],
            )
            for item in facts["evidence"]
        ),
    )
    yield from ("### Findings", "")
    yield from _table(
        ("Question", "Verdict", "Answer", "Records", "Evidence", "Review"),
        (
            (
                finding.get("title") or finding["problem"],
                # Versions of 0.1.0 hold a severity and a detail instead.
                finding.get("verdict") or finding.get("severity", ""),
                finding.get("sentence") or finding.get("detail", ""),
                finding.get("count", ""),
                finding["evidence"],
                finding.get("review", ""),
            )
            for finding in facts["findings"]
        ),
    )
    yield from ("### Decisions", "")
    yield from _table(
        ("When", "By", "Decision", "What", "Why"),
        (
            (
                moment(decision["at"]),
                decision["by"],
                decision["kind"],
                decision["text"],
                decision["reason"],
            )
            for decision in facts["decisions"]
        ),
    )
    yield from ("### Checklist", "")
    yield from _table(
        ("Phase", "Item", "State", "By", "Note"),
        (
            (
                item["phase"].upper(),
                item["text"],
                # Versions of 0.1.0 do not say how an open item passed.
                (item.get("standing") or item["state"]).replace("_", " "),
                item["answered_by"],
                item["note"] or item.get("passed", ""),
            )
            for item in facts["checklist"]
        ),
    )


def _picture(stored: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what the drawing shows, in words; versions of 0.1.0 hold none."""
    if not stored:
        return
    picture = read_picture(stored)
    window = picture.window
    yield from (f"### {PICTURE_TITLE}", "")
    yield from (f"From {_utc(window.from_ms)} to {_utc(window.to_ms)}.", "")
    yield from (PICTURE_KEY, "")
    for note in picture.notes:
        yield from (plain(note), "")
    yield from _table(
        ("Lane", "From", "To", "What"),
        (
            (
                row.lane,
                _utc(row.from_ms),
                "still" if row.to_ms is None else _utc(row.to_ms),
                row.words,
            )
            for row in say_picture(picture)
        ),
    )


def _utc(at_ms: int) -> str:
    """Return milliseconds since 1970 as a time in UTC."""
    return f"{from_ms(at_ms):%Y-%m-%d %H:%M:%S} UTC"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """Yield a table; "None." where it has no row."""
    listed = list(rows)
    if not listed:
        yield from ("None.", "")
        return
    yield "| " + " | ".join(columns) + " |"
    yield "|" + " --- |" * len(columns)
    for row in listed:
        yield "| " + " | ".join(plain(cell) for cell in row) + " |"
    yield ""
