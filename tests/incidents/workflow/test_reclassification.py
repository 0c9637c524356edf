"""What is kept, added and closed when a case is reclassified."""

from __future__ import annotations

from itertools import permutations

import pytest

from incidents.workflow.incident_states import ItemState
from incidents.workflow.reclassification import PlannedItem, plan_reclassification
from tests.incidents.workflow.test_playbooks import CODES, SHARED_KEYS, load

ANSWERS = [state for state in ItemState if state.is_answered]


def planned(code: str, **states: ItemState) -> list[PlannedItem]:
    return [
        PlannedItem(item, states.get(item.key.replace("-", "_"), ItemState.OPEN))
        for item in load(code).checklist
    ]


def keys(items: tuple[PlannedItem, ...]) -> set[str]:
    return {planned.item.key for planned in items}


def own_keys(code: str) -> set[str]:
    return {item.key for item in load(code).checklist} - set(SHARED_KEYS)


def test_open_items_of_the_old_class_close_and_the_new_ones_come() -> None:
    plan = plan_reclassification(planned("INC-2"), load("INC-5"))
    assert keys(plan.keep) == set(SHARED_KEYS)
    assert keys(plan.close) == own_keys("INC-2")
    assert {item.key for item in plan.add} == own_keys("INC-5")
    assert plan.carried == ()


@pytest.mark.parametrize("state", ANSWERS)
def test_answers_of_the_old_class_stay(state: ItemState) -> None:
    old = planned("INC-2", identify_exposure=state)
    plan = plan_reclassification(old, load("INC-5"))
    assert [p.item.key for p in plan.carried] == ["identify-exposure"]
    assert plan.carried[0].state is state
    assert plan.carried[0] in plan.keep


def test_answered_item_of_the_same_key_stays_and_the_new_one_comes() -> None:
    old = planned("INC-2", remediation=ItemState.DONE)
    plan = plan_reclassification(old, load("INC-5"))
    assert [p.item.key for p in plan.carried] == ["remediation"]
    new = [item for item in load("INC-5").checklist if item.key == "remediation"]
    assert [item for item in plan.add if item.key == "remediation"] == new


def test_shared_answers_are_not_asked_again() -> None:
    old = planned("INC-2", kill_extension=ItemState.DONE)
    plan = plan_reclassification(old, load("INC-5"))
    assert "kill-extension" in keys(plan.keep)
    assert "kill-extension" not in {item.key for item in plan.add}


def test_same_class_changes_nothing() -> None:
    plan = plan_reclassification(planned("INC-1"), load("INC-1"))
    assert (plan.add, plan.close, plan.carried) == ((), (), ())
    assert len(plan.keep) == len(load("INC-1").checklist)


@pytest.mark.parametrize(("before", "after"), list(permutations(CODES, 2)))
@pytest.mark.parametrize("state", list(ItemState))
def test_nothing_answered_is_ever_closed_and_nothing_new_is_missing(
    before: str, after: str, state: ItemState
) -> None:
    old = [PlannedItem(item, state) for item in load(before).checklist]
    plan = plan_reclassification(old, load(after))
    assert len(plan.keep) + len(plan.close) == len(old)
    assert all(p.state is ItemState.OPEN for p in plan.close)
    present = {p.item for p in plan.keep} | set(plan.add)
    assert set(load(after).checklist) <= present
