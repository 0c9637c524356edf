"""Which case an alert goes to, as values."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from incidents.workflow.alert_grouping import (
    Action,
    GroupPlan,
    GroupState,
    KeptAlert,
    count_around,
    plan_group,
)
from incidents.workflow.alert_rules import (
    Alert,
    AlertRule,
    AlertSeverity,
    OpenCase,
    parse_alert,
)
from incidents.workflow.incident_states import Severity
from tests.incidents.alerts.samples import EXTENSION, alert_document

HOUR_MS = 3_600_000
ONE = AlertRule("one", "secret_exposure", AlertSeverity.CRITICAL, Severity.HIGH)
THREE = AlertRule(
    "three",
    "secret_exposure",
    AlertSeverity.WARNING,
    Severity.MEDIUM,
    count=3,
    window_seconds=60,
)


def alert(seconds: float, severity: str = "warning") -> Alert:
    document = alert_document(
        f"at-{seconds}", ts_ms=HOUR_MS + int(seconds * 1000), severity=severity
    )
    return parse_alert(document)


def state(*rules: AlertRule, **changes: Any) -> GroupState:
    values: dict[str, Any] = {
        "rules": rules,
        "open_cases": (),
        "kept": (),
        "join_window_seconds": 600,
        "can_open": True,
    }
    return GroupState(**{**values, **changes})


def open_case(first: float, last: float) -> OpenCase:
    return OpenCase(
        id=7,
        alert_category="secret_exposure",
        extension_ids=frozenset({EXTENSION}),
        first_ts_ms=HOUR_MS + int(first * 1000),
        last_ts_ms=HOUR_MS + int(last * 1000),
    )


def actions(plan: GroupPlan) -> list[str]:
    return [str(placement.action) for placement in plan.placements]


def test_alert_that_no_rule_takes_up_is_kept() -> None:
    assert actions(plan_group([alert(0)], state(ONE))) == ["kept"]


def test_one_alert_opens_the_case_and_the_next_joins_it() -> None:
    plan = plan_group([alert(0, "critical"), alert(1)], state(ONE))
    assert actions(plan) == ["opened", "joined"]
    assert [placement.case_id for placement in plan.placements] == [-1, -1]
    assert plan.new_cases[0].rule is ONE


def test_third_alert_within_the_window_opens_and_takes_the_others_along() -> None:
    plan = plan_group([alert(0), alert(30), alert(60)], state(THREE))
    assert actions(plan) == ["joined", "joined", "opened"]


def test_three_alerts_a_millisecond_too_far_apart_are_kept() -> None:
    plan = plan_group([alert(0), alert(30), alert(60.001)], state(THREE))
    assert actions(plan) == ["kept", "kept", "kept"]


def test_alerts_kept_earlier_count() -> None:
    kept = tuple(KeptAlert(HOUR_MS + s * 1000, AlertSeverity.WARNING) for s in (0, 5))
    assert actions(plan_group([alert(10)], state(THREE, kept=kept))) == ["opened"]


def test_milder_alerts_do_not_count() -> None:
    kept = tuple(KeptAlert(HOUR_MS + s * 1000, AlertSeverity.INFO) for s in (0, 5))
    assert actions(plan_group([alert(10)], state(THREE, kept=kept))) == ["kept"]


@pytest.mark.parametrize("order", list(itertools.permutations((0, 30, 60))))
def test_order_of_arrival_does_not_matter(order: tuple[int, ...]) -> None:
    kept: tuple[KeptAlert, ...] = ()
    for seconds in order[:-1]:
        assert actions(plan_group([alert(seconds)], state(THREE, kept=kept))) == [
            "kept"
        ]
        moment = HOUR_MS + seconds * 1000
        kept = (*kept, KeptAlert(moment, AlertSeverity.WARNING))
    plan = plan_group([alert(order[-1])], state(THREE, kept=kept))
    assert actions(plan) == ["opened"]


def test_open_case_is_joined_up_to_the_window_before_and_after() -> None:
    case = open_case(0, 100)
    for seconds, expected in (
        (-600, "joined"),
        (-600.001, "kept"),
        (700, "joined"),
        (700.001, "kept"),
    ):
        plan = plan_group([alert(seconds)], state(ONE, open_cases=(case,)))
        assert actions(plan) == [expected], seconds


def test_alerts_that_join_carry_the_window_on() -> None:
    alerts = [alert(600 * step) for step in range(1, 6)]
    plan = plan_group(alerts, state(ONE, open_cases=(open_case(0, 0),)))
    assert actions(plan) == ["joined"] * 5


def test_alert_beyond_the_window_opens_another_case() -> None:
    alerts = [alert(0, "critical"), alert(601, "critical")]
    plan = plan_group(alerts, state(ONE))
    assert actions(plan) == ["opened", "opened"]
    assert [placement.case_id for placement in plan.placements] == [-1, -2]


def test_without_a_playbook_nothing_opens() -> None:
    plan = plan_group([alert(0, "critical")], state(ONE, can_open=False))
    assert actions(plan) == ["kept"]


def test_worst_rule_of_those_that_join_sets_the_severity() -> None:
    milder = AlertRule("mild", "secret_exposure", AlertSeverity.INFO, Severity.LOW)
    alerts = [alert(0, "info"), alert(1, "critical"), alert(2, "info")]
    plan = plan_group(alerts, state(ONE, milder))
    assert plan.severities == {-1: Severity.HIGH}


def test_alerts_that_opened_a_case_do_not_count_for_another() -> None:
    alerts = [alert(s) for s in (0, 30, 60)] + [alert(60 + 601)]
    plan = plan_group(alerts, state(THREE))
    assert actions(plan) == ["joined", "joined", "opened", "kept"]


def test_counting_agrees_with_trying_every_span() -> None:
    numbers = random.Random(7)
    for _ in range(300):
        times = sorted(numbers.randrange(50) for _ in range(numbers.randrange(12)))
        moment, window = numbers.randrange(50), numbers.randrange(1, 20)
        spans = range(moment - window, moment + 1)
        expected = 1 + max(
            sum(start <= moment <= start + window for moment in times)
            for start in spans
        )
        assert count_around(times, moment, window) == expected


def test_thousand_alerts_that_are_too_far_apart_are_kept() -> None:
    alerts = [alert(i * 100) for i in range(1000)]
    plan = plan_group(alerts, state(THREE))
    assert {placement.action for placement in plan.placements} == {Action.KEPT}
