"""The rules that open cases: their defaults, and changes to them."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import record_entry
from incidents.models import AlertRule
from incidents.services.alerts.intake_state import rule_of
from incidents.workflow.alert_rules import DEFAULT_RULES

FIELDS = (
    "key",
    "is_enabled",
    "category",
    "least_severity",
    "opens_severity",
    "count",
    "window_seconds",
    "join_window_seconds",
    "tell",
    "tell_team_id",
)


@transaction.atomic
def load_default_rules(
    *, actor: Actor, now: dt.datetime | None = None
) -> list[AlertRule]:
    """Make the default rules that are not there yet; return those made.

    A rule that is there stays as the team has set it, disabled ones included.
    """
    require_permission(actor, "incidents.add_alertrule")
    moment = now or timezone.now()
    known = set(AlertRule.objects.values_list("key", flat=True))
    made = []
    for rule in DEFAULT_RULES:
        if rule.key in known:
            continue
        row = AlertRule(
            key=rule.key,
            category=rule.category,
            least_severity=rule.least_severity,
            opens_severity=rule.opens_severity,
            count=rule.count,
            window_seconds=rule.window_seconds,
            tell=rule.tell.value,
        )
        made.append(save_rule(row=row, actor=actor, now=moment))
    return made


@transaction.atomic
def save_rule(
    *, row: AlertRule, actor: Actor, now: dt.datetime | None = None
) -> AlertRule:
    """Store a rule, new or changed; alerts that came in before stay where they are.

    Raise AlertRuleError for one that no number of alerts could be held against, or
    that tells a team without naming it.
    """
    verb = "add" if row._state.adding else "change"
    require_permission(actor, f"incidents.{verb}_alertrule")
    rule_of(row)
    before = _lock_values(row)
    row.save()
    record_entry(
        action="alert_rule.added" if before is None else "alert_rule.changed",
        actor=actor,
        obj=row,
        before=before,
        after={name: getattr(row, name) for name in FIELDS},
        now=now,
    )
    return row


def _lock_values(row: AlertRule) -> dict[str, Any] | None:
    if row._state.adding:
        return None
    # What stood before is read under the lock: the form's copy may be older.
    stored = AlertRule.objects.select_for_update().get(pk=row.pk)
    return {name: getattr(stored, name) for name in FIELDS}
