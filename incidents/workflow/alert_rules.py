"""Alerts: reading one, which open a case, and which case an alert joins.

An alert is a record of ``security_alerts`` (docs/evidence-format.md section 3). Its
category may be one that no list has, and members that no list has are kept. Rules are
data; an alert that no rule takes up is kept, and opens nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from incidents.workflow.documents import DocumentSchema, unstorable_problems
from incidents.workflow.errors import AlertError, AlertRuleError
from incidents.workflow.incident_states import Severity

# The last millisecond that a datetime can hold.
TS_MS_MAX = 253_402_300_799_999
DAY_SECONDS = 86_400
# How far from a case's alerts another of the same extension and class still joins it.
JOIN_WINDOW_SECONDS = DAY_SECONDS
TEAM_NEEDED = "Choose a team where a team is told, and none where it is not."


class AlertSeverity(StrEnum):
    """Severity of an alert, least first."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"

    @cached_property
    def rank(self) -> int:
        """Weight for comparing: higher is worse."""
        return list(AlertSeverity).index(self)


class KeptNotice(StrEnum):
    """Who is told of an alert that came in and belongs to no case."""

    REVIEWERS_IF_CRITICAL = "reviewers_if_critical"
    REVIEWERS = "reviewers"
    TEAM = "team"
    NOBODY = "nobody"


def _text(max_length: int, *, required: bool = False) -> dict[str, Any]:
    """Return the JSON Schema of a text."""
    if required:
        return {"type": "string", "minLength": 1, "maxLength": max_length}
    return {"type": ["string", "null"], "maxLength": max_length}


ALERT_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Security alert",
    "type": "object",
    "required": ["ts_ms", "alert_id", "extension_id", "category", "severity"],
    "properties": {
        "ts_ms": {"type": "integer", "minimum": 0, "maximum": TS_MS_MAX},
        "alert_id": _text(200, required=True),
        "extension_id": _text(200, required=True),
        "category": _text(100, required=True),
        "severity": {"enum": [severity.value for severity in AlertSeverity]},
        "capability": _text(100),
        "method": _text(100),
        "call_id": _text(200),
        "reason_codes": {
            "type": ["array", "null"],
            "items": {"type": "string", "maxLength": 200},
            "maxItems": 100,
        },
        "summary": _text(4000),
        "remediation": _text(4000),
        "risk_score": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        "context_hash": _text(200),
    },
}
_SCHEMA = DocumentSchema(ALERT_SCHEMA)
_SEVERITY_VALUES = tuple(ALERT_SCHEMA["properties"]["severity"]["enum"])
_CODES_MAX: int = ALERT_SCHEMA["properties"]["reason_codes"]["maxItems"]
_CODE_LENGTH: int = ALERT_SCHEMA["properties"]["reason_codes"]["items"]["maxLength"]
_TEXTS = {
    name: schema["maxLength"]
    for name, schema in ALERT_SCHEMA["properties"].items()
    if "maxLength" in schema
}
_REQUIRED_TEXTS = tuple(
    (name, limit) for name, limit in _TEXTS.items() if name in ALERT_SCHEMA["required"]
)
_OPTIONAL_TEXTS = tuple(
    (name, limit)
    for name, limit in _TEXTS.items()
    if name not in ALERT_SCHEMA["required"]
)


@dataclass(frozen=True)
class Alert:
    """A checked alert; ``content`` is the whole record as it came."""

    ts_ms: int
    alert_id: str
    extension_id: str
    category: str
    severity: AlertSeverity
    capability: str
    method: str
    call_id: str
    reason_codes: tuple[str, ...]
    summary: str
    remediation: str
    risk_score: float | None
    context_hash: str
    content: dict[str, Any]


@dataclass(frozen=True)
class AlertRule:
    """Opens a case where ``count`` such alerts come within ``window_seconds``.

    Counted are alerts of one extension and of ``category`` with ``least_severity`` or
    worse. ``opens_severity`` is the severity of the case. ``tell`` says who hears of
    one that is kept without a case; ``tell_team`` is the key of the team, where it is
    one.
    """

    key: str
    category: str
    least_severity: AlertSeverity
    opens_severity: Severity
    count: int = 1
    window_seconds: int = DAY_SECONDS
    tell: KeptNotice = KeptNotice.REVIEWERS_IF_CRITICAL
    tell_team: int | None = None

    def __post_init__(self) -> None:
        """Refuse a rule that could never fire, or tells a team it does not name."""
        if self.count < 1 or self.window_seconds < 1:
            raise AlertRuleError(
                f"Rule {self.key}: the count and the window have to be above 0."
            )
        if (self.tell is KeptNotice.TEAM) != (self.tell_team is not None):
            raise AlertRuleError(f"Rule {self.key}: {TEAM_NEEDED}")

    def covers(self, alert: Alert) -> bool:
        """Return whether the alert counts for this rule."""
        return (
            alert.category == self.category
            and alert.severity.rank >= self.least_severity.rank
        )


@dataclass(frozen=True)
class Told:
    """Who is told of kept alerts: the reviewers, and teams by their keys."""

    reviewers: bool = False
    teams: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        """Return whether anybody is told."""
        return self.reviewers or bool(self.teams)


@dataclass(frozen=True)
class OpenCase:
    """An open case as grouping sees it; times are those of its alerts or detection."""

    id: int
    alert_category: str
    extension_ids: frozenset[str]
    first_ts_ms: int
    last_ts_ms: int


