"""A plan of reminders as a JSON document, as an administrator edits and stores it.

    {"late_after_seconds": 120,
     "default": {"fractions_left": ["1/2", "1/5"], "minutes_before": [],
                 "repeat_minutes": 30},
     "phases": {"postmortem": {...}}}

Reading checks everything and names the path of what is wrong. Quiet hours are no part
of it: they are each person's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from incidents.workflow.errors import ReminderPlanError
from incidents.workflow.phases import Phase
from incidents.workflow.reminders import PhaseReminders, ReminderPlan

MOST_WARNINGS = 10
"""More warnings than this for one phase are a mistake, not a plan."""
LONGEST_MINUTES = 60 * 24 * 30
LONGEST_LATE_SECONDS = 3600
FRACTION = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")
MEMBERS = frozenset({"fractions_left", "minutes_before", "repeat_minutes"})


def read_plan(document: Any) -> ReminderPlan:
    """Return the plan of a document; raise ReminderPlanError naming the path."""
    members = _mapping(document, "", {"late_after_seconds", "default", "phases"})
    phases = members["phases"]
    if not isinstance(phases, Mapping):
        raise ReminderPlanError("phases: expected an object")
    return ReminderPlan(
        default=_read_phase(members["default"], "default"),
        by_phase=MappingProxyType(
            {
                _read_name(name): _read_phase(plan, f"phases.{name}")
                for name, plan in phases.items()
            }
        ),
        late_after=timedelta(
            seconds=_whole(
                members["late_after_seconds"],
                "late_after_seconds",
                most=LONGEST_LATE_SECONDS,
            )
        ),
    )


def write_plan(plan: ReminderPlan) -> dict[str, Any]:
    """Return a plan as its document."""
    return {
        "late_after_seconds": int(plan.late_after.total_seconds()),
        "default": _write_phase(plan.default),
        "phases": {
            phase.value: _write_phase(plan.by_phase[phase])
            for phase in sorted(plan.by_phase, key=lambda phase: phase.position)
        },
    }


def _write_phase(reminders: PhaseReminders) -> dict[str, Any]:
    """Return the reminders of a phase as JSON."""
    return {
        "fractions_left": [
            f"{fraction.numerator}/{fraction.denominator}"
            for fraction in reminders.fractions_left
        ],
        "minutes_before": [_minutes(delta) for delta in reminders.before],
        "repeat_minutes": _minutes(reminders.repeat_every),
    }


def _minutes(length: timedelta) -> int:
    """Return a length in whole minutes."""
    return int(length.total_seconds()) // 60


def _read_phase(document: Any, path: str) -> PhaseReminders:
    """Return the reminders of a phase. Raise ReminderPlanError with the path."""
    members = _mapping(document, path, MEMBERS)
    fractions = _items(members["fractions_left"], f"{path}.fractions_left")
    before = _items(members["minutes_before"], f"{path}.minutes_before")
    try:
        return PhaseReminders(
            fractions_left=tuple(
                _read_fraction(fraction, f"{path}.fractions_left")
                for fraction in fractions
            ),
            before=tuple(
                timedelta(minutes=_whole(minutes, f"{path}.minutes_before"))
                for minutes in before
            ),
            repeat_every=timedelta(
                minutes=_whole(members["repeat_minutes"], f"{path}.repeat_minutes")
            ),
        )
    except ReminderPlanError as error:
        raise ReminderPlanError(
            str(error) if str(error).startswith(path) else f"{path}: {error}"
        ) from error


def _read_name(name: Any) -> Phase:
    """Return the phase of a name."""
    if name not in {phase.value for phase in Phase}:
        raise ReminderPlanError(f"phases: {str(name)[:40]!r} is not a phase.")
    return Phase(name)


def _read_fraction(value: Any, path: str) -> Fraction:
    """Return a fraction such as 1/2."""
    match = FRACTION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not int(match[2]):
        raise ReminderPlanError(
            f"{path}: expected a fraction such as 1/2, got {str(value)[:40]!r}"
        )
    return Fraction(int(match[1]), int(match[2]))


def _whole(value: Any, path: str, *, most: int = LONGEST_MINUTES) -> int:
    """Return a whole number from 1 to `most`."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ReminderPlanError(
            f"{path}: expected a whole number from 1 to {most}, got {str(value)[:40]!r}"
        )
    return value


def _items(value: Any, path: str) -> list[Any]:
    """Return a list of at most MOST_WARNINGS."""
    if not isinstance(value, list) or len(value) > MOST_WARNINGS:
        raise ReminderPlanError(f"{path}: expected a list of at most {MOST_WARNINGS}")
    return value


def _mapping(value: Any, path: str, names: set[str] | frozenset[str]) -> dict[str, Any]:
    """Return an object that has just these members."""
    if not isinstance(value, Mapping) or set(value) != set(names):
        where = f"{path}: " if path else ""
        raise ReminderPlanError(
            f"{where}expected an object of {', '.join(sorted(names))}"
        )
    return dict(value)
