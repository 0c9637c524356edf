"""Evidence that comes late says so, and void files are marked."""

import datetime as dt

import pytest

from evidence.accounts.access import Role
from incidents.models import Incident
from incidents.services.gates.late_evidence import find_late
from incidents.services.postmortems.archive import find_void_files
from incidents.services.postmortems.drafts import take_up_again
from incidents.workflow.phases import Phase
from tests.factories import (
    NOON,
    close_false_alarm,
    make_evidence,
    make_incident,
    make_user,
)
from tests.incidents.postmortem.cases import make_signed
from tests.incidents.services.test_phases import reach

pytestmark = pytest.mark.django_db
LATER = NOON + dt.timedelta(hours=1)
LATEST = NOON + dt.timedelta(hours=2)


def late_words(incident: Incident) -> list[str]:
    items = incident.evidence_items.order_by("pk")
    return [find_late(incident, items).get(one.pk, "") for one in items]


def test_evidence_in_time_is_not_late():
    incident = make_incident()
    make_evidence(incident)
    assert late_words(incident) == [""]


def test_evidence_after_verify_is_late_and_moves_the_last_activity():
    incident = make_incident()
    make_evidence(incident)
    reach(incident, Phase.ANALYZE)
    make_evidence(incident, vector="redacted-full", now=LATEST)
    assert late_words(incident) == ["", "Late: after VERIFY was complete"]
    assert Incident.objects.get(pk=incident.pk).last_activity_at == LATEST


def test_evidence_after_closing_is_late():
    incident = make_incident()
    close_false_alarm(incident, now=LATER)
    make_evidence(incident, now=LATEST)
    assert late_words(incident) == ["Late: after the case was closed"]


def test_files_of_a_void_signature_are_marked_and_others_are_not():
    version = make_signed()
    incident = version.postmortem.incident
    assert find_void_files(incident) == {}
    take_up_again(
        actor=make_user(), postmortem_id=version.postmortem_id, reason="one more"
    )
    marked = find_void_files(incident)
    assert len(marked) == 3
    assert set(marked.values()) == {"Void: version 1 was taken up again"}


def test_page_marks_late_evidence(client):
    incident = make_incident()
    close_false_alarm(incident, now=LATER)
    make_evidence(incident, now=LATEST)
    client.force_login(make_user(Role.AUDITOR))
    page = client.get(
        f"/admin/incidents/incident/{incident.pk}/change/?tab=evidence"
    ).content.decode()
    assert "Late: after the case was closed" in page