# A denied call that was blocked raises an alert of severity error: policy at work.
# Only a row of them opens a case; one that is critical got past the policy.
DEFAULT_RULES: tuple[AlertRule, ...] = (
    AlertRule(
        "policy-violation-critical",
        "policy_violation",
        AlertSeverity.CRITICAL,
        Severity.HIGH,
    ),
    AlertRule(
        "policy-violation-repeated",
        "policy_violation",
        AlertSeverity.ERROR,
        Severity.MEDIUM,
        count=10,
        window_seconds=600,
    ),
    AlertRule(
        "secret-exposure", "secret_exposure", AlertSeverity.WARNING, Severity.CRITICAL
    ),
    AlertRule(
        "ledger-integrity", "ledger_integrity", AlertSeverity.WARNING, Severity.HIGH
    ),
    AlertRule("scanner-bypass", "scanner_bypass", AlertSeverity.WARNING, Severity.HIGH),
    AlertRule(
        "quarantine-escape",
        "quarantine_escape",
        AlertSeverity.WARNING,
        Severity.CRITICAL,
    ),
    AlertRule(
        "quota-breach-error", "quota_breach", AlertSeverity.ERROR, Severity.MEDIUM
    ),
    AlertRule(
        "quota-breach-repeated",
        "quota_breach",
        AlertSeverity.WARNING,
        Severity.LOW,
        count=5,
        window_seconds=3600,
    ),
)


def parse_alert(value: object, *, name: str = "alert") -> Alert:
    """Check one alert; raise AlertError with every fault and its JSON path."""
    problems = () if _is_plain(value) else _SCHEMA.find_problems(value)
    problems = problems or unstorable_problems(value)
    if problems or not isinstance(value, dict):
        raise AlertError(name, problems)
    score = value.get("risk_score")
    return Alert(
        ts_ms=int(value["ts_ms"]),
        alert_id=value["alert_id"],
        extension_id=value["extension_id"],
        category=value["category"],
        severity=AlertSeverity(value["severity"]),
        capability=value.get("capability") or "",
        method=value.get("method") or "",
        call_id=value.get("call_id") or "",
        reason_codes=tuple(value.get("reason_codes") or ()),
        summary=value.get("summary") or "",
        remediation=value.get("remediation") or "",
        risk_score=None if score is None else float(score),
        context_hash=value.get("context_hash") or "",
        content=value,
    )


def _is_plain(value: object) -> bool:
    """Return whether the schema surely holds; False leaves the answer to it.

    Nearly every alert is plain, and this is some fifty times quicker than the schema.
    """
    if type(value) is not dict:
        return False
    ts_ms, score = value.get("ts_ms"), value.get("risk_score")
    codes = value.get("reason_codes")
    if codes is None:
        codes = []
    return (
        type(ts_ms) is int
        and 0 <= ts_ms <= TS_MS_MAX
        and value.get("severity") in _SEVERITY_VALUES
        and all(
            type(text := value.get(name)) is str and 0 < len(text) <= limit
            for name, limit in _REQUIRED_TEXTS
        )
        and all(
            (text := value.get(name)) is None
            or (type(text) is str and len(text) <= limit)
            for name, limit in _OPTIONAL_TEXTS
        )
        and (score is None or (type(score) in (int, float) and 0 <= score <= 1))
        and type(codes) is list
        and len(codes) <= _CODES_MAX
        and all(type(code) is str and len(code) <= _CODE_LENGTH for code in codes)
    )


def covering_rules(rules: Iterable[AlertRule], alert: Alert) -> tuple[AlertRule, ...]:
    """Return the rules the alert counts for: those whose window needs counting."""
    return tuple(rule for rule in rules if rule.covers(alert))


def told_of_kept(rules: Iterable[AlertRule], severity: AlertSeverity) -> Told:
    """Return who is told of an alert without a case; ``rules``: of its category.

    Every rule that covers it has a say. One that no rule covers is told to the
    reviewers if it is critical.
    """
    says = {
        (rule.tell, rule.tell_team)
        for rule in rules
        if severity.rank >= rule.least_severity.rank
    } or {(KeptNotice.REVIEWERS_IF_CRITICAL, None)}
    notices = {notice for notice, _ in says}
    return Told(
        reviewers=KeptNotice.REVIEWERS in notices
        or (
            KeptNotice.REVIEWERS_IF_CRITICAL in notices
            and severity is AlertSeverity.CRITICAL
        ),
        teams=frozenset(team for _, team in says if team is not None),
    )


def match_rule(
    rules: Iterable[AlertRule], alert: Alert, recent_counts: Mapping[str, int]
) -> AlertRule | None:
    """Return the rule that the alert fulfils, the worst one first; None for none.

    ``recent_counts``: for a rule's key, how many alerts that it covers this extension
    had within the rule's window up to this alert, this one included.
    """
    fulfilled = [
        rule
        for rule in covering_rules(rules, alert)
        if recent_counts.get(rule.key, 1) >= rule.count
    ]
    # max keeps the first of equals, so the order of the rules breaks a tie.
    return max(fulfilled, key=lambda rule: rule.opens_severity.rank, default=None)


def find_case_to_join(
    alert: Alert,
    open_cases: Sequence[OpenCase],
    *,
    window_seconds: int = JOIN_WINDOW_SECONDS,
) -> OpenCase | None:
    """Return the open case that the alert belongs to; None where there is none.

    The same extension and class, and no further than the window from the case's first
    or last alert, before it or after it. Of several the nearest, then the newest.
    """
    fitting = [
        case
        for case in open_cases
        if case.alert_category == alert.category
        and alert.extension_id in case.extension_ids
        and _distance_ms(case, alert) <= window_seconds * 1000
    ]
    return min(fitting, key=lambda c: (_distance_ms(c, alert), -c.id), default=None)


def _distance_ms(case: OpenCase, alert: Alert) -> int:
    """Return how far the alert lies outside the span of the case's alerts."""
    return max(case.first_ts_ms - alert.ts_ms, alert.ts_ms - case.last_ts_ms, 0)
