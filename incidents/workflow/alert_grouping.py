"""Which case each alert of a group goes to: pure, over what is already known.

A group is the alerts of one extension and one category. They are taken in the order
in which they happened; the plan names cases that are open by their id, and cases to
be opened by negative numbers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from incidents.workflow.alert_rules import (
    Alert,
    AlertRule,
    AlertSeverity,
    OpenCase,
    covering_rules,
    find_case_to_join,
    match_rule,
)
from incidents.workflow.incident_states import Severity, raised_severity


@dataclass(frozen=True, order=True)
class Group:
    """What alerts of one case have in common."""

    extension_id: str
    category: str


@dataclass(frozen=True)
class KeptAlert:
    """An alert that came earlier and belongs to no case."""

    ts_ms: int
    severity: AlertSeverity


class Action(StrEnum):
    """What becomes of an alert."""

    KEPT = "kept"
    OPENED = "opened"
    JOINED = "joined"


@dataclass(frozen=True)
class Placement:
    """Where an alert goes, and the key of the rule that decided, if one did."""

    action: Action
    case_id: int | None = None
    rule_key: str | None = None


@dataclass(frozen=True)
class NewCase:
    """A case to open. ``opened_by``: the index of the alert that opens it.

    Alerts that were kept so far and lie within the join window of ``ts_ms`` come along.
    """

    case_id: int
    rule: AlertRule
    opened_by: int
    ts_ms: int


@dataclass
class GroupPlan:
    """What is to be done for one group; ``placements`` are in the order given."""

    placements: list[Placement]
    new_cases: list[NewCase] = field(default_factory=list)
    severities: dict[int, Severity] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupState:
    """What is known of a group before its new alerts; rules are those of its category.

    ``can_open``: there is a playbook for the category.
    """

    rules: tuple[AlertRule, ...]
    open_cases: tuple[OpenCase, ...]
    kept: tuple[KeptAlert, ...]
    join_window_seconds: int
    can_open: bool


def plan_group(alerts: Sequence[Alert], state: GroupState) -> GroupPlan:
    """Place the new alerts of one group: join an open case, open one, or be kept.

    A rule that asks for several alerts counts any span of its window that holds the
    alert, so that the order of arrival does not matter. A case that opens takes in
    what was kept around it; a rule that asks for one alert raises a case it joins.
    """
    planner = _Planner(alerts, state)
    order = sorted(
        range(len(alerts)), key=lambda i: (alerts[i].ts_ms, alerts[i].alert_id)
    )
    for index in order:
        planner.place(index)
    return planner.plan


class _Planner:
    def __init__(self, alerts: Sequence[Alert], state: GroupState) -> None:
        """Start from the alerts in their order and the open cases."""
        self.alerts = alerts
        self.state = state
        self.cases = {case.id: case for case in state.open_cases}
        self.plan = GroupPlan([Placement(Action.KEPT)] * len(alerts))
        self.waiting: list[int] = []
        self.times = {
            rule.key: sorted(
                alert.ts_ms
                for alert in state.kept
                if alert.severity.rank >= rule.least_severity.rank
            )
            for rule in state.rules
            if rule.count > 1
        }

    def place(self, index: int) -> None:
        """Decide what becomes of one alert: it joins a case, opens one, or is kept."""
        alert = self.alerts[index]
        case = find_case_to_join(
            alert,
            list(self.cases.values()),
            window_seconds=self.state.join_window_seconds,
        )
        if case is not None:
            self._join(index, case)
            return
        rule = match_rule(self.state.rules, alert, self._counts(alert))
        if rule is not None and self.state.can_open:
            self._open(index, rule)
        else:
            self._keep(index)

    def _join(self, index: int, case: OpenCase) -> None:
        """Let an alert join a case, whose time it may extend."""
        alert = self.alerts[index]
        rule = match_rule(self.state.rules, alert, {})
        self.plan.placements[index] = Placement(
            Action.JOINED, case.id, rule.key if rule else None
        )
        self.cases[case.id] = replace(
            case,
            first_ts_ms=min(case.first_ts_ms, alert.ts_ms),
            last_ts_ms=max(case.last_ts_ms, alert.ts_ms),
        )
        if rule is not None:
            known = self.plan.severities.get(case.id, rule.opens_severity)
            self.plan.severities[case.id] = raised_severity(known, rule.opens_severity)

    def _open(self, index: int, rule: AlertRule) -> None:
        """Open a case for an alert and for what waited within the rule's window."""
        alert = self.alerts[index]
        new = NewCase(-1 - len(self.plan.new_cases), rule, index, alert.ts_ms)
        self.plan.new_cases.append(new)
        self.plan.placements[index] = Placement(Action.OPENED, new.case_id, rule.key)
        span = [alert.ts_ms]
        window_ms = self.state.join_window_seconds * 1000
        for earlier in [i for i in self.waiting if self._is_near(i, new, window_ms)]:
            self.waiting.remove(earlier)
            self.plan.placements[earlier] = Placement(
                Action.JOINED, new.case_id, rule.key
            )
            span.append(self.alerts[earlier].ts_ms)
        for times in self.times.values():
            low = bisect_left(times, new.ts_ms - window_ms)
            del times[low : bisect_right(times, new.ts_ms + window_ms)]
        self.cases[new.case_id] = OpenCase(
            id=new.case_id,
            alert_category=alert.category,
            extension_ids=frozenset({alert.extension_id}),
            first_ts_ms=min(span),
            last_ts_ms=max(span),
        )
        self.plan.severities[new.case_id] = rule.opens_severity

    def _keep(self, index: int) -> None:
        """Keep an alert; it counts for the rules that wait for several."""
        alert = self.alerts[index]
        self.waiting.append(index)
        for rule in covering_rules(self.state.rules, alert):
            if rule.count > 1:
                insort(self.times[rule.key], alert.ts_ms)

    def _is_near(self, index: int, new: NewCase, window_ms: int) -> bool:
        """Return whether an alert is within a window of a new case's first."""
        return abs(self.alerts[index].ts_ms - new.ts_ms) <= window_ms

    def _counts(self, alert: Alert) -> dict[str, int]:
        """Return, by rule, how many alerts stand in its window around this one."""
        return {
            rule.key: count_around(
                self.times[rule.key], alert.ts_ms, rule.window_seconds * 1000
            )
            for rule in covering_rules(self.state.rules, alert)
            if rule.count > 1
        }


def count_around(times: Sequence[int], ts_ms: int, window_ms: int) -> int:
    """Return the most moments, this one included, in a span that holds this one.

    ``times`` are sorted and do not hold the moment itself; a span is ``window_ms``
    long, its ends included.
    """
    low = bisect_left(times, ts_ms - window_ms)
    near = times[low : bisect_right(times, ts_ms + window_ms)]
    best = 0
    for start in (*[near_ms for near_ms in near if near_ms <= ts_ms], ts_ms):
        begin = bisect_left(near, start)
        best = max(best, bisect_right(near, start + window_ms) - begin)
    return best + 1


def rules_of(rules: Iterable[AlertRule], category: str) -> tuple[AlertRule, ...]:
    """Return the rules of one category."""
    return tuple(rule for rule in rules if rule.category == category)
