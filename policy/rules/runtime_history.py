"""The runtime's own record of trust: JSON lines of transitions and kill switches.

A line is one object with `extension`, `from`, `to`, `reason`, `operator`,
`acknowledged` and `time`. `event` is `transition`, `kill_switch_activated` or
`kill_switch_lifted`; without it, a boolean `activated` makes the line a kill
switch's, and anything else a transition. The longer names of `_ALIASES` are read
too. `time` is integer milliseconds since the epoch, or RFC 3339 with a zone.

Guarantees: every line is read or named as faulty, by number and JSON path; a
missing reason, operator or acknowledgement is no fault, since it is what the
replay is to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from evidence.format.structure import Form, Structure
from evidence.stored_moments import from_ms
from policy.rules.documents import read_plain_object, read_through
from policy.rules.errors import DocumentError, Fault
from policy.rules.members import Findings, ObjectReader

# A record of every move of a thousand extensions stays well below. It is read while its
# sender waits: of hostile ones of this size the slowest takes about as long as a page
# may (docs/benchmarks.md).
MAX_HISTORY_BYTES: Final = 16 * 1024 * 1024
MAX_LINES: Final = 100_000
# A move with its reason has a few hundred.
MAX_LINE_BYTES: Final = 64 * 1024

_ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "extension_id": "extension",
        "from_state": "from",
        "previous_state": "from",
        "to_state": "to",
        "new_state": "to",
        "ts_ms": "time",
        "kind": "event",
    }
)
_ALL: Final = "*"


class RuntimeState(StrEnum):
    """The states that the runtime's record names; `active` is no trust state."""

    UNKNOWN = "unknown"
    PROBATION = "probation"
    TRUSTED = "trusted"
    QUARANTINED = "quarantined"
    ACTIVE = "active"


class RuntimeEvent(StrEnum):
    """What a line of the record tells."""

    TRANSITION = "transition"
    KILL_SWITCH_ACTIVATED = "kill_switch_activated"
    KILL_SWITCH_LIFTED = "kill_switch_lifted"


@dataclass(frozen=True)
class RuntimeRecord:
    """One line of the record. `extension` None stands for all extensions."""

    line: int
    event: RuntimeEvent
    extension: str | None
    from_state: RuntimeState | None
    to_state: RuntimeState | None
    reason: str
    operator: str
    acknowledged: bool
    at: datetime


@dataclass(frozen=True)
class LineFault:
    """What is wrong in one line."""

    line: int
    fault: Fault


@dataclass(frozen=True)
class RuntimeHistory:
    """The lines that could be read, in order, and what was wrong in any line."""

    records: tuple[RuntimeRecord, ...]
    faults: tuple[LineFault, ...]


def parse_runtime_history(data: bytes) -> RuntimeHistory:
    """Read a record from its bytes; raise DocumentError where it is too large or long.

    Empty lines are passed over; a line with a fault in what the replay needs
    gives no record.
    """
    if len(data) > MAX_HISTORY_BYTES:
        raise DocumentError(
            f"The record has {len(data)} bytes, and {MAX_HISTORY_BYTES} are the "
            "most. Import it in parts.",
            reason="too_large",
        )
    text = read_through(data, max_bytes=MAX_HISTORY_BYTES)
    count = text.count(b"\n") + 1
    if count > MAX_LINES:
        raise DocumentError(
            f"The record has {count} lines, and {MAX_LINES} are the most. Import it in "
            "parts.",
            reason="too_large",
        )
    records: list[RuntimeRecord] = []
    faults: list[LineFault] = []
    for number, line in _numbered_lines(text):
        findings = Findings()
        record = _read_line(number, line, findings)
        faults += [LineFault(number, fault) for fault in findings.faults]
        if record is not None:
            records.append(record)
    return RuntimeHistory(tuple(records), tuple(faults))


def is_runtime_record(top: Structure) -> bool:
    """Return whether JSON lines are such a record, by the members of the first line.

    A log of calls names an extension and a time as well: it takes a move, or a kill
    switch, to be one.
    """
    if top.form not in (Form.OBJECT, Form.SEQUENCE):
        return False
    names = {_ALIASES.get(name, name) for name in top.members}
    events = set(RuntimeEvent)
    said = {text for name in ("event", "kind") for text in top.texts.get(name, ())}
    tells = {"from", "to"} <= names or "activated" in names or bool(said & events)
    return "time" in names and tells and ("extension" in names or bool(said & events))


