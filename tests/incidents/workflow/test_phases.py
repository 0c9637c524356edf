"""The order of the phases, and that none can be skipped."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.workflow.phases import (
    PHASE_ORDER,
    Phase,
    PhaseOrderError,
    current_phase,
    next_phase,
    require_in_order,
)


def test_order_is_the_runbooks() -> None:
    assert [phase.label for phase in PHASE_ORDER] == [
        "DETECT",
        "CONTAIN",
        "COLLECT",
        "VERIFY",
        "ANALYZE",
        "REMEDIATE",
        "POSTMORTEM",
    ]


def test_next_walks_the_order() -> None:
    for before, after in pairwise(PHASE_ORDER):
        assert next_phase(before) is after
    assert next_phase(Phase.POSTMORTEM) is None


@pytest.mark.parametrize("done", range(len(PHASE_ORDER) + 1))
@pytest.mark.parametrize("phase", PHASE_ORDER)
def test_only_the_current_phase_can_be_completed(phase: Phase, done: int) -> None:
    completed = PHASE_ORDER[:done]
    if done < len(PHASE_ORDER) and phase is PHASE_ORDER[done]:
        assert current_phase(completed) is phase
        require_in_order(phase, completed=completed)
        return
    with pytest.raises(PhaseOrderError) as caught:
        require_in_order(phase, completed=completed)
    expected = "already complete" if phase in completed else "complete .* first"
    assert caught.match(expected)


def test_refusal_names_what_comes_first() -> None:
    with pytest.raises(
        PhaseOrderError,
        match=r"VERIFY cannot be completed before CONTAIN: complete CONTAIN first",
    ) as caught:
        require_in_order(Phase.VERIFY, completed={Phase.DETECT})
    assert caught.value.missing is Phase.CONTAIN


@given(st.lists(st.sampled_from(PHASE_ORDER), max_size=30))
def test_no_sequence_of_attempts_completes_out_of_order(attempts: list[Phase]) -> None:
    completed: list[Phase] = []
    for phase in attempts:
        try:
            require_in_order(phase, completed=completed)
        except PhaseOrderError:
            continue
        completed.append(phase)
    assert tuple(completed) == PHASE_ORDER[: len(completed)]
