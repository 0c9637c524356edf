"""Alerts whose senders do not wait: stored at once, decided once, in their order."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from evidence.audit.history import list_streams, verify_stream
from evidence.errors import HealthWarning
from evidence.models import AuditEntry
from incidents.errors import AlertRefused
from incidents.models import Alert, AlertDecision, Incident, Notification
from incidents.services.alerts import intake, waiting
from incidents.services.alerts.incoming import Answer, read_incoming
from incidents.services.alerts.moves import move_alerts, split_alerts
from incidents.services.alerts.waiting import (
    LATE_AFTER,
    accept_alert,
    check_waiting_alerts,
    decide_alerts,
)
from incidents.workflow.incident_states import IncidentSource
from tests.bench.scale.measuring import (
    Statement,
    nodes,
    read_plan,
    rows_of,
    seen_statements,
)
from tests.factories import NOON, make_incident
from tests.incidents.alerts.samples import (
    NOON_MS,
    alert_document,
    make_rules,
    receive,
)
from tests.incidents.alerts.test_concurrency import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rules(db: None) -> None:
    make_rules()


def accept(
    alert_id: str = "alert-1",
    *,
    actor: User | None = None,
    now: dt.datetime = NOON,
    **members: Any,
) -> Answer:
    document = alert_document(alert_id, **members)
    incoming = read_incoming(IncidentSource.RISK_CONTROLLER, document)
    return accept_alert(alert=incoming, actor=actor, now=now)


def decision_of(alert_id: str) -> str:
    return str(Alert.objects.get(alert_id=alert_id).decision)


def test_alert_is_stored_whole_and_waits() -> None:
    answer = accept()
    row = Alert.objects.get()
    assert (answer.created, answer.conflict, answer.row.pk) == (True, False, row.pk)
    assert row.decision == AlertDecision.WAITING
    assert row.document == alert_document()
    decided = receive(alert_document("other"))[0].row
    Alert.objects.get(alert_id="other")
    for field in Alert._meta.fields:
        if field.name not in {"id", "alert_id", "document", "document_sha256"}:
            mine, theirs = (getattr(each, field.attname) for each in (row, decided))
            is_decided = field.name in {"decision", "decided_incident", "incident"}
            assert mine == theirs or is_decided or field.name == "rule", field.name
    assert not Notification.objects.filter(incident=None).exists()


def test_worker_decides_as_if_they_had_been_sent_with_an_answer() -> None:
    accept("a")
    accept("b", ts_ms=NOON_MS + 1)
    accept("c", severity="info", category="something_else")
    assert Incident.objects.count() == 0
    assert decide_alerts() == 3
    case = Incident.objects.get()
    assert [decision_of(name) for name in "abc"] == ["opened", "joined", "kept"]
    assert case.alerts.count() == 2
    assert case.alerts.first().assignments.count() == 1
    assert decide_alerts() == 0


def test_clocks_of_its_case_run_from_when_it_was_received() -> None:
    received = timezone.now() - dt.timedelta(minutes=7)
    # Its own time is in the future, and not believed.
    accept(now=received, ts_ms=NOON_MS + 10**11)
    decide_alerts()
    case = Incident.objects.get()
    assert (case.current_cycle.started_at, case.detected_at) == (received, received)


def test_waiting_alert_is_no_kept_one_and_counts_for_no_rule() -> None:
    denied = {"category": "policy_violation", "severity": "error"}
    for number in range(9):
        accept(f"w{number}", **denied)
    assert Alert.objects.without_case().count() == 0
    decide_alerts()
    assert Alert.objects.without_case().count() == 9
    assert Incident.objects.count() == 0
    accept("w9", **denied)
    decide_alerts()
    assert Incident.objects.get().alerts.count() == 10


def test_alert_with_an_answer_is_decided_behind_those_that_wait() -> None:
    accept("first")
    accept("elsewhere", extension_id="ext.other")
    answer = receive(alert_document("second"))[0]
    assert answer.row.decision == AlertDecision.JOINED
    assert decision_of("first") == "opened"
    assert decision_of("elsewhere") == "waiting"


def test_many_that_wait_are_decided_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "DECIDED_AT_ONCE", 2)
    for number in range(5):
        accept(f"w{number}", ts_ms=NOON_MS - number)
    assert receive(alert_document("last"))[0].row.decision == AlertDecision.JOINED
    assert [decision_of(f"w{number}") for number in range(5)] == [
        *("joined", "opened", "joined", "joined", "joined")
    ]


def test_repeat_is_answered_with_the_same_row_before_and_after() -> None:
    first = accept()
    again = accept()
    assert (again.created, again.row.pk) == (False, first.row.pk)
    decide_alerts()
    later = accept()
    assert (later.created, later.row.pk) == (False, first.row.pk)
    assert later.row.decision == AlertDecision.OPENED
    assert Alert.objects.count() == 1


def test_repeat_with_an_answer_is_decided_first() -> None:
    first = accept()
    answer = receive(alert_document())[0]
    assert (answer.created, answer.row.pk) == (False, first.row.pk)
    assert answer.row.decision == AlertDecision.OPENED


def test_other_content_under_its_id_conflicts_and_changes_nothing() -> None:
    accept()
    answer = accept(summary="something else")
    assert (answer.created, answer.conflict) == (False, True)
    assert Alert.objects.get().summary == alert_document()["summary"]


def test_history_names_each_sender_once_decided(machine: User, responder: User) -> None:
    accept("a", actor=machine)
    accept("b", actor=machine)
    other = User.objects.create_user("other-machine")
    other.groups.set(machine.groups.all())
    accept("c", actor=other)
    received = AuditEntry.objects.filter(action="alerts.received")
    assert not received.exists()
    decide_alerts()
    entries = {entry.actor_name: entry.after for entry in received}
    assert {name: after["count"] for name, after in entries.items()} == {
        machine.username: 2,
        "other-machine": 1,
    }
    assert all(after["waited"] for after in entries.values())
    assert not [stream for stream in list_streams() if verify_stream(stream)]


def test_waiting_alert_is_moved_by_nobody(responder: User) -> None:
    row, case = accept().row, make_incident()
    with pytest.raises(AlertRefused, match="waits for the rules"):
        move_alerts(
            actor=responder, alert_ids=[row.pk], incident_id=case.pk, reason="mine"
        )
    with pytest.raises(AlertRefused, match="waits for the rules"):
        split_alerts(actor=responder, alert_ids=[row.pk], reason="mine")


CHANGES = (
    "decision = 'kept'",
    "decision = 'waiting', decided_incident_id = NULL, incident_id = NULL",
    "decided_incident_id = NULL, decision = 'kept'",
    "rule_id = NULL",
)


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_decided_stays(change: str) -> None:
    receive(alert_document())
    statement = f"UPDATE incidents_alert SET {change}"
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute(statement)


@pytest.mark.parametrize("change", ["summary = ''", "received_at = now()"])
def test_what_was_sent_stays_while_it_waits(change: str) -> None:
    accept()
    statement = f"UPDATE incidents_alert SET {change}"
    with pytest.raises(DatabaseError), transaction.atomic():
        connection.cursor().execute(statement)


def test_group_that_cannot_be_decided_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = intake._place_group

    def fail(members: Any, *args: Any, **named: Any) -> Any:
        if members[0].group.extension_id == "ext.bad":
            raise ValueError("bad group")
        return place(members, *args, **named)

    monkeypatch.setattr(intake, "_place_group", fail)
    accept("bad", extension_id="ext.bad")
    accept("good")
    with pytest.raises(ValueError, match="bad group"):
        decide_alerts()
    assert (decision_of("bad"), decision_of("good")) == ("waiting", "opened")


def test_readiness_warns_of_what_waits_too_long() -> None:
    assert check_waiting_alerts() == "none waits for the rules"
    accept("new", now=timezone.now())
    assert check_waiting_alerts().startswith("1 wait for the rules")
    accept("old", now=timezone.now() - LATE_AFTER - dt.timedelta(seconds=1))
    with pytest.raises(HealthWarning, match="2 wait"):
        check_waiting_alerts()
    decide_alerts()
    assert check_waiting_alerts() == "none waits for the rules"


@pytest.mark.django_db(transaction=True)
def test_both_ways_at_once_lose_and_double_nothing() -> None:
    calls: list[Any] = []
    for client in range(4):
        names = [f"c{client}-{number}" for number in range(4)]
        calls.append(lambda names=names: [accept(name) for name in names])
        calls.append(lambda names=names: [receive(alert_document(n)) for n in names])
    at_once([*calls, decide_alerts, decide_alerts])
    decide_alerts()
    assert Alert.objects.count() == 16
    assert not Alert.objects.waiting().exists()
    case = Incident.objects.get()
    assert case.alerts.count() == 16
    assert Alert.objects.filter(decision="opened").count() == 1
    assert all(row.assignments.count() == 1 for row in Alert.objects.all())
    assert not [stream for stream in list_streams() if verify_stream(stream)]


@pytest.mark.django_db(transaction=True)
def test_same_alert_from_many_is_stored_once() -> None:
    answers = at_once([partial(accept, "same") for _ in range(8)])
    assert Alert.objects.count() == 1
    assert sum(answer.created for answer in answers) == 1
    assert len({answer.row.pk for answer in answers}) == 1


DECIDED = 3000
OLD_DECISION = "CASE WHEN generate_series % 10 = 0 THEN 'waiting' ELSE 'kept' END"
COPIES = """
    INSERT INTO incidents_alert ({names})
    SELECT {values} FROM incidents_alert, generate_series(1, {count})
