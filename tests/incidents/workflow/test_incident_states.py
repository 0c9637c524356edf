"""Every move of a case and of a checklist item, allowed or not."""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.workflow.errors import MoveError
from incidents.workflow.incident_states import (
    IncidentStatus,
    ItemKind,
    ItemState,
    Severity,
    format_reference,
    raised_severity,
    require_incident_move,
    require_item_move,
)

OPEN = IncidentStatus.OPEN
CLOSED_STATES = [status for status in IncidentStatus if status.is_closed]


def worded(state: StrEnum) -> str:
    """A state as a sentence names it."""
    words = str(state).replace("_", " ")
    return re.sub(r"^closed (?=\w)", "closed as ", words)


class TestIncident:
    @pytest.mark.parametrize(
        ("current", "target"), list(product(IncidentStatus, IncidentStatus))
    )
    def test_a_case_closes_when_open_and_opens_when_closed(
        self, current: IncidentStatus, target: IncidentStatus
    ) -> None:
        if (current is OPEN) != (target is OPEN):
            require_incident_move(current, target, reason="why")
            return
        said = f"{worded(current)} cannot become {worded(target)}"
        with pytest.raises(MoveError, match=said):
            require_incident_move(current, target, reason="why")

    def test_closing_a_case_that_ran_its_course_needs_no_reason(self) -> None:
        require_incident_move(OPEN, IncidentStatus.CLOSED)

    @pytest.mark.parametrize("reason", ["", " \n"])
    @pytest.mark.parametrize(
        ("current", "target"),
        [
            (OPEN, IncidentStatus.CLOSED_DUPLICATE),
            (OPEN, IncidentStatus.CLOSED_FALSE_ALARM),
            *((status, OPEN) for status in CLOSED_STATES),
        ],
    )
    def test_other_moves_need_a_reason(
        self, current: IncidentStatus, target: IncidentStatus, reason: str
    ) -> None:
        with pytest.raises(MoveError, match="A reason is needed"):
            require_incident_move(current, target, reason=reason)


class TestItem:
    @pytest.mark.parametrize(
        ("kind", "current", "target"), list(product(ItemKind, ItemState, ItemState))
    )
    def test_an_answer_is_given_once_and_taken_back_first(
        self, kind: ItemKind, current: ItemState, target: ItemState
    ) -> None:
        inputs = {"reason": "why", "found": "what", "has_artifact": True}
        if (current is ItemState.OPEN) != (target is ItemState.OPEN):
            require_item_move(kind, current, target, **inputs)
            return
        said = f"{worded(current)} cannot become {worded(target)}"
        with pytest.raises(MoveError, match=said):
            require_item_move(kind, current, target, **inputs)

    @pytest.mark.parametrize(
        ("target", "wrong", "message"),
        [
            (ItemState.NOT_APPLICABLE, {"found": "x"}, "why it does not apply"),
            (ItemState.NOT_APPLICABLE, {"reason": "  "}, "why it does not apply"),
            (ItemState.FAILED, {"reason": "x"}, "what was found"),
            (ItemState.FAILED, {"found": "\t"}, "what was found"),
        ],
    )
    @pytest.mark.parametrize("kind", ItemKind)
    def test_answers_bring_what_they_need(
        self, kind: ItemKind, target: ItemState, wrong: dict[str, str], message: str
    ) -> None:
        with pytest.raises(MoveError, match=message):
            require_item_move(kind, ItemState.OPEN, target, **wrong)

    @pytest.mark.parametrize("kind", ItemKind)
    def test_only_an_artifact_is_done_by_its_link(self, kind: ItemKind) -> None:
        if kind is not ItemKind.ARTIFACT:
            require_item_move(kind, ItemState.OPEN, ItemState.DONE)
            return
        with pytest.raises(MoveError, match="linking the artifact that it asks for"):
            require_item_move(kind, ItemState.OPEN, ItemState.DONE)

    def test_only_open_is_unanswered(self) -> None:
        assert [s for s in ItemState if not s.is_answered] == [ItemState.OPEN]


class TestSeverity:
    def test_order_is_worst_first(self) -> None:
        assert sorted(Severity, key=lambda s: -s.rank) == [
            Severity.CRITICAL,
            Severity.HIGH,
            Severity.MEDIUM,
            Severity.LOW,
        ]

    @given(st.sampled_from(Severity), st.lists(st.sampled_from(Severity)))
    def test_no_sequence_of_alerts_lowers_it(
        self, start: Severity, alerts: list[Severity]
    ) -> None:
        severity = start
        for proposed in alerts:
            raised = raised_severity(severity, proposed)
            assert raised.rank >= severity.rank
            severity = raised
        assert severity.rank == max([start.rank, *(a.rank for a in alerts)])


class TestReference:
    @pytest.mark.parametrize(
        ("number", "expected"),
        [
            (1, "SEC-INC-2026-0001"),
            (42, "SEC-INC-2026-0042"),
            (9999, "SEC-INC-2026-9999"),
            (10000, "SEC-INC-2026-10000"),
        ],
    )
    def test_number_has_four_digits_or_more(self, number: int, expected: str) -> None:
        assert format_reference(2026, number) == expected

    @pytest.mark.parametrize(("year", "number"), [(26, 1), (10000, 1), (2026, 0)])
    def test_impossible_numbers_are_refused(self, year: int, number: int) -> None:
        with pytest.raises(MoveError, match="Given: "):
            format_reference(year, number)
