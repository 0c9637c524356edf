"""Reading alerts, opening cases by rule, and joining open ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests
from incidents.workflow.alert_rules import (
    DEFAULT_RULES,
    TS_MS_MAX,
    AlertRule,
    AlertSeverity,
    OpenCase,
    covering_rules,
    find_case_to_join,
    match_rule,
    parse_alert,
)
from incidents.workflow.errors import AlertError, AlertRuleError
from incidents.workflow.incident_states import Severity
from tests.incidents.workflow.test_playbooks import CATEGORIES

VECTORS = Path(tests.__file__).parent / "data" / "vectors"
HOUR_MS = 3_600_000


def make_record(**members: Any) -> dict[str, Any]:
    record = {
        "ts_ms": 1_787_025_601_853,
        "alert_id": "alert-1",
        "extension_id": "node-tools",
        "category": "secret_exposure",
        "severity": "critical",
        "capability": "env",
        "method": "env",
        "call_id": "call-1",
        "reason_codes": ["secret_pattern"],
        "summary": "A secret was read.",
        "remediation": "Rotate it.",
        "risk_score": 0.93,
        "context_hash": "55ed69e4b25e04e3",
    }
    return {**record, **members}


class TestReading:
    def test_every_member_is_read_and_the_record_kept(self) -> None:
        record = make_record(extra={"kept": [1, None]})
        alert = parse_alert(record)
        assert alert.alert_id == "alert-1"
        assert alert.severity is AlertSeverity.CRITICAL
        assert alert.reason_codes == ("secret_pattern",)
        assert alert.content == record

    def test_category_that_no_list_has_is_kept(self) -> None:
        assert parse_alert(make_record(category="Neu & odd")).category == "Neu & odd"

    @pytest.mark.parametrize(
        "name",
        [
            "capability",
            "method",
            "call_id",
            "reason_codes",
            "summary",
            "remediation",
            "risk_score",
            "context_hash",
        ],
    )
    def test_what_a_gate_does_not_know_may_be_left_out(self, name: str) -> None:
        record = make_record()
        del record[name]
        left_out, null = parse_alert(record), parse_alert(make_record(**{name: None}))
        assert getattr(left_out, name) == getattr(null, name)
        assert not getattr(left_out, name)

    @pytest.mark.parametrize(
        "name", ["ts_ms", "alert_id", "extension_id", "category", "severity"]
    )
    def test_what_identifies_it_is_needed(self, name: str) -> None:
        record = make_record()
        del record[name]
        with pytest.raises(AlertError, match=rf"\$\.{name}: missing"):
            parse_alert(record)

    @pytest.mark.parametrize(
        ("members", "path"),
        [
            ({"ts_ms": "1"}, "$.ts_ms"),
            ({"ts_ms": True}, "$.ts_ms"),
            ({"ts_ms": -1}, "$.ts_ms"),
            ({"ts_ms": TS_MS_MAX + 1}, "$.ts_ms"),
            ({"alert_id": ""}, "$.alert_id"),
            ({"alert_id": "a" * 201}, "$.alert_id"),
            ({"extension_id": None}, "$.extension_id"),
            ({"severity": "fatal"}, "$.severity"),
            ({"severity": "CRITICAL"}, "$.severity"),
            ({"reason_codes": "x"}, "$.reason_codes"),
            ({"reason_codes": [1]}, "$.reason_codes[0]"),
            ({"risk_score": 1.01}, "$.risk_score"),
            ({"risk_score": "0.5"}, "$.risk_score"),
            ({"summary": "a\x00b"}, "$.summary"),
            ({"summary": "\ud800"}, "$.summary"),
            ({"extra": {"deep": ["\x00"]}}, "$.extra.deep[0]"),
            ({"extra": {"\x00": 1}}, "$.extra"),
            ({"extra": float("nan")}, "$.extra"),
        ],
    )
    def test_fault_is_told_by_its_path(
        self, members: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(AlertError) as caught:
            parse_alert(make_record(**members), name="alert 3")
        assert caught.value.path == path
        assert str(caught.value).startswith("alert 3: ")

    def test_endless_nesting_is_refused(self) -> None:
        deep: Any = []
        for _ in range(5000):
            deep = [deep]
        with pytest.raises(AlertError, match="more than 64 levels"):
            parse_alert(make_record(extra=deep))

    @pytest.mark.parametrize("value", [None, [], "alert", 1])
    def test_anything_but_an_object_is_refused(self, value: object) -> None:
        with pytest.raises(AlertError, match=r"\$: expected object"):
            parse_alert(value)

    def test_every_alert_of_the_vectors_is_read(self) -> None:
        seen = 0
        for path in sorted(VECTORS.glob("*.json")):
            if path.name.startswith("refused-") or ".expected." in path.name:
                continue
            document = json.loads(path.read_bytes())
            for record in document.get("security_alerts", []):
                parse_alert(record, name=path.name)
                seen += 1
        assert seen > 500


class TestOpening:
    def test_default_rules_cover_each_class_and_nothing_else(self) -> None:
        assert {rule.category for rule in DEFAULT_RULES} == set(CATEGORIES.values())
        assert len({rule.key for rule in DEFAULT_RULES}) == len(DEFAULT_RULES)

    @pytest.mark.parametrize(
        ("category", "severity", "count", "opens"),
        [
            ("secret_exposure", "warning", 1, Severity.CRITICAL),
            ("secret_exposure", "info", 99, None),
            ("ledger_integrity", "error", 1, Severity.HIGH),
            ("scanner_bypass", "warning", 1, Severity.HIGH),
            ("quarantine_escape", "warning", 1, Severity.CRITICAL),
            ("policy_violation", "error", 1, None),
            ("policy_violation", "error", 9, None),
            ("policy_violation", "error", 10, Severity.MEDIUM),
            ("policy_violation", "critical", 1, Severity.HIGH),
            ("policy_violation", "critical", 10, Severity.HIGH),
            ("quota_breach", "warning", 4, None),
            ("quota_breach", "warning", 5, Severity.LOW),
            ("quota_breach", "error", 1, Severity.MEDIUM),
            ("unheard_of", "critical", 1000, None),
        ],
    )
    def test_default_rules_open_by_category_severity_and_count(
        self, category: str, severity: str, count: int, opens: Severity | None
    ) -> None:
        alert = parse_alert(make_record(category=category, severity=severity))
        counts = {rule.key: count for rule in covering_rules(DEFAULT_RULES, alert)}
        rule = match_rule(DEFAULT_RULES, alert, counts)
        assert (rule and rule.opens_severity) == opens

    def test_alert_counts_itself_where_nothing_was_counted(self) -> None:
        alert = parse_alert(make_record())
        assert match_rule(DEFAULT_RULES, alert, {}) is not None

    def test_no_rules_open_nothing(self) -> None:
        assert match_rule((), parse_alert(make_record()), {}) is None

    @pytest.mark.parametrize("fields", [{"count": 0}, {"window_seconds": 0}])
    def test_rule_that_means_nothing_is_refused(self, fields: dict[str, int]) -> None:
        with pytest.raises(AlertRuleError, match="Rule odd"):
            AlertRule("odd", "x", AlertSeverity.INFO, Severity.LOW, **fields)

    @given(
        st.sampled_from(sorted(CATEGORIES.values())),
        st.sampled_from(AlertSeverity),
        st.integers(1, 20),
        st.integers(0, 20),
    )
    def test_more_alerts_never_open_less(
        self, category: str, severity: AlertSeverity, count: int, more: int
    ) -> None:
        alert = parse_alert(make_record(category=category, severity=severity.value))

        def rank(number: int) -> int:
            counts = {rule.key: number for rule in DEFAULT_RULES}
            rule = match_rule(DEFAULT_RULES, alert, counts)
            return rule.opens_severity.rank if rule else 0

        assert rank(count + more) >= rank(count)


class TestJoining:
    ALERT = parse_alert(make_record(ts_ms=100 * HOUR_MS))

    def case(self, **fields: Any) -> OpenCase:
        defaults = {
            "id": 1,
            "alert_category": "secret_exposure",
            "extension_ids": frozenset({"node-tools"}),
            "first_ts_ms": 90 * HOUR_MS,
            "last_ts_ms": 95 * HOUR_MS,
        }
        return OpenCase(**{**defaults, **fields})

    def test_joins_the_case_of_its_extension_and_class(self) -> None:
        case = self.case(extension_ids=frozenset({"node-tools", "pi-weather"}))
        assert find_case_to_join(self.ALERT, [case]) == case

    @pytest.mark.parametrize(
        "fields",
        [
            {"alert_category": "quota_breach"},
            {"extension_ids": frozenset({"pi-weather"})},
            {"extension_ids": frozenset()},
        ],
    )
    def test_does_not_join_another(self, fields: dict[str, Any]) -> None:
        assert find_case_to_join(self.ALERT, [self.case(**fields)]) is None

    @pytest.mark.parametrize(
        ("first", "last", "joins"),
        [
            (1, 100 * HOUR_MS - 24 * HOUR_MS, True),
            (1, 100 * HOUR_MS - 24 * HOUR_MS - 1, False),
            (100 * HOUR_MS + 24 * HOUR_MS, 200 * HOUR_MS, True),
            (100 * HOUR_MS + 24 * HOUR_MS + 1, 200 * HOUR_MS, False),
            (1, 200 * HOUR_MS, True),
        ],
    )
    def test_joins_within_the_window_only(
        self, first: int, last: int, joins: bool
    ) -> None:
        case = self.case(first_ts_ms=first, last_ts_ms=last)
        assert (find_case_to_join(self.ALERT, [case]) is not None) is joins

    def test_joins_the_nearest_then_the_newest(self) -> None:
        far = self.case(id=9, last_ts_ms=91 * HOUR_MS)
        near, newer = self.case(id=2), self.case(id=3)
        assert find_case_to_join(self.ALERT, [far, near, newer]) == newer
        assert find_case_to_join(self.ALERT, [newer, near, far]) == newer
