"""A case whose every phase is complete is closed with its outcome and its lead."""

from __future__ import annotations

import datetime as dt

import pytest

from evidence.accounts.access import Role
from evidence.errors import PermissionRefused
from incidents.errors import IncidentError
from incidents.models import Incident
from incidents.services.lifecycle.closing import close_incident
from tests.factories import NOON, make_outcome, make_user
from tests.incidents.ready import make_ready
from tests.shared import share

pytestmark = pytest.mark.long

LATER = NOON + dt.timedelta(hours=1)
TRUE = {
    "resolution": "true_positive",
    "functional_impact": "high",
    "information_impact": "privacy_breach",
    "recoverability": "extended",
}

_kept, ready, _django_db_helper, evidence_folder = share(make_ready)


def close(incident: Incident, *, role: Role | None = Role.RESPONDER, **values):
    return close_incident(
        actor=make_user(role),
        incident_id=incident.pk,
        outcome=make_outcome(**TRUE),
        now=LATER,
        **{"lead": make_user(), **values},
    )


def last_line(incident: Incident) -> str:
    return incident.timeline.order_by("-id")[0].body


def test_outcome_and_lead_are_kept_and_told(ready):
    close(ready)
    ready.refresh_from_db()
    assert ready.outcome == make_outcome(**TRUE)
    assert (ready.resolution, ready.functional_impact) == ("true_positive", "high")
    assert ready.lead == make_user()
    assert "True positive, functional impact high" in last_line(ready)


def test_case_without_a_lead_stays_open(ready):
    with pytest.raises(IncidentError, match="has no lead") as refused:
        close(ready, lead=None)
    assert refused.value.code == "lead_missing"
    ready.refresh_from_db()
    assert ready.is_open


def test_case_keeps_the_lead_that_it_has(ready):
    Incident.objects.filter(pk=ready.pk).update(lead=make_user(username="lea"))
    close(ready, lead=None)
    assert Incident.objects.get(pk=ready.pk).lead.username == "lea"


def test_lead_is_somebody_who_works_cases(ready):
    with pytest.raises(IncidentError, match="active responder or reviewer"):
        close(ready, lead=make_user(Role.AUDITOR))


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR, None])
def test_others_do_not_close(ready, role):
    with pytest.raises(PermissionRefused):
        close(ready, role=role)
