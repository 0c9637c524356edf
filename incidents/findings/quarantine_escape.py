"""INC-5: what did an extension do that had to stand still, and how did it get out?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evidence.stored_moments import from_ms, to_ms
from incidents.findings.case import HistoryInput, Reading
from incidents.findings.finding import (
    Answer,
    Pointer,
    Question,
    conclude,
    counted,
    listed,
)
from incidents.findings.moments import moment_text
from incidents.findings.records import LEDGER, Record, call_text, distinct
from policy.rules.runtime_history import RuntimeState
from policy.rules.stops import Stop
from policy.rules.trust_replay import TrustFinding, TrustFindingCode

CODE = "INC-5"
EXECUTED_WHILE_STOPPED = Question(
    CODE,
    "executed-while-stopped",
    "verify-trust-gate",
    "Was a call executed in quarantine, or under an active kill switch?",
)
UNEARNED_MOVES = Question(
    CODE,
    "moves-without-promotion",
    "check-trust-transitions",
    "Did an extension gain trust without a valid promotion?",
)
LIFTS = Question(
    CODE,
    "kill-switch-lifts",
    "check-kill-switch",
    "Was a kill switch lifted too early, or without its audit metadata?",
)
QUESTIONS = (EXECUTED_WHILE_STOPPED, UNEARNED_MOVES, LIFTS)
# The reason code that the runtime gives a call of an extension in quarantine.
QUARANTINE_TRIGGER = "quarantined_extension"
_MOVES = frozenset(
    {
        TrustFindingCode.QUARANTINE_ESCAPE,
        TrustFindingCode.MOVE_DOES_NOT_EXIST,
        TrustFindingCode.PROMOTION_UNDER_KILL_SWITCH,
        TrustFindingCode.PROMOTION_WITHOUT_AUDIT_METADATA,
    }
)
_LIFTS = frozenset(
    {TrustFindingCode.LIFT_WITHOUT_AUDIT_METADATA, TrustFindingCode.LIFT_TOO_EARLY}
)
_RANKS = {
    RuntimeState.QUARANTINED: 0,
    RuntimeState.UNKNOWN: 1,
    RuntimeState.PROBATION: 2,
    RuntimeState.TRUSTED: 3,
    RuntimeState.ACTIVE: 3,
}


def answer(reading: Reading) -> Iterator[Answer]:
    """Yield the answers to INC-5's questions."""
    yield _executed_while_stopped(reading)
    yield _refused_moves(reading)
    yield _refused_lifts(reading)


def _digests(reading: Reading) -> tuple[tuple[str, str], ...]:
    """Return item and SHA-256 of each history that was read."""
    return tuple((history.item, history.sha256) for history in reading.case.histories)


def _history_gaps(reading: Reading) -> list[str]:
    """Say why the histories cannot answer; empty where they can."""
    histories = reading.case.histories
    if not histories:
        return ["no history of trust and kill switches is at hand"]
    gaps = [fault for history in histories for fault in history.faults]
    if not any(history.line_count for history in histories):
        gaps.append("the history of trust and kill switches is empty")
    return gaps


@dataclass(frozen=True)
class _Escape:
    """A call that was executed while it had to be blocked, and by what."""

    entry: Record
    stop: Stop | None
    history: HistoryInput | None


def _executed_while_stopped(reading: Reading) -> Answer:
    """Find calls that ran in quarantine or under a kill switch."""
    library = reading.library
    executed = [
        entry
        for entry in library.trusted(LEDGER)
        if entry.text("outcome") == "executed"
    ]
    escapes = [escape for e in executed if (escape := _escape(reading, e)) is not None]
    stops = [stop for history in reading.case.histories for stop in history.stops]
    pointers = [escape.entry.pointer for escape in escapes]
    return conclude(
        EXECUTED_WHILE_STOPPED,
        found=_escapes_text(escapes) if escapes else "",
        pointers=pointers,
        clear=f"{counted(len(executed), 'executed call')} read: none was executed "
        f"within {counted(len(stops), 'time')} of quarantine or kill switch.",
        gaps=[*library.gaps(LEDGER), *_history_gaps(reading)],
        inputs=library.inputs(*_digests(reading)),
    )


def _escape(reading: Reading, entry: Record) -> _Escape | None:
    """Return the stop that a call ran under; None where it was free to run."""
    ts_ms = entry.moment()
    for history in reading.case.histories if ts_ms is not None else ():
        for stop in history.stops:
            if _covers(stop, entry.extension, ts_ms):
                return _Escape(entry, stop, history)
    if QUARANTINE_TRIGGER in entry.texts("triggers"):
        return _Escape(entry, None, None)
    return None


