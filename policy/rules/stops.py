"""When an extension's calls had to be blocked, by the runtime's own record.

Two things stop an extension: quarantine, which ends with a valid promotion, and an
active kill switch, which ends with a lift that has its audit metadata. A move or a lift
that the rules refuse ends nothing, whatever the record claims afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from policy.rules.runtime_history import RuntimeEvent, RuntimeRecord, RuntimeState
from policy.rules.trust_replay import ExtensionTrustTracker, TrustFindingCode


class StopKind(StrEnum):
    """What stopped an extension."""

    QUARANTINE = "quarantine"
    KILL_SWITCH = "kill switch"


@dataclass(frozen=True)
class Stop:
    """A time in which no call may be executed; `extension` None: of all.

    The first moment and the last belong to the moves themselves: what happened just
    then is not held against anybody. `ended_at` None: it still holds. `line` is that
    of the record that began it.
    """

    kind: StopKind
    extension: str | None
    started_at: datetime
    ended_at: datetime | None
    line: int

    def covers(self, extension: str, moment: datetime) -> bool:
        """Return whether a call of the extension had to be blocked at the moment."""
        return (
            self.extension in (None, extension)
            and moment > self.started_at
            and (self.ended_at is None or moment < self.ended_at)
        )


def find_stops(records: Iterable[RuntimeRecord]) -> list[Stop]:
    """Return the stops that a record tells of, in the order in which they began."""
    tracker = ExtensionTrustTracker()
    running: dict[tuple[StopKind, str | None], RuntimeRecord] = {}
    found: list[Stop] = []
    for record in sorted(records, key=lambda stop: stop.at):
        refused = any(
            finding.is_refused
            and finding.code is not TrustFindingCode.LIFT_WITHOUT_ACTIVATION
            for finding in tracker.observe(record)
        )
        for kind in _begun(record):
            running.setdefault((kind, record.extension), record)
        for kind in () if refused else _ended(record):
            began = running.pop((kind, record.extension), None)
            if began is not None:
                found.append(_stop(kind, began, record.at))
    found += [_stop(kind, began, None) for (kind, _), began in running.items()]
    return sorted(found, key=lambda stop: (stop.started_at, stop.line))


def _begun(record: RuntimeRecord) -> Iterable[StopKind]:
    """Yield the kinds of stop that a record begins."""
    if record.event is RuntimeEvent.KILL_SWITCH_ACTIVATED:
        yield StopKind.KILL_SWITCH
    if record.to_state is RuntimeState.QUARANTINED:
        yield StopKind.QUARANTINE


def _ended(record: RuntimeRecord) -> Iterable[StopKind]:
    """Yield the kinds of stop that a record ends."""
    if record.event is RuntimeEvent.KILL_SWITCH_LIFTED:
        yield StopKind.KILL_SWITCH
    if record.to_state in (RuntimeState.PROBATION, RuntimeState.TRUSTED):
        yield StopKind.QUARANTINE


def _stop(kind: StopKind, began: RuntimeRecord, ended_at: datetime | None) -> Stop:
    """Return a stop; it goes on where `ended_at` is None."""
    return Stop(kind, began.extension, began.at, ended_at, began.line)
