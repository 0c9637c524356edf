"""Action items: owned, due, outliving their case, reminding once each."""

import datetime as dt

import pytest
from django.db import DatabaseError, connection, transaction

from evidence.accounts.access import Role
from evidence.audit.history import incident_stream
from evidence.errors import PermissionRefused
from evidence.models import AuditEntry
from incidents.errors import EditConflict, IncidentError, ReasonMissing, TransitionError
from incidents.models import ActionItem, Notification
from incidents.notification_texts import path_of
from incidents.services.postmortems.action_item_reminders import remind_action_items
from incidents.services.postmortems.action_items import (
    ActionItemFields,
    add_action_item,
    close_action_item,
    edit_action_item,
    reopen_action_item,
)
from incidents.workflow.postmortem import ActionItemState, ActionItemType
from tests.factories import NOON, close_false_alarm, make_incident, make_user

pytestmark = pytest.mark.django_db
DUE = (NOON + dt.timedelta(days=10)).date()


def fields(**changes):
    values = {
        "text": "Watch the broker's log",
        "item_type": ActionItemType.DETECTIVE,
        "owner": make_user(),
        "due_on": DUE,
        "ticket": "bd-77",
        "ticket_url": "https://tickets.example.org/bd-77",
    }
    return ActionItemFields(**{**values, **changes})


def add(incident=None, *, actor=None, now=NOON, **changes) -> ActionItem:
    return add_action_item(
        actor=actor or make_user(),
        incident_id=(incident or make_incident()).pk,
        item=fields(**changes),
        now=now,
    )


def edit(row, *, revision=1, now=NOON, **changes) -> ActionItem:
    return edit_action_item(
        actor=make_user(),
        action_item_id=row.pk,
        revision=revision,
        item=fields(**changes),
        now=now,
    )


def at(day: dt.date, hour: int = 9) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour), tzinfo=dt.UTC)


def test_item_outlives_its_case():
    incident = make_incident()
    row = add(incident)
    close_false_alarm(incident, reason="a test")
    edit(row, text="Watch the log for a month")
    close_action_item(
        actor=make_user(),
        action_item_id=row.pk,
        state=ActionItemState.DONE,
        outcome="alert added",
    )
    row.refresh_from_db()
    assert (row.state, row.outcome) == ("done", "alert added")
    actions = AuditEntry.objects.filter(stream=incident_stream(incident.pk))
    assert {"action_item.added", "action_item.changed", "action_item.done"} <= set(
        actions.values_list("action", flat=True)
    )


def test_second_editor_is_told():
    row = add()
    edit(row, ticket="bd-78")
    with pytest.raises(EditConflict) as told:
        edit(row, text="Something else")
    assert {change.field for change in told.value.changes} == {"text", "ticket"}
    row.refresh_from_db()
    assert row.text == "Watch the broker's log"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "  "}, "1 to 500 characters"),
        ({"text": "x" * 501}, "1 to 500 characters"),
        ({"ticket_url": "javascript:alert(1)"}, "http:// or https://"),
        ({"ticket_url": "https://a b"}, "http:// or https://"),
        ({"due_on": NOON.date() - dt.timedelta(days=1)}, "Choose today or a later day"),
    ],
)
def test_item_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(IncidentError, match=message):
        add(**changes)


def test_owner_has_to_be_able_to_work_cases():
    with pytest.raises(IncidentError, match="active responder or reviewer"):
        add(owner=make_user(Role.AUDITOR))


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None])
def test_others_cannot_change_items(role):
    row, actor = add(), make_user(role)
    with pytest.raises(PermissionRefused):
        add(row.incident, actor=actor)
    with pytest.raises(PermissionRefused):
        close_action_item(
            actor=actor,
            action_item_id=row.pk,
            state=ActionItemState.DONE,
            outcome="x",
        )


def test_closing_needs_an_outcome_and_can_be_taken_back():
    row = add()
    with pytest.raises(ReasonMissing):
        close_action_item(
            actor=make_user(),
            action_item_id=row.pk,
            state=ActionItemState.DROPPED,
            outcome="",
        )
    close_action_item(
        actor=make_user(),
        action_item_id=row.pk,
        state=ActionItemState.DROPPED,
        outcome="superseded",
    )
    with pytest.raises(TransitionError, match="open it again"):
        edit(row, revision=2, text="x")
    reopen_action_item(actor=make_user(), action_item_id=row.pk, reason="not so")
    row.refresh_from_db()
    assert row.is_open
    entry = AuditEntry.objects.get(action="action_item.opened_again")
    assert entry.before == {"state": "dropped", "outcome": "superseded"}


def test_reminders_come_before_on_and_after_the_day_once_each():
    row = add()
    due = at(DUE, 8)
    expected = [
        (due - dt.timedelta(days=3, seconds=1), 0),
        (due - dt.timedelta(days=3), 1),
        (due - dt.timedelta(seconds=1), 0),
        (due, 1),
        (due + dt.timedelta(hours=5), 0),
        (due + dt.timedelta(days=1), 1),
        (due + dt.timedelta(days=7), 0),
        (due + dt.timedelta(days=8), 1),
    ]
    for moment, count in expected:
        assert remind_action_items(now=moment) == count, moment
        assert remind_action_items(now=moment) == 0
    assert Notification.objects.filter(kind="reminder").count() == 4
    assert {path_of(note) for note in Notification.objects.filter(kind="reminder")} == {
        f"/admin/incidents/actionitem/{row.pk}/change/"
    }


def test_reminder_missed_while_workers_were_down_is_the_newest_only():
    add()
    assert remind_action_items(now=at(DUE + dt.timedelta(days=30))) == 1
    assert Notification.objects.filter(kind="reminder").count() == 1


def test_new_due_date_reminds_anew_and_a_closed_item_never():
    row = add()
    remind_action_items(now=at(DUE))
    edit(row, due_on=DUE + dt.timedelta(days=20), now=at(DUE))
    assert remind_action_items(now=at(DUE + dt.timedelta(days=20))) == 1
    close_action_item(
        actor=make_user(),
        action_item_id=row.pk,
        state=ActionItemState.DONE,
        outcome="done",
    )
    assert remind_action_items(now=at(DUE + dt.timedelta(days=60))) == 0


def test_overdue_item_is_told_to_the_lead_too():
    lead = make_user(Role.REVIEWER)
    add(make_incident(lead=lead))
    remind_action_items(now=at(DUE + dt.timedelta(days=2)))
    told = Notification.objects.filter(kind="reminder").values_list(
        "recipient__username", flat=True
    )
    assert set(told) == {"responder", "reviewer"}


def test_reminding_many_asks_a_fixed_number_of_questions(
    django_assert_max_num_queries,
):
    incident = make_incident()
    for number in range(5):
        add(incident, text=f"item {number}")
    remind_action_items(now=at(DUE))
    with django_assert_max_num_queries(2):
        assert remind_action_items(now=at(DUE)) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM incidents_actionitem",
        "UPDATE incidents_actionitem SET created_at = now()",
        "UPDATE incidents_actionitem SET state = 'done'",
        "UPDATE incidents_actionitem SET item_type = 'wishful'",
    ],
)
def test_database_keeps_items(statement):
    add()
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
