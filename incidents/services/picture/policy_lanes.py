"""Lanes of trust and kill switches: our own record, and the runtime's where imported.

What was ordered and what took effect are told apart: an order alone stops nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from evidence.errors import CasefileError
from evidence.services.downloads import load_bytes
from evidence.stored_moments import to_ms
from incidents.models import Incident
from incidents.picture.model import Band, Gap, Lane, Mark, Target, Window
from incidents.services.policy_records import kill_switches_of
from policy.models import (
    Extension,
    KillSwitch,
    RuntimeHistoryImport,
    TrustTransition,
)
from policy.rules.runtime_history import parse_runtime_history
from policy.rules.stops import Stop, StopKind, find_stops
from policy.rules.trust import TrustState

EXTENSIONS_MAX = 5
"""Lanes that a screen holds; the others are named in a note."""
BANDS_MAX = 200
HISTORY_RECORDS_MAX = 10_000
"""Longer ones take too long for a page; the import's own page lists them."""
HISTORIES_MAX = 3


def policy_lanes(incident: Incident, window: Window) -> tuple[list[Lane], list[str]]:
    """Return the lanes of the case's extensions, and notes; four queries and files."""
    extensions = list(incident.extensions.order_by("extension_id"))
    notes = []
    if len(extensions) > EXTENSIONS_MAX:
        left = ", ".join(one.shown_id for one in extensions[EXTENSIONS_MAX:][:10])
        notes.append(f"Trust is drawn for {EXTENSIONS_MAX} extensions, not for {left}.")
        extensions = extensions[:EXTENSIONS_MAX]
    moves = list(
        TrustTransition.objects.filter(extension__in=extensions)
        .select_related("kill_switch__confirmation")
        .order_by("id")
    )
    switches = [*reversed(kill_switches_of(incident))]
    lanes = [
        *(_trust_lane(one, moves, window) for one in extensions),
        _kill_lane(switches),
    ]
    rows = RuntimeHistoryImport.objects.filter(incident=incident)
    histories = list(rows.select_related("item").order_by("-pk")[: HISTORIES_MAX + 1])
    if len(histories) > HISTORIES_MAX:
        notes.append(f"Only the newest {HISTORIES_MAX} imported records are drawn.")
    for row in histories[:HISTORIES_MAX]:
        lane, note = _history_lane(row)
        lanes += [lane] if lane else []
        notes += [note] if note else []
    return lanes, notes


def _trust_lane(
    extension: Extension, moves: Sequence[TrustTransition], window: Window
) -> Lane:
    every = [move for move in moves if move.extension_id == extension.pk]
    own = every[-BANDS_MAX:]
    seen = to_ms(extension.first_seen_at)
    starts = [to_ms(move.moved_at) for move in own]
    first = starts[0] if starts else None
    known = min(seen, first) if first is not None else seen
    why = "No record: Casefile did not know it yet"
    if first is not None and len(every) > len(own):
        # What came before is not one state, and is drawn as none.
        known, why = first, f"Older moves: the newest {BANDS_MAX} are drawn"
    bands = []
    if first is None or known < first:
        state = own[0].from_state if own else extension.trust_state
        bands.append(Band(known, first, state, "", state, target=_page(extension)))
    ends = [*starts[1:], None]
    for move, start, end in zip(own, starts, ends, strict=False):
        bands += _state_bands(move, start, end)
    gaps = (Gap(window.from_ms, known, why),) if known > window.from_ms else ()
    title = f"Trust: {extension.shown_id}"
    return Lane(f"trust-{extension.pk}", title, bands=tuple(bands), gaps=gaps)


def _state_bands(move: TrustTransition, start: int, end: int | None) -> Iterator[Band]:
    """Yield a state from its move on; of a kill's quarantine first what was ordered."""
    target = Target("extension", move.extension_id)
    effective: int | None = start
    if move.to_state == TrustState.QUARANTINED and move.kill_switch is not None:
        confirmation = getattr(move.kill_switch, "confirmation", None)
        effective = None if confirmation is None else to_ms(confirmation.effective_at)
    if effective is None or effective > start:
        until = end if effective is None else _earlier(effective, end)
        words = f"{move.to_state} by an order, not known to be in effect"
        yield Band(start, until, "ordered", "", words, is_ordered=True, target=target)
    if effective is not None and (end is None or effective < end):
        begun = max(start, effective)
        yield Band(begun, end, move.to_state, "", move.to_state, target=target)


def _kill_lane(switches: Sequence[KillSwitch]) -> Lane:
    bands, marks = [], []
    for switch in switches[-BANDS_MAX:]:
        about = switch.extension.shown_id if switch.extension else "all extensions"
        target = Target("kill switch", switch.pk)
        lift = getattr(switch, "lift", None)
        confirmation = getattr(switch, "confirmation", None)
        ordered = to_ms(switch.ordered_at)
        lifted = to_ms(lift.lifted_at) if lift is not None else None
        effective = (
            to_ms(confirmation.effective_at) if confirmation is not None else None
        )
        if effective is None or effective > ordered:
            until = lifted if effective is None else _earlier(effective, lifted)
            words = f"{about}: kill ordered, not known to be in effect"
            bands.append(Band(ordered, until, "ordered", "", words, True, target))
        if effective is not None:
            words = f"{about}: kill switch in effect"
            bands.append(Band(effective, lifted, "confirmed", "", words, target=target))
        if lifted is not None:
            words = f"{about}: kill switch lifted"
            marks.append(Mark(lifted, lifted, "lifted", "kill", words, target=target))
    note = "" if len(switches) <= BANDS_MAX else f"The newest {BANDS_MAX} are drawn."
    return Lane("kills", "Kill switches", tuple(marks), tuple(bands), note=note)


def _history_lane(row: RuntimeHistoryImport) -> tuple[Lane | None, str]:
    """Return what the runtime says itself of quarantine and kill switches."""
    name = row.item.original_name
    if row.record_count > HISTORY_RECORDS_MAX:
        return None, f"{name} has too many records to be drawn here."
    try:
        records = parse_runtime_history(load_bytes(row.item)).records
    except CasefileError as error:
        return None, f"{name} could not be read: {error.message}"
    target = Target("runtime history", row.pk)
    stops = find_stops(records)
    bands = tuple(_stop_band(stop, target) for stop in stops[:BANDS_MAX])
    marks = tuple(
        Mark(at, at, "refused", "move", str(found["message"]), target=target)
        for found in row.findings[:BANDS_MAX]
        if found["is_refused"] and (at := to_ms(_moment(found["at"]))) is not None
    )
    note = "" if len(stops) <= BANDS_MAX else f"{name} has more stops than are drawn."
    title = f"The runtime's record: {name}"
    return Lane(f"history-{row.pk}", title, marks, bands, note=note), ""


def _stop_band(stop: Stop, target: Target) -> Band:
    about = stop.extension or "all extensions"
    is_kill = stop.kind is StopKind.KILL_SWITCH
    state, kind = ("stopped", "kill") if is_kill else ("quarantined", "")
    words = f"{about}: {'kill switch' if is_kill else 'quarantine'} by its own record"
    ended = None if stop.ended_at is None else to_ms(stop.ended_at)
    return Band(to_ms(stop.started_at), ended, state, kind, words, target=target)


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _earlier(first: int, second: int | None) -> int:
    return first if second is None else min(first, second)


def _page(extension: Extension) -> Target:
    return Target("extension", extension.pk)
