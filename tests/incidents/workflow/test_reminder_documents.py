"""A plan of reminders is the same after it was written and read; faults name a path."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidents.workflow.errors import ReminderPlanError
from incidents.workflow.phases import Phase
from incidents.workflow.reminder_documents import read_plan, write_plan
from incidents.workflow.reminders import PhaseReminders, ReminderPlan

DOCUMENT = write_plan(ReminderPlan())
FRACTIONS = st.fractions(
    min_value=Fraction(1, 99), max_value=Fraction(98, 99), max_denominator=999
)
REMINDERS = st.builds(
    PhaseReminders,
    fractions_left=st.lists(FRACTIONS, max_size=10).map(tuple),
    before=st.lists(st.integers(1, 10_000), max_size=10).map(
        lambda some: tuple(timedelta(minutes=minutes) for minutes in some)
    ),
    repeat_every=st.integers(1, 10_000).map(lambda minutes: timedelta(minutes=minutes)),
)


def test_defaults_are_those_of_the_runbook_and_the_postmortem() -> None:
    assert DOCUMENT == {
        "late_after_seconds": 120,
        "default": {
            "fractions_left": ["1/2", "1/5"],
            "minutes_before": [],
            "repeat_minutes": 30,
        },
        "phases": {
            "postmortem": {
                "fractions_left": [],
                "minutes_before": [720, 240, 60],
                "repeat_minutes": 240,
            }
        },
    }
    assert read_plan(DOCUMENT) == ReminderPlan()


@settings(max_examples=40)
@given(REMINDERS, st.dictionaries(st.sampled_from(list(Phase)), REMINDERS))
def test_plan_is_the_same_after_writing_and_reading(
    default: PhaseReminders, by_phase: dict[Phase, PhaseReminders]
) -> None:
    plan = replace(ReminderPlan(), default=default, by_phase=by_phase)
    assert read_plan(write_plan(plan)) == plan


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"default": None}, "default: expected an object"),
        ({"phases": []}, "phases: expected an object"),
        ({"phases": {"lunch": {}}}, "'lunch' is not a phase"),
        ({"late_after_seconds": 0}, "late_after_seconds: expected a whole number"),
        ({"late_after_seconds": 9_999_999}, "late_after_seconds"),
        ({"more": 1}, "expected an object of default, late_after_seconds, phases"),
    ],
)
def test_fault_is_refused_with_its_place(change: dict[str, Any], path: str) -> None:
    with pytest.raises(ReminderPlanError, match=path):
        read_plan({**DOCUMENT, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fractions_left": ["1/0"]}, "such as 1/2, got '1/0'"),
        ({"fractions_left": ["3/2"]}, "default: A fraction left must lie between"),
        ({"fractions_left": "1/2"}, "expected a list"),
        ({"fractions_left": ["1/2"] * 11}, "at most 10"),
        ({"fractions_left": [None]}, "such as 1/2"),
        ({"minutes_before": [True]}, "default.minutes_before"),
        ({"minutes_before": [-5]}, "default.minutes_before"),
        ({"minutes_before": ["5"]}, "default.minutes_before"),
        ({"repeat_minutes": None}, "default.repeat_minutes"),
        ({"repeat_minutes": 10**9}, "from 1 to 43200"),
    ],
)
def test_fault_of_a_phase_is_refused_with_its_place(
    change: dict[str, Any], message: str
) -> None:
    default = {**DOCUMENT["default"], **change}
    with pytest.raises(ReminderPlanError, match=message):
        read_plan({**DOCUMENT, "default": default})


@pytest.mark.parametrize("document", [None, [], "plan", 3, {}])
def test_what_is_no_plan_is_refused(document: Any) -> None:
    with pytest.raises(ReminderPlanError):
        read_plan(document)
