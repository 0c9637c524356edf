"""Marks of handling: tightened by one person, loosened by two."""

import datetime as dt

import pytest
from django.db import DatabaseError, connection

from evidence.errors import PermissionRefused
from evidence.handling import LOOSENINGS, Tlp, strictest
from evidence.models import AuditEntry, EvidenceItem, MarkChange
from incidents.errors import IncidentError, IncidentNotFound, TransitionError
from incidents.models import Incident, LooseningRequest, TimelineEntry
from incidents.services.lifecycle.marks import (
    approve_loosening,
    decline_loosening,
    lapse_loosenings,
    set_mark,
    withdraw_loosening,
)
from incidents.services.notifications.waiting import waiting_for
from policy.errors import PolicyConflict, PolicyForbidden
from policy.models import RequestState
from policy.services.requests import REQUEST_LIFETIME
from tests.conftest import make_user as make_person
from tests.factories import NOON, close_false_alarm, make_evidence, make_incident


@pytest.fixture
def case(db):
    return make_incident()


def marked(case):
    return Incident.objects.get(pk=case.pk).mark


def mark_of(item):
    return EvidenceItem.objects.get(pk=item.pk).tlp


def ask(case, actor, tlp=Tlp.GREEN, **more):
    return set_mark(
        actor=actor, incident_id=case.pk, tlp=tlp, reason="It is public by now.", **more
    )


def test_a_new_case_is_amber_and_so_is_what_it_holds(case):
    assert marked(case) is Tlp.AMBER
    assert mark_of(make_evidence(case)) is Tlp.AMBER


def test_a_mark_is_tightened_at_once_and_recorded(case, responder):
    item = make_evidence(case)
    assert set_mark(actor=responder, incident_id=case.pk, tlp="red") is None
    assert marked(case) is mark_of(item) is Tlp.RED
    entry = AuditEntry.objects.get(action="incident.marked")
    assert (entry.before["tlp"], entry.after["tlp"]) == ("amber", "red")
    assert "TLP:RED" in TimelineEntry.objects.filter(incident=case).latest("id").body
    change = MarkChange.objects.get()
    assert (change.changed_by, change.approved_by) == (responder, None)


def test_an_item_is_marked_stricter_than_its_case_by_itself(case, responder):
    item, other = make_evidence(case), make_evidence(case, vector="tampered-count")
    set_mark(actor=responder, incident_id=case.pk, tlp=Tlp.RED, item_id=item.pk)
    assert mark_of(item) is Tlp.RED
    assert mark_of(other) is marked(case) is Tlp.AMBER
    assert AuditEntry.objects.get(action="evidence.marked").after["tlp"] == "red"


@pytest.mark.parametrize("has_item", [False, True])
def test_a_looser_mark_waits_for_somebody_else(case, responder, reviewer, has_item):
    item = make_evidence(case) if has_item else None
    more = {"item_id": item.pk} if item else {}
    set_mark(actor=responder, incident_id=case.pk, tlp=Tlp.RED, **more)
    request = ask(case, reviewer, Tlp.AMBER, **more)
    held = (lambda: mark_of(item)) if item else (lambda: marked(case))
    assert held() is Tlp.RED
    with pytest.raises(PolicyForbidden, match="somebody other"):
        approve_loosening(actor=reviewer, request_id=request.pk)
    with pytest.raises(PermissionRefused):
        approve_loosening(actor=responder, request_id=request.pk)
    assert held() is Tlp.RED

    second = make_person("second", "reviewer")
    approve_loosening(actor=second, request_id=request.pk)
    assert held() is Tlp.AMBER
    change = MarkChange.objects.latest("id")
    assert (change.changed_by, change.approved_by) == (reviewer, second)
    action = "evidence.marked" if item else "incident.marked"
    entry = AuditEntry.objects.filter(action=action).latest("id")
    assert (entry.actor_name, entry.after["asked_by"]) == ("second", "reviewer")


def test_a_looser_mark_needs_a_reason(case, responder):
    with pytest.raises(IncidentError) as refused:
        set_mark(actor=responder, incident_id=case.pk, tlp=Tlp.CLEAR, reason="  ")
    assert refused.value.code == "reason_missing"
    assert not LooseningRequest.objects.exists()


def test_one_request_waits_at_a_time(case, responder):
    ask(case, responder)
    with pytest.raises(TransitionError, match="asked for already"):
        ask(case, responder, Tlp.CLEAR)