"""


def copy_decided(count: int) -> None:
    """Fill the table with old alerts; a tenth waited when statistics were made."""
    with connection.cursor() as cursor:
        columns = connection.introspection.get_table_description(
            cursor, Alert._meta.db_table
        )
        values = {column.name: column.name for column in columns if column.name != "id"}
        values["alert_id"] = "'x' || generate_series"
        values["happened_at"] = "happened_at - interval '9 days'"
        values["decision"] = OLD_DECISION
        names, shown = ", ".join(values), ", ".join(values.values())
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(COPIES.format(names=names, values=shown, count=count))
        cursor.execute("ANALYZE incidents_alert")
        cursor.execute("UPDATE incidents_alert SET decision = 'kept'")
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_what_waits_is_found_without_reading_what_was_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "DECIDED_AT_ONCE", 20)
    accept("decided")
    copy_decided(DECIDED)
    accept("alert-1")
    accept("alert-2", extension_id="ext.other")
    with seen_statements() as seen:
        assert decide_alerts() == 2
    reading = [one for one in seen.statements if "SELECT" in one.sql.split("(")[0]]
    read = {one.sql: rows_read(one) for one in reading}
    assert len(read) > 5
    assert {sql for sql, rows in read.items() if rows > DECIDED / 10} == set()


def rows_read(statement: Statement) -> int:
    """Return how many rows of alerts a statement takes in hand."""
    plan = read_plan(statement, analyze=True)
    assert plan is not None
    return sum(
        rows_of(node)
        for _, node in nodes(plan["Plan"])
        if node.get("Relation Name") == Alert._meta.db_table
    )