def _covers(stop: Stop, extension: str, ts_ms: int | None) -> bool:
    """Return whether a stop holds for this extension at this moment."""
    try:
        return ts_ms is not None and stop.covers(extension, from_ms(ts_ms))
    except OverflowError:
        return False


def _escapes_text(escapes: list[_Escape]) -> str:
    """Return by extension how many calls, why they had to be blocked, and the first."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for escape in escapes:
        groups.setdefault((escape.entry.extension, _why(escape)), []).append(
            escape.entry
        )
    texts = []
    for (extension, why), entries in groups.items():
        entries.sort(key=lambda entry: entry.moment() or 0)
        first = entries[0]
        calls = counted(len(distinct(entries)), "call")
        texts.append(
            f"{extension} executed {calls} {why}; the first, {call_text(first)}, at "
            f"{moment_text(first.moment())}"
        )
    return f"{listed(texts)}."


def _why(escape: _Escape) -> str:
    """Say under which stop a call ran."""
    stop = escape.stop
    if stop is None:
        return f"that the runtime itself marked {QUARANTINE_TRIGGER}"
    began = moment_text(to_ms(stop.started_at))
    kind = "in quarantine" if stop.kind == "quarantine" else "under a kill switch"
    scope = " for all extensions" if stop.extension is None else ""
    return f"{kind}{scope} since {began}"


def _refused_moves(reading: Reading) -> Answer:
    """Find gains of trust that the rules do not allow."""
    moves = [
        (history, move)
        for history in reading.case.histories
        for move in history.moves
        if move.code in _MOVES and _gains_trust(move)
    ]
    return conclude(
        UNEARNED_MOVES,
        found="Moves without a valid promotion: "
        f"{listed(_move_text(move) for _, move in moves)}."
        if moves
        else "",
        pointers=[_line(history, move) for history, move in moves],
        clear="Every extension that gained trust was promoted as the rules want it.",
        gaps=_history_gaps(reading),
        inputs=dict(_digests(reading)),
    )


def _gains_trust(move: TrustFinding) -> bool:
    """Return whether a refused move may have given trust.

    A move whose states are unknown may.
    """
    if move.from_state is None or move.to_state is None:
        return True
    if move.to_state is RuntimeState.QUARANTINED:
        return False
    if move.code is TrustFindingCode.MOVE_DOES_NOT_EXIST:
        return _RANKS[move.to_state] >= _RANKS[move.from_state]
    return True


def _move_text(move: TrustFinding) -> str:
    """Describe which move was made, when and by whom."""
    states = (
        f" from {move.from_state} to {move.to_state}"
        if move.from_state is not None and move.to_state is not None
        else ""
    )
    who = move.operator or "nobody"
    return (
        f"{move.extension or 'all extensions'}{states} at "
        f"{moment_text(to_ms(move.at))} by {who}, without a valid promotion: "
        f"{move.message.rstrip('.')}"
    )


def _refused_lifts(reading: Reading) -> Answer:
    """Find kill switches that were lifted against the rules."""
    lifts = [
        (history, move)
        for history in reading.case.histories
        for move in history.moves
        if move.code in _LIFTS
    ]
    return conclude(
        LIFTS,
        found=f"Kill switches lifted against the rules: "
        f"{listed(_lift_text(move) for _, move in lifts)}."
        if lifts
        else "",
        pointers=[_line(history, move) for history, move in lifts],
        clear="No kill switch was lifted without its audit metadata, or too early as "
        "far as the record tells.",
        gaps=_history_gaps(reading),
        inputs=dict(_digests(reading)),
    )


def _lift_text(move: TrustFinding) -> str:
    """Describe which kill switch was lifted, when, by whom and against what."""
    return (
        f"the kill switch of {move.extension or 'all extensions'} was lifted at "
        f"{moment_text(to_ms(move.at))} by {move.operator or 'nobody'}: "
        f"{move.message.rstrip('.')}"
    )


def _line(history: HistoryInput, move: TrustFinding) -> Pointer:
    """Point at the line of the history that tells of a move."""
    more: tuple[tuple[str, str | int], ...] = (("line", move.line),)
    if move.extension is not None:
        more = (*more, ("extension_id", move.extension))
    return Pointer(history.item, "history", max(move.line - 1, 0), more=more)
