"""Alerts and rules in the admin."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evidence.models import AuditEntry
from incidents.models import Alert, AlertRule, Incident, Team
from incidents.workflow.alert_rules import TEAM_NEEDED
from tests.factories import OUTCOME, make_incident
from tests.incidents.alerts.samples import make_rules, receive_one
from tests.incidents.alerts.test_waiting import accept
from tests.shared import share

_kept, rules, _django_db_helper, evidence_folder = share(make_rules)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rules")]
LIST = "/admin/incidents/alert/"
RULES = "/admin/incidents/alertrule/"


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, action: str, alerts: list[Alert], **fields: Any) -> Any:
    data = {
        "action": action,
        "_selected_action": [alert.pk for alert in alerts],
        **fields,
    }
    return client.post(LIST, data, follow=True)


def test_alert_is_moved_into_a_case_with_a_reason(responder: User) -> None:
    alert = receive_one(severity="info")
    case = make_incident(playbook="INC-6", extension_ids=("ext.other",))
    client = sign_in(responder)
    page = act(client, "move_into_case", [alert]).content.decode()
    assert case.reference in page
    fields = {"confirmed": 1, "incident": case.pk, "reason": "same host"}
    page = act(client, "move_into_case", [alert], **fields).content.decode()
    alert.refresh_from_db()
    assert alert.incident == case
    assert f"Moved 1 to {case.reference}." in page


def test_waiting_alert_is_shown_in_amber_and_is_not_called_kept(
    responder: User,
) -> None:
    alert = accept("slow").row
    client = sign_in(responder)
    words = re.compile(r'data-tone="watch"[^>]*>\s*Waits for the rules')
    for page in (LIST, f"{LIST}?case=waiting", f"{LIST}{alert.pk}/change/"):
        assert words.search(client.get(page).content.decode()), page
    assert "slow" not in client.get(f"{LIST}?case=none").content.decode()
    assert "move_into_case" not in client.get(f"{LIST}{alert.pk}/change/").text
    start = client.get("/admin/").content.decode()
    assert "Alerts that wait for the rules" in start
    assert "Alerts kept, of no case" not in start
    fields = {"confirmed": 1, "reason": "a test run"}
    page = act(client, "split_from_case", [alert], **fields).content.decode()
    assert "still waits for the rules" in page


def test_form_without_a_reason_is_shown_again(responder: User) -> None:
    alert = receive_one()
    client = sign_in(responder)
    page = act(client, "split_from_case", [alert], confirmed=1).content.decode()
    assert "This field is required" in page
    alert.refresh_from_db()
    assert alert.incident is not None


def test_alert_is_split_from_its_case(responder: User) -> None:
    alert = receive_one()
    fields = {"confirmed": 1, "reason": "a test run"}
    act(sign_in(responder), "split_from_case", [alert], **fields)
    alert.refresh_from_db()
    assert alert.incident is None


def test_refusal_of_the_service_is_shown(responder: User) -> None:
    alert, case = receive_one(), make_incident(playbook="INC-6")
    client = sign_in(responder)
    fields = {"confirmed": 1, "incident": case.pk, "reason": "x" * 5000 + " "}
    Incident.objects.filter(pk=case.pk).update(
        status="closed_false_alarm",
        closing_reason="r",
        closed_at=case.detected_at,
        **OUTCOME,
    )
    page = act(client, "move_into_case", [alert], **fields).content.decode()
    assert "Select a valid choice" in page


def test_auditor_sees_alerts_and_moves_none(auditor: User) -> None:
    alert = receive_one()
    client = sign_in(auditor)
    assert client.get(LIST).status_code == 200
    assert "move_into_case" not in client.get(LIST).content.decode()
    fields = {"confirmed": 1, "reason": "x"}
    act(client, "split_from_case", [alert], **fields)
    alert.refresh_from_db()
    assert alert.incident is not None


def test_outsider_sees_nothing(outsider: User) -> None:
    alert = receive_one()
    client = sign_in(outsider)
    for address in (LIST, f"{LIST}{alert.pk}/change/", RULES):
        assert client.get(address).status_code == 403


def test_alert_page_shows_the_document_and_the_moves(responder: User) -> None:
    alert = receive_one(unknown_member="<b>shown</b>")
    page = sign_in(responder).get(f"{LIST}{alert.pk}/change/").content.decode()
    assert "&lt;b&gt;shown&lt;/b&gt;" in page
    assert alert.document_sha256 in page
    assert "Opened the case" in page


@pytest.mark.parametrize("address", ["999/change/", "x/change/", "9" * 30 + "/change/"])
def test_alert_that_does_not_exist_is_not_found(responder: User, address: str) -> None:
    assert sign_in(responder).get(f"{LIST}{address}").status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("case=none", {"b"}),
        ("case=some", {"a"}),
        ("case=unknown", {"a", "b"}),
        ("category=quota_breach", {"b"}),
        ("severity__exact=info", {"b"}),
        ("extension__extension_id__icontains=other", {"b"}),
        ("q=b", {"b"}),
        ("q=call-1", {"a", "b"}),
    ],
)
def test_list_is_filtered(responder: User, query: str, found: set[str]) -> None:
    receive_one("a")
    receive_one("b", category="quota_breach", severity="info", extension_id="ext.other")
    response = sign_in(responder).get(f"{LIST}?{query}")
    assert {alert.alert_id for alert in response.context["cl"].result_list} == found


def test_list_costs_the_same_however_many_alerts(responder: User) -> None:
    client = sign_in(responder)
    receive_one("a0", extension_id="ext.0")
    client.get(LIST)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(LIST)
        return len(queries)

    few = count()
    for number in range(1, 9):
        receive_one(f"a{number}", extension_id=f"ext.{number}")
    assert count() == few


def rule_fields(**changes: Any) -> dict[str, Any]:
    return {
        "key": "own-rule",
        "is_enabled": "on",
        "category": "own_category",
        "least_severity": "error",
        "count": 2,
        "window_seconds": 60,
        "opens_severity": "high",
        "join_window_seconds": 600,
        "tell": "reviewers_if_critical",
        **changes,
    }


def test_administrator_makes_and_changes_a_rule(administrator: User) -> None:
    client = sign_in(administrator)
    assert client.post(f"{RULES}add/", rule_fields()).status_code == 302
    rule = AlertRule.objects.get(key="own-rule")
    client.post(f"{RULES}{rule.pk}/change/", rule_fields(count=5))
    rule.refresh_from_db()
    assert rule.count == 5
    entry = AuditEntry.objects.get(action="alert_rule.changed")
    assert (entry.before["count"], entry.after["count"]) == (2, 5)
    assert entry.actor == administrator


@pytest.mark.parametrize("changes", [{"count": 0}, {"window_seconds": 0}])
def test_rule_that_nothing_could_fulfil_is_refused(
    administrator: User, changes: dict[str, int]
) -> None:
    page = sign_in(administrator).post(f"{RULES}add/", rule_fields(**changes))
    assert "Give a number above 0" in page.content.decode()
    assert not AlertRule.objects.filter(key="own-rule").exists()


def test_administrator_says_who_is_told_of_kept_alerts(administrator: User) -> None:
    client, team = sign_in(administrator), Team.objects.create(name="Night watch")
    fields = rule_fields(tell="team", tell_team=team.pk)
    assert client.post(f"{RULES}add/", fields).status_code == 302
    rule = AlertRule.objects.get(key="own-rule")
    assert (rule.tell, rule.tell_team) == ("team", team)
    entry = AuditEntry.objects.get(action="alert_rule.added", object_id=rule.pk)
    assert (entry.after["tell"], entry.after["tell_team_id"]) == ("team", team.pk)
    assert "Night watch" in client.get(RULES).content.decode()


@pytest.mark.parametrize("tell", ["team", "nobody"])
def test_team_is_named_where_a_team_is_told_and_only_there(
    administrator: User, tell: str
) -> None:
    team = Team.objects.create(name="Night watch")
    fields = rule_fields(tell=tell, tell_team="" if tell == "team" else team.pk)
    page = sign_in(administrator).post(f"{RULES}add/", fields)
    assert page.context["errors"]
    assert page.content.decode().count(TEAM_NEEDED) == 1
    assert not AlertRule.objects.filter(key="own-rule").exists()


def test_dashboard_counts_the_alerts_of_no_case(responder: User) -> None:
    client = sign_in(responder)
    receive_one("opens")
    assert "Alerts kept, of no case" not in client.get("/admin/").content.decode()
    for number in range(3):
        receive_one(f"kept-{number}", category="mystery", severity="critical")
    page = client.get("/admin/").content.decode()
    assert re.search(r"<b>3</b>\s*<span>Alerts kept, of no case</span>", page)


def test_nobody_else_changes_rules(responder: User, reviewer: User) -> None:
    for user in (responder, reviewer):
        assert sign_in(user).post(f"{RULES}add/", rule_fields()).status_code == 403


def test_list_of_rules_is_in_words(administrator: User) -> None:
    client = sign_in(administrator)
    fields = rule_fields(category="slow_drip", window_seconds=5400)
    assert client.post(f"{RULES}add/", fields).status_code == 302
    page = client.get(RULES).content.decode()
    assert "Slow drip" in page
    assert "1 h 30 min" in page
    assert "5400" not in page


def test_rule_is_never_deleted(administrator: User) -> None:
    rule = AlertRule.objects.first()
    response = sign_in(administrator).post(f"{RULES}{rule.pk}/delete/")
    assert response.status_code == 403
