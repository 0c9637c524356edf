"""Who sees few cases is led from these to their rows: the same rows as without."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.models import AuditEntry, case_bound
from evidence.models.case_bound import (
    Viewer,
    hidden_from,
    is_sparse,
    leave_out,
    listed,
    looked_at_by,
)
from incidents.models import Alert, CaseReader, Incident, LookIn, Team
from tests.factories import make_incident, make_user
from tests.incidents.restricted.canaries import case_bound_models
from tests.incidents.restricted.conftest import stranger

pytestmark = pytest.mark.django_db
AUDIT = reverse("admin:evidence_auditentry_changelist")


def keys(rows: Any) -> set[Any]:
    return set(rows.values_list("pk", flat=True))


def test_lists_of_who_sees_few_cases_have_the_same_rows(outsider: User) -> None:
    viewer = Viewer(lambda: outsider)
    with looked_at_by(viewer):
        assert viewer.few()
        found = {
            model._meta.label: (keys(model.objects.all()), keys(listed(model.objects)))
            for model in case_bound_models()
        }
    assert {label for label, (rows, led) in found.items() if rows != led} == set()
    assert sum(len(rows) > 0 for rows, _ in found.values()) > 20


def test_few_cases_are_found_in_each_way_that_shows_one(db: None) -> None:
    person, other = make_user(Role.REVIEWER, "bound"), make_user(Role.REVIEWER, "other")
    own = Team.objects.create(name="Sees only its own", sees_only_own_cases=True)
    own.members.add(person)
    # Opened, led, of the team, named, named by the team, looked into; then ended,
    # looked into no longer, and of others.
    cases = [make_incident(actor=who) for who in (person, *[other] * 8)]
    Incident.everything.update(lead=None)
    _, led, of_team, named, by_team, looked, ended, over, _ = cases
    Incident.everything.filter(pk=led.pk).update(lead=person)
    Incident.everything.filter(pk=of_team.pk).update(team=own)
    now = timezone.now()
    for case, whom in (
        (named, {"person": person}),
        (by_team, {"team": own}),
        (ended, {"person": person, "ended_at": now}),
    ):
        CaseReader.everything.create(incident=case, named_at=now, **whom)
    for case, since in ((looked, now), (over, now - dt.timedelta(days=2))):
        LookIn.everything.create(
            incident=case,
            person=person,
            reason="because",
            since=since,
            until=since + dt.timedelta(hours=1),
        )
    shown = {case.pk for case in cases[:6]}
    by_rule = leave_out(Incident.everything.all(), hidden_from(person))
    assert keys(by_rule) == shown
    assert keys(Incident.everything.visible_to(person)) == shown
    assert Viewer(lambda: person).few() == sorted(shown)


def test_a_case_that_came_to_be_shown_is_seen_within_the_same_request(
    outsider: User,
) -> None:
    viewer = Viewer(lambda: outsider)
    with looked_at_by(viewer):
        assert viewer.few()
        case = make_incident(actor=outsider)
        assert Incident.objects.visible_to(outsider).filter(pk=case.pk).exists()


def test_who_is_held_to_no_team_is_led_by_no_cases(outsider: User) -> None:
    free = stranger(Role.RESPONDER)
    viewer = Viewer(lambda: free)
    with looked_at_by(viewer):
        assert viewer.hidden()
        assert (viewer.few(), viewer.is_bound()) == (None, False)
        rows = Alert.objects.all()
        assert listed(rows) is rows
        assert not is_sparse(AuditEntry)


def test_who_sees_more_than_a_few_is_led_by_none_and_counted_a_page(
    outsider: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_bound, "FEW", 1)
    viewer = Viewer(lambda: outsider)
    with looked_at_by(viewer):
        assert (viewer.few(), viewer.is_bound()) == (None, True)
        assert is_sparse(Alert)
        rows = Alert.objects.all()
        assert listed(rows) is rows


def test_history_of_few_cases_is_counted_by_the_page_and_read_to_its_end(
    outsider: User, browse: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evidence.admin.history.AuditEntryAdmin.list_per_page", 5)
    with looked_at_by(Viewer(lambda: outsider)):
        shown = keys(AuditEntry.objects)
    client: Client = browse(outsider)
    page, found = client.get(AUDIT), []
    assert page.context["cl"].paginator.said_count == "more than 5"
    assert client.get(AUDIT, {"all": "1"}).context["cl"].result_list.count() == 5
    while True:
        found += [entry.pk for entry in page.context["cl"].result_list]
        onward = re.search(r'<a href="([^"]*)">Go on</a>', page.content.decode())
        if onward is None:
            break
        page = client.get(AUDIT + onward[1].replace("&amp;", "&"))
    assert len(found) == len(set(found))
    # What the walk itself made known, by its readings, came later.
    assert shown <= set(found)
