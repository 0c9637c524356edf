"""Alerts moved into a case and split from it by hand."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from evidence.accounts.access import PermissionRefused
from evidence.models import AuditEntry
from incidents.errors import AlertRefused, IncidentClosed, ReasonMissing
from incidents.models import Incident, TimelineEntry, TimelineKind
from incidents.services.alerts.moves import move_alerts, split_alerts
from tests.factories import NOON, OUTCOME, make_incident
from tests.incidents.alerts.samples import EXTENSION, receive_one

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rules")]


def make_target(**fields: object) -> Incident:
    values = {"playbook": "INC-6", "extension_ids": ("ext.other",), "severity": "low"}
    return make_incident(**{**values, **fields})


def test_kept_alert_is_moved_into_a_case(responder: User) -> None:
    alert, case = receive_one(severity="info"), make_target()
    moved = move_alerts(
        actor=responder, alert_ids=[alert.pk], incident_id=case.pk, reason="same host"
    )
    alert.refresh_from_db()
    assert [alert.pk for alert in moved] == [alert.pk]
    assert alert.incident == case
    assert alert.decision == "kept"
    step = alert.assignments.get()
    assert (step.kind, step.assigned_by, step.reason) == (
        "moved",
        responder,
        "same host",
    )
    assert {extension.extension_id for extension in case.extensions.all()} == {
        EXTENSION,
        "ext.other",
    }


def test_moving_from_one_case_to_another_is_told_in_both(responder: User) -> None:
    alert, target = receive_one(), make_target()
    source = alert.incident
    move_alerts(
        actor=responder, alert_ids=[alert.pk], incident_id=target.pk, reason="there"
    )
    for case in (source, target):
        entry = AuditEntry.objects.get(
            stream=f"incident:{case.pk}", action="alerts.moved"
        )
        assert entry.before == {"incident_by_alert": {str(alert.pk): source.reference}}
        assert entry.after["incident"] == target.reference
        lines = TimelineEntry.objects.filter(incident=case, kind=TimelineKind.ALERT)
        assert "there" in lines.order_by("pk").last().body


def test_moved_alert_raises_the_severity(responder: User) -> None:
    alert, target = receive_one(), make_target()
    move_alerts(
        actor=responder, alert_ids=[alert.pk], incident_id=target.pk, reason="there"
    )
    target.refresh_from_db()
    assert target.severity == "critical"


def test_moved_alert_never_lowers_the_severity(responder: User) -> None:
    alert, target = receive_one(), make_target(severity="critical")
    move_alerts(
        actor=responder, alert_ids=[alert.pk], incident_id=target.pk, reason="there"
    )
    target.refresh_from_db()
    assert (target.severity, target.revision) == ("critical", 1)


def test_moving_where_it_is_already_changes_nothing(responder: User) -> None:
    alert = receive_one()
    arguments = {"alert_ids": [alert.pk], "incident_id": alert.incident_id}
    assert move_alerts(actor=responder, reason="again", **arguments) == []
    assert alert.assignments.count() == 1


def test_split_alert_is_kept_and_the_severity_stays(responder: User) -> None:
    alert = receive_one()
    case = alert.incident
    split_alerts(actor=responder, alert_ids=[alert.pk], reason="a test run")
    alert.refresh_from_db()
    case.refresh_from_db()
    assert alert.incident is None
    assert case.severity == "critical"
    assert [assignment.kind for assignment in alert.assignments.all()] == [
        "opened",
        "split",
    ]
    assert AuditEntry.objects.filter(action="alerts.split").count() == 1


def test_split_alert_counts_for_no_rule_again(responder: User) -> None:
    members = {"category": "quota_breach", "severity": "warning"}
    rows = [receive_one(f"w{i}", **members) for i in range(5)]
    case = rows[-1].incident
    split_alerts(actor=responder, alert_ids=[row.pk for row in rows], reason="tests")
    Incident.objects.filter(pk=case.pk).update(
        status="closed_false_alarm",
        closing_reason="r",
        closed_at=NOON,
        **OUTCOME,
    )
    assert receive_one("w5", **members).decision == "kept"


def test_split_of_a_kept_alert_changes_nothing(responder: User) -> None:
    alert = receive_one(severity="info")
    assert split_alerts(actor=responder, alert_ids=[alert.pk], reason="x") == []


def test_alert_leaves_a_closed_case_by_a_reviewer_and_enters_none(
    responder: User, reviewer: User
) -> None:
    alert, target = receive_one(), make_target()
    for case in (alert.incident, target):
        Incident.objects.filter(pk=case.pk).update(
            status="closed_false_alarm",
            closing_reason="r",
            closed_at=NOON,
            **OUTCOME,
        )
    with pytest.raises(IncidentClosed, match="reopen it"):
        move_alerts(
            actor=responder, alert_ids=[alert.pk], incident_id=target.pk, reason="x"
        )
    with pytest.raises(PermissionRefused, match="“review: waive"):
        split_alerts(actor=responder, alert_ids=[alert.pk], reason="x")
    with pytest.raises(PermissionRefused, match="“review: waive"):
        move_alerts(
            actor=responder,
            alert_ids=[alert.pk],
            incident_id=make_target().pk,
            reason="x",
        )
    source = alert.incident
    assert split_alerts(actor=reviewer, alert_ids=[alert.pk], reason="x")
    entry = AuditEntry.objects.get(
        stream=f"incident:{source.pk}", action="alerts.split"
    )
    assert (entry.after["cycle"], entry.after["case_was_open"]) == (1, False)


def test_reason_is_needed(responder: User) -> None:
    alert = receive_one()
    with pytest.raises(ReasonMissing):
        split_alerts(actor=responder, alert_ids=[alert.pk], reason="  ")


def test_alert_that_does_not_exist_is_refused(responder: User) -> None:
    with pytest.raises(AlertRefused, match="does not exist"):
        split_alerts(actor=responder, alert_ids=[10**9], reason="x")


def test_those_who_may_not_work_cases_move_nothing(
    auditor: User, machine: User, administrator: User
) -> None:
    alert = receive_one()
    for actor in (auditor, machine, administrator):
        with pytest.raises(PermissionRefused):
            split_alerts(actor=actor, alert_ids=[alert.pk], reason="x")
        with pytest.raises(PermissionRefused):
            move_alerts(
                actor=actor,
                alert_ids=[alert.pk],
                incident_id=alert.incident_id,
                reason="x",
            )
