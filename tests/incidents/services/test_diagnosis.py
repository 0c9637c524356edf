"""A diagnosis of tampering makes a case of the ledger critical, with its reason."""

import datetime as dt
from functools import partial

import pytest

from evidence.models import AuditEntry
from incidents.models import Incident
from incidents.services.lifecycle.diagnosis import follow_diagnosis, sweep_diagnoses
from incidents.services.lifecycle.editing import IncidentChanges, edit_incident
from incidents.services.lifecycle.reclassifying import reclassify_incident
from incidents.tasks import follow_diagnosis_task
from incidents.workflow.incident_states import Severity
from tests.factories import (
    NOON,
    close_false_alarm,
    make_evidence,
    make_incident,
    make_playbooks,
    make_user,
)

pytestmark = pytest.mark.django_db
SOON = NOON + dt.timedelta(minutes=1)
TAMPERED = "tampered-removed-entry"


def severity_of(incident: Incident) -> str:
    return Incident.objects.get(pk=incident.pk).severity


def test_tampering_makes_a_ledger_case_critical_as_soon_as_it_is_diagnosed(
    django_capture_on_commit_callbacks,
):
    incident = make_incident(playbook="INC-3", severity=Severity.HIGH)
    with django_capture_on_commit_callbacks() as callbacks:
        make_evidence(incident, vector=TAMPERED)
    queued = [callback.args for callback in callbacks if isinstance(callback, partial)]
    assert ("incidents.follow_diagnosis", [incident.pk]) in queued
    follow_diagnosis_task(incident.pk)
    assert severity_of(incident) == Severity.CRITICAL
    entry = AuditEntry.objects.filter(action="incident.edited").latest("id")
    assert "is tampering (verification report" in entry.reason
    assert "full security audit" in entry.reason


@pytest.mark.parametrize(
    ("playbook", "vector"),
    [("INC-3", "corrupt-one-entry"), ("INC-3", "plain"), ("INC-2", TAMPERED)],
)
def test_nothing_else_does(playbook, vector):
    incident = make_incident(playbook=playbook, severity=Severity.HIGH)
    make_evidence(incident, vector=vector)
    assert not follow_diagnosis(incident_id=incident.pk, now=SOON)
    assert severity_of(incident) == Severity.HIGH


def test_it_is_done_once():
    incident = make_incident(playbook="INC-3", severity=Severity.LOW)
    make_evidence(incident, vector=TAMPERED)
    assert follow_diagnosis(incident_id=incident.pk, now=SOON)
    assert not follow_diagnosis(incident_id=incident.pk, now=SOON)


def test_a_case_that_becomes_one_of_the_ledger_is_judged_anew():
    incident = make_incident(playbook="INC-2", severity=Severity.HIGH)
    make_evidence(incident, vector=TAMPERED)
    reclassify_incident(
        actor=make_user(),
        incident_id=incident.pk,
        playbook_version=make_playbooks()["INC-3"],
        reason="The ledger itself was altered.",
        now=SOON,
    )
    assert severity_of(incident) == Severity.CRITICAL


def test_a_closed_case_stays_as_it_was():
    incident = make_incident(playbook="INC-3", severity=Severity.HIGH)
    make_evidence(incident, vector=TAMPERED)
    close_false_alarm(incident, now=SOON)
    assert not follow_diagnosis(incident_id=incident.pk, now=SOON)
    assert severity_of(incident) == Severity.HIGH


def test_a_diagnosis_whose_message_was_lost_is_followed_by_the_sweep():
    incident = make_incident(playbook="INC-3", severity=Severity.HIGH)
    make_evidence(incident, vector=TAMPERED)
    assert sweep_diagnoses() == 1
    assert severity_of(incident) == Severity.CRITICAL
    assert sweep_diagnoses() == 0


def test_a_severity_that_a_person_lowered_since_stays():
    incident = make_incident(playbook="INC-3", severity=Severity.HIGH)
    make_evidence(incident, vector=TAMPERED)
    sweep_diagnoses()
    edit_incident(
        actor=make_user(),
        incident_id=incident.pk,
        revision=Incident.objects.get(pk=incident.pk).revision,
        changes=IncidentChanges(severity=Severity.LOW),
        reason="A drill.",
    )
    assert sweep_diagnoses() == 0
    assert severity_of(incident) == Severity.LOW