def test_a_request_is_void_once_the_mark_moved_on(case, responder, reviewer):
    request = ask(case, responder)
    set_mark(actor=responder, incident_id=case.pk, tlp=Tlp.RED)
    with pytest.raises(TransitionError, match="TLP:RED by now"):
        approve_loosening(actor=reviewer, request_id=request.pk)
    assert marked(case) is Tlp.RED
    decline_loosening(actor=reviewer, request_id=request.pk, reason="Asked of another.")
    assert ask(case, responder, Tlp.AMBER).state == RequestState.PENDING


def test_what_is_declined_or_withdrawn_changes_nothing(case, responder, reviewer):
    declined = ask(case, responder)
    decline_loosening(actor=reviewer, request_id=declined.pk, reason="It is not.")
    withdrawn = ask(case, responder)
    with pytest.raises(PolicyForbidden):
        withdraw_loosening(actor=reviewer, request_id=withdrawn.pk)
    withdraw_loosening(actor=responder, request_id=withdrawn.pk)
    for request in (declined, withdrawn):
        with pytest.raises(PolicyConflict):
            approve_loosening(actor=reviewer, request_id=request.pk)
    assert marked(case) is Tlp.AMBER
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {"mark_loosening.declined", "mark_loosening.withdrawn"} <= actions


def test_a_request_lapses_when_nobody_decides(case, responder, reviewer):
    request = ask(case, responder, now=NOON)
    late = NOON + REQUEST_LIFETIME
    assert lapse_loosenings(now=late - dt.timedelta(seconds=1)) == 0
    assert lapse_loosenings(now=late) == 1
    assert lapse_loosenings(now=late) == 0
    with pytest.raises(PolicyConflict):
        approve_loosening(actor=reviewer, request_id=request.pk, now=late)


def test_a_request_waits_on_the_page_of_who_may_decide_it(case, responder, reviewer):
    request = ask(case, reviewer)
    other = make_person("second", "reviewer")
    assert waiting_for(reviewer) == waiting_for(responder) == []
    (waiting,) = waiting_for(other)
    assert (waiting.kind, waiting.about) == ("loosening", case)
    assert "TLP:GREEN" in waiting.text
    withdraw_loosening(actor=reviewer, request_id=request.pk)
    assert waiting_for(other) == []


def test_an_item_is_never_handled_more_openly_than_its_case(case, responder):
    item = make_evidence(case)
    with pytest.raises(TransitionError, match="have the case's mark loosened first"):
        ask(case, responder, Tlp.GREEN, item_id=item.pk)


def test_a_closed_case_is_marked_too(case, responder):
    close_false_alarm(case)
    set_mark(actor=responder, incident_id=case.pk, tlp=Tlp.RED)
    assert marked(case) is Tlp.RED


def test_the_mark_that_it_has_is_no_change(case, responder):
    with pytest.raises(TransitionError, match="marked TLP:AMBER already"):
        set_mark(actor=responder, incident_id=case.pk, tlp=Tlp.AMBER)


def test_an_unknown_mark_and_another_cases_item_are_refused(case, responder):
    with pytest.raises(IncidentError) as refused:
        set_mark(actor=responder, incident_id=case.pk, tlp="amber+strict")
    assert refused.value.code == "unknown_mark"
    item = make_evidence(make_incident())
    with pytest.raises(IncidentNotFound):
        set_mark(actor=responder, incident_id=case.pk, tlp="red", item_id=item.pk)


@pytest.mark.parametrize("name", ["auditor", "administrator", "machine", "outsider"])
def test_only_who_works_cases_marks_them(case, request, name):
    with pytest.raises(PermissionRefused):
        set_mark(actor=request.getfixturevalue(name), incident_id=case.pk, tlp=Tlp.RED)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE incidents_incident SET tlp = 'clear'",
        "UPDATE evidence_evidenceitem SET own_tlp = 'green'",
        "UPDATE evidence_evidenceitem SET own_tlp = 'red'",
        "UPDATE incidents_incident SET tlp = 'red'",
    ],
)
def test_the_database_takes_no_mark_without_its_change(case, statement):
    make_evidence(case)
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(("before", "after"), LOOSENINGS)
def test_the_database_takes_no_loosening_by_one_person(case, responder, before, after):
    alone = {"reason": "x", "changed_at": NOON, "changed_by": responder}
    with pytest.raises(DatabaseError, match="mark_loosened_by_two"):
        MarkChange.objects.create(
            incident=case,
            from_tlp=before,
            to_tlp=after,
            approved_by=responder,
            **alone,
        )


def test_the_strictest_of_marks_counts():
    assert strictest() is Tlp.CLEAR
    assert strictest("green", Tlp.RED, "amber") is Tlp.RED
    assert [mark.label for mark in Tlp] == [
        *("TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:RED")
    ]
