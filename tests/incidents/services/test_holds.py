"""Holds: placed by one who works cases, released by a reviewer who is another."""

import pytest
from django.db import DatabaseError, connection, transaction

from evidence.errors import PermissionRefused
from evidence.models import AuditEntry
from incidents.case_queries import on_hold
from incidents.errors import IncidentError, SecondPersonMissing, TransitionError
from incidents.models import CaseHold, Incident, TimelineEntry
from incidents.services.archives.freezing import read_frozen
from incidents.services.archives.requests import request_archive
from incidents.services.lifecycle.holds import find_hold, place_hold, release_hold
from tests.conftest import make_user as make_person
from tests.factories import NOON, close_false_alarm, make_incident


@pytest.fixture
def case(db):
    return make_incident()


def place(case, actor, reason="A court asked for it."):
    return place_hold(actor=actor, incident_id=case.pk, reason=reason)


def release(case, actor, reason="The court is done."):
    return release_hold(actor=actor, incident_id=case.pk, reason=reason)


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_case_is_put_on_hold_open_or_closed(case, responder, is_closed):
    if is_closed:
        close_false_alarm(case)
    hold = place(case, responder)
    assert find_hold(case) == hold
    entry = AuditEntry.objects.get(action="hold.placed")
    assert (entry.actor_name, entry.reason) == ("responder", "A court asked for it.")
    assert (
        "Put on hold" in TimelineEntry.objects.filter(incident=case).latest("id").body
    )


def test_another_reviewer_releases_it_and_both_stay_in_sight(case, responder, reviewer):
    place(case, responder)
    hold = release(case, reviewer)
    assert find_hold(case) is None
    assert (hold.held_by, hold.released_by) == (responder, reviewer)
    assert AuditEntry.objects.get(action="hold.released").reason == "The court is done."
    assert place(case, responder).pk != hold.pk


def test_who_placed_a_hold_does_not_release_it(case, reviewer):
    place(case, reviewer)
    with pytest.raises(SecondPersonMissing):
        release(case, reviewer)
    assert find_hold(case) is not None
    release(case, make_person("second", "reviewer"))
    assert find_hold(case) is None


@pytest.mark.parametrize("act", [place, release])
def test_both_need_a_reason(case, responder, reviewer, act):
    if act is release:
        place(case, responder)
    with pytest.raises(IncidentError) as refused:
        act(case, reviewer, reason=" ")
    assert refused.value.code == "reason_missing"


def test_one_hold_stands_at_a_time_and_none_is_released_twice(
    case, responder, reviewer
):
    with pytest.raises(TransitionError, match="not on hold"):
        release(case, reviewer)
    place(case, responder)
    with pytest.raises(TransitionError, match="on hold already: responder"):
        place(case, reviewer)
    release(case, reviewer)
    with pytest.raises(TransitionError, match="not on hold"):
        release(case, reviewer)


@pytest.mark.parametrize("name", ["auditor", "administrator", "machine", "outsider"])
@pytest.mark.parametrize("act", [place, release])
def test_only_who_works_cases_holds_and_releases(case, request, responder, name, act):
    if act is release:
        place(case, responder)
    with pytest.raises(PermissionRefused):
        act(case, request.getfixturevalue(name))


def test_a_responder_releases_no_hold(case, responder):
    place(case, make_person("second", "responder"))
    with pytest.raises(PermissionRefused):
        release(case, responder)


def test_cases_are_narrowed_by_hold(case, responder, reviewer):
    other = make_incident()
    place(case, responder)
    place(other, responder)
    release(other, reviewer)
    assert list(on_hold(Incident.objects.all())) == [case]
    assert list(on_hold(Incident.objects.all(), held=False)) == [other]


def test_an_archive_tells_of_holds(case, responder):
    place(case, responder)
    archive = request_archive(
        incident_id=case.pk, actor=make_person("asker", "reviewer")
    )
    (row,) = read_frozen(archive).documents(CaseHold)
    assert (row["held_by"], row["reason"]) == ("responder", "A court asked for it.")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM incidents_casehold",
        "UPDATE incidents_casehold SET reason = 'Another.'",
        "UPDATE incidents_casehold SET held_at = now()",
        "UPDATE incidents_casehold SET incident_id = incident_id + 1",
        "UPDATE incidents_casehold SET released_at = now()",
        "UPDATE incidents_casehold SET released_at = now(), released_by_id ="
        " held_by_id, release_reason = 'Alone.'",
    ],
)
def test_the_database_keeps_a_hold_until_two_people_end_it(case, responder, statement):
    place(case, responder)
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_keeps_a_release(case, responder, reviewer):
    place(case, responder)
    release(case, reviewer)
    statement = (
        "UPDATE incidents_casehold SET released_at = NULL, released_by_id = NULL,"
        " release_reason = ''"
    )
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute(statement)


def test_the_database_takes_no_second_hold_and_none_without_a_reason(case, responder):
    row = {"incident": case, "held_at": NOON, "held_by": responder}
    with transaction.atomic(), pytest.raises(DatabaseError, match="hold_has_reason"):
        CaseHold.objects.create(reason="", **row)
    place(case, responder)
    with transaction.atomic(), pytest.raises(DatabaseError, match="case_held_once"):
        CaseHold.objects.create(reason="Again.", **row)
