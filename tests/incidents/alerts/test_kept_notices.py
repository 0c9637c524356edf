"""Who is told of alerts that were kept without a case, and how often."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import User

from evidence.accounts.access import PermissionRefused
from incidents.models import Alert, AlertRule, Incident, Notification, Team
from incidents.services.alerts.rules import save_rule
from incidents.services.notifications.delivery import deliver_notifications
from incidents.workflow.errors import AlertRuleError
from tests.factories import NOON
from tests.incidents.alerts.samples import alert_document, receive, receive_one

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rules")]


def receive_kept(*ids: str, now: dt.datetime = NOON, **members: Any) -> None:
    """Take in alerts of a category that nothing knows; critical by default."""
    members = {"category": "mystery", "severity": "critical", **members}
    receive(*[alert_document(alert_id, **members) for alert_id in ids], now=now)


def make_rule(**fields: Any) -> AlertRule:
    row = AlertRule(
        **{
            "key": "mystery",
            "category": "mystery",
            "least_severity": "warning",
            "opens_severity": "low",
            **fields,
        }
    )
    return save_rule(row=row, actor=None, now=NOON)


def told() -> list[str]:
    """Return the names of those told, one for each message."""
    return [
        row.recipient.username
        for row in Notification.objects.select_related("recipient").order_by("id")
        if row.recipient
    ]


def test_reviewers_are_told_of_a_critical_alert_that_no_rule_knows(
    reviewer: User, responder: User
) -> None:
    receive_kept("a")
    row = Notification.objects.get()
    assert (row.recipient, row.kind) == (reviewer, "reminder")
    assert (row.about_type, row.about_id) == (
        "incidents.alert",
        Alert.objects.get().pk,
    )
    assert row.headline == (
        "1 critical alert of category mystery from extension ext.weather "
        "belongs to no case"
    )


def test_burst_is_told_of_once(reviewer: User) -> None:
    receive_kept(*[f"a{number}" for number in range(20)])
    receive_kept(*[f"b{number}" for number in range(20)])
    assert Notification.objects.get().headline == (
        "20 alerts, the worst critical, of category mystery from extension "
        "ext.weather belong to no case"
    )


def test_other_extension_and_another_day_are_told_of_again(reviewer: User) -> None:
    receive_kept("a")
    receive_kept("b", extension_id="ext.other")
    assert len(told()) == 2
    receive_kept("c", now=NOON + dt.timedelta(days=1))
    assert len(told()) == 3


def test_worse_alert_is_told_of_again_and_a_milder_one_not(reviewer: User) -> None:
    make_rule(tell="reviewers")
    receive_kept("a", severity="error")
    receive_kept("b")
    receive_kept("c", severity="warning")
    assert [
        row.key.rsplit(":", 1)[1] for row in Notification.objects.order_by("id")
    ] == [
        "error",
        "critical",
    ]


@pytest.mark.parametrize("severity", ["info", "warning", "error"])
def test_milder_alert_that_no_rule_knows_tells_nobody(
    reviewer: User, severity: str
) -> None:
    receive_kept("a", severity=severity)
    assert not told()


def test_nobody_is_told_where_a_case_opens_or_is_joined(reviewer: User) -> None:
    first = receive_one("a", severity="critical")
    second = receive_one("b", severity="critical")
    assert first.incident == second.incident
    assert Incident.objects.count() == 1
    assert not Notification.objects.filter(about_type="incidents.alert").exists()


def test_alerts_that_open_a_case_together_tell_nobody(reviewer: User) -> None:
    AlertRule.objects.filter(category="policy_violation").update(tell="reviewers")
    receive_kept(
        *[f"a{number}" for number in range(10)],
        category="policy_violation",
        severity="error",
    )
    assert Incident.objects.count() == 1
    assert not Notification.objects.filter(about_type="incidents.alert").exists()


def test_team_is_told_where_the_rule_names_it(
    reviewer: User, responder: User, outsider: User
) -> None:
    team = Team.objects.create(name="Night watch")
    team.members.add(responder, outsider)
    make_rule(tell="team", tell_team=team)
    receive_kept("a", severity="error")
    # Who may not see alerts is not told of one.
    assert told() == [responder.username]


def test_team_with_nobody_to_tell_falls_back_on_the_reviewers(
    reviewer: User, outsider: User
) -> None:
    team = Team.objects.create(name="Empty")
    team.members.add(outsider)
    make_rule(tell="team", tell_team=team)
    receive_kept("a")
    assert told() == [reviewer.username]


def test_rule_that_tells_nobody_silences_its_critical_alerts(reviewer: User) -> None:
    make_rule(tell="nobody")
    receive_kept("a")
    assert not told()


def test_disabled_rule_has_no_say(reviewer: User) -> None:
    make_rule(tell="nobody", is_enabled=False)
    receive_kept("a")
    assert told() == [reviewer.username]


def test_alert_that_its_rule_kept_is_told_of_as_the_rule_says(reviewer: User) -> None:
    rule = AlertRule.objects.get(key="policy-violation-repeated")
    receive_kept("a", category="policy_violation", severity="error")
    assert not told()
    rule.tell = "reviewers"
    save_rule(row=rule, actor=None, now=NOON)
    receive_kept("b", category="policy_violation", severity="error")
    assert told() == [reviewer.username]


def test_message_is_sent_whatever_a_machine_called_things(
    reviewer: User, mailoutbox: list[Any], settings: Any
) -> None:
    names = {"category": "x\ny" + "z" * 90, "extension_id": "e" * 200}
    receive_kept(*[f"a{number}" for number in range(1000)], **names)
    deliver_notifications(now=NOON)
    mail = mailoutbox[0]
    assert "\n" not in mail.subject
    assert mail.subject.endswith("belong to no case")
    assert f"/admin/incidents/alert/{Alert.objects.earliest('id').pk}/" in mail.body


def test_rule_that_tells_a_team_names_it() -> None:
    with pytest.raises(AlertRuleError, match="Choose a team"):
        make_rule(tell="team")


def test_nobody_but_an_administrator_says_who_is_told(reviewer: User) -> None:
    rule = AlertRule.objects.first()
    assert rule is not None
    rule.tell = "nobody"
    with pytest.raises(PermissionRefused):
        save_rule(row=rule, actor=reviewer, now=NOON)
    rule.refresh_from_db()
    assert rule.tell == "reviewers_if_critical"