def _numbered_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold something, numbered from 1."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _read_line(number: int, line: bytes, findings: Findings) -> RuntimeRecord | None:
    """Return a line as a record; note its faults and return None where it is none."""
    try:
        document = read_plain_object(line, max_bytes=MAX_LINE_BYTES)
    except DocumentError as error:
        findings.add_fault(error.path or "$", error.reason, error.message)
        return None
    reader = ObjectReader(_unalias(document, findings), "$", findings)
    event = _read_event(reader)
    at = _read_time(reader, findings)
    from_state = reader.read_choice("from", RuntimeState)
    to_state = reader.read_choice("to", RuntimeState)
    extension = _read_extension(reader)
    _require_members(reader, event, extension)
    is_usable = not findings.faults
    reason = _text_or_blank(reader, "reason")
    operator = _text_or_blank(reader, "operator")
    acknowledged = _flag_or_false(reader, "acknowledged")
    if not is_usable or event is None or at is None:
        return None
    return RuntimeRecord(
        line=number,
        event=event,
        extension=extension,
        from_state=from_state,
        to_state=to_state,
        reason=reason,
        operator=operator,
        acknowledged=acknowledged,
        at=at,
    )


def _unalias(document: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    """Return the members under their short names; two of one meaning are a fault."""
    members: dict[str, Any] = {}
    for name, value in document.items():
        short = _ALIASES.get(name, name)
        if short in members:
            findings.add_fault(
                f"$.{short}", "duplicate", f"Expected `{short}` under one name only."
            )
        members[short] = value
    return members


def _read_event(reader: ObjectReader) -> RuntimeEvent | None:
    """Return what a line records; a transition where it does not say."""
    if "event" in reader.members:
        return reader.read_choice("event", RuntimeEvent)
    if "activated" not in reader.members:
        return RuntimeEvent.TRANSITION
    activated = reader.read_flag("activated")
    if activated is None:
        return None
    return (
        RuntimeEvent.KILL_SWITCH_ACTIVATED
        if activated
        else RuntimeEvent.KILL_SWITCH_LIFTED
    )


def _read_extension(reader: ObjectReader) -> str | None:
    """Return the extension's name; None for all, and for one that cannot be meant."""
    if reader.members.get("extension") is None:
        return None
    name = reader.read_text("extension")
    if name is not None and name.strip() in ("", _ALL) and name != _ALL:
        reader.findings.add_fault(
            "$.extension",
            "empty",
            "Expected an extension's ID, or `*` alone for all of them: white space "
            "names neither.",
        )
    return None if name == _ALL else name


def _require_members(
    reader: ObjectReader, event: RuntimeEvent | None, extension: str | None
) -> None:
    """Note what a transition lacks: a kill switch may be for all, without states."""
    reader.require("time")
    if event is not RuntimeEvent.TRANSITION:
        return
    reader.require("from", "to")
    is_named_badly = any(
        fault.path == "$.extension" for fault in reader.findings.faults
    )
    if extension is None and not is_named_badly:
        reader.findings.add_fault(
            "$.extension", "missing", "Expected the extension that moved."
        )


def _read_time(reader: ObjectReader, findings: Findings) -> datetime | None:
    """Return a line's moment; a fault for any but epoch milliseconds and RFC 3339."""
    value = reader.members.get("time")
    if isinstance(value, str):
        moment = _parse_moment(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        moment = _from_epoch_ms(value)
    else:
        moment = None
    if moment is None and "time" in reader.members:
        findings.add_fault(
            "$.time",
            "invalid_time",
            "Expected milliseconds since the epoch, or RFC 3339 with a zone.",
        )
    return moment


def _parse_moment(text: str) -> datetime | None:
    """Return a moment in UTC; None without a zone."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _from_epoch_ms(milliseconds: int) -> datetime | None:
    """Return a moment from milliseconds since the epoch; None beyond the year 9999."""
    try:
        return from_ms(milliseconds)
    except OverflowError:
        return None


def _text_or_blank(reader: ObjectReader, name: str) -> str:
    """Return a text; null and absence are both blank."""
    if reader.members.get(name) is None:
        return ""
    return (reader.read_text(name) or "").strip()


def _flag_or_false(reader: ObjectReader, name: str) -> bool:
    """Return a flag; False where it is missing."""
    if reader.members.get(name) is None:
        return False
    return reader.read_flag(name) or False
