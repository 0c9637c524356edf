"""What pages say about clocks, phases and severities: words and states, no HTML."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from incidents.models import Incident, IncidentPhase
from incidents.workflow.clocks import (
    ClockState,
    clock_state,
    describe_duration,
    time_left,
    tone_moments,
)

SOURCE_NAMES = {
    "risk_controller": "Risk controller",
    "ci_gate": "CI gate",
    "manual": "Opened by hand",
    "self_check": "Casefile's own checks",
}


@dataclass(frozen=True)
class PhaseView:
    """A phase as the phase bar shows it."""

    phase: IncidentPhase
    state: ClockState
    is_running: bool
    is_complete: bool
    words: str
    waiver_count: int
    """Waivers in force."""
    is_counting: bool
    """The clock runs: the page keeps counting it."""
    is_on_order: bool = False
    """It was completed on an order to kill that nobody has confirmed."""

    @property
    def key(self) -> str:
        return self.phase.phase

    @property
    def label(self) -> str:
        return self.phase.name.label

    @property
    def light(self) -> str:
        """The state that its tone stands for."""
        return "ready on order" if self.is_on_order else self.state

    @property
    def is_late(self) -> bool:
        return self.state in (ClockState.OVERDUE, ClockState.BREACHED)

    @property
    def standing(self) -> str:
        """Where it is in the row of phases: complete, running or waiting."""
        if self.is_complete:
            return "complete"
        return "running" if self.is_running else "waiting"

    @property
    def tone_moments(self) -> tuple[dt.datetime, dt.datetime] | None:
        """When the clock is to be watched and when it warns; None: nothing is due."""
        if self.phase.due_at is None or self.phase.counted_from is None:
            return None
        return tone_moments(self.phase.counted_from, self.phase.due_at)


def view_phase(phase: IncidentPhase, now: dt.datetime, *, is_live: bool) -> PhaseView:
    """Return a phase with its clock in words.

    `is_live` false: the cycle has ended, and a phase that never completed was left; its
    clock stands where it stood then.
    """
    clock = phase.as_clock()
    state = clock_state(clock, now)
    running = is_live and phase.started_at is not None and phase.completed_at is None
    return PhaseView(
        phase=phase,
        state=state,
        is_running=running,
        is_complete=phase.completed_at is not None,
        words=_words(phase, state, now, is_live=is_live),
        waiver_count=sum(waiver.is_in_force for waiver in phase.waivers.all()),
        is_counting=is_live and phase.completed_at is None and phase.due_at is not None,
    )


def running_clock(incident: Incident, now: dt.datetime) -> PhaseView | None:
    """Return the phase that runs; None where the case is closed or all are complete."""
    phase = incident.current_cycle.running_phase if incident.is_open else None
    return view_phase(phase, now, is_live=True) if phase else None


def _words(
    phase: IncidentPhase, state: ClockState, now: dt.datetime, *, is_live: bool
) -> str:
    if phase.completed_at is not None:
        took = describe_duration(phase.duration) if phase.duration is not None else ""
        late = " late" if state is ClockState.BREACHED else ""
        return f"done in {took}{late}" if took and phase.position else "done"
    left = time_left(phase.as_clock(), now)
    if not is_live:
        return _left_words(phase, left)
    if left is None:
        return "no due time yet" if phase.started_at else "not started"
    if left <= dt.timedelta(0):
        return f"{describe_duration(left)} overdue"
    return f"{describe_duration(left)} left"


def _left_words(phase: IncidentPhase, left: dt.timedelta | None) -> str:
    """Return how a phase stood when its cycle ended without it."""
    words = "left open" if phase.started_at else "not reached"
    if left is not None and left <= dt.timedelta(0):
        return f"{words}, {describe_duration(left)} overdue"
    return words
