"""Opening a case: reference, phases, clocks, and what is refused."""

import contextlib
import datetime as dt
import zoneinfo
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from evidence.accounts.access import Role
from evidence.audit.history import incident_stream, verify_stream
from evidence.errors import CasefileError, PermissionRefused
from evidence.models import AuditEntry
from incidents.errors import IncidentError
from incidents.models import Incident, ReferenceCounter
from tests.factories import NOON, make_incident, make_playbooks, make_user

pytestmark = pytest.mark.django_db


def test_opening_gives_the_next_reference_of_the_year():
    first, second = make_incident(), make_incident()
    assert first.reference == "SEC-INC-2026-0001"
    assert second.reference == "SEC-INC-2026-0002"


def test_opening_plans_seven_phases_with_their_clocks():
    phases = make_incident().current_cycle.phases.all()
    minutes = {
        phase.phase: (phase.due_at - NOON).total_seconds() / 60
        for phase in phases
        if phase.due_at
    }
    assert minutes == {
        "contain": 5,
        "collect": 15,
        "verify": 30,
        "analyze": 120,
    }
    assert [phase.position for phase in phases] == list(range(7))


def test_opening_makes_the_checklist_of_the_playbook_version():
    cycle = make_incident(playbook="INC-3").current_cycle
    document = cycle.incident.playbook_version.document
    keys = [planned["key"] for planned in document["checklist"]]
    assert list(cycle.checklist.values_list("key", flat=True)) == keys
    assert not cycle.checklist.exclude(state="open").exists()


def test_detect_completes_by_itself_and_contain_runs():
    cycle = make_incident().current_cycle
    assert cycle.phases.get(phase="detect").completed_at == NOON
    assert cycle.running_phase.phase == "contain"


def test_opening_writes_timeline_and_history():
    incident = make_incident(actor=make_user())
    assert "`ext.weather`" in incident.timeline.get().body
    entry = AuditEntry.objects.get(stream=incident_stream(incident.pk))
    assert (entry.action, entry.actor_name) == ("incident.opened", "responder")
    assert verify_stream(incident_stream(incident.pk)) == []


def test_extension_is_made_on_first_mention_only():
    first = make_incident(extension_ids=("ext.a", "ext.b"))
    second = make_incident(extension_ids=("ext.b",))
    assert first.extensions.count() == 2
    assert second.extensions.get().first_seen_in == first.reference


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None])
def test_only_those_who_work_cases_open_one(role):
    with pytest.raises(PermissionRefused, match=r"add incident"):
        make_incident(actor=make_user(role))
    assert not Incident.objects.exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"title": "  "}, "title of 1 to 200"),
        ({"title": "x" * 201}, "This one has 201"),
        ({"detected_at": NOON + dt.timedelta(hours=1)}, "that has passed"),
        ({"detected_at": dt.datetime(2026, 3, 10, 12)}, "time zone"),
        (
            {"detected_at": dt.datetime(1, 1, 1, tzinfo=zoneinfo.ZoneInfo("Japan"))},
            "between 2000-01-01",
        ),
        ({"labels": ["x" * 51]}, "51 characters, and 50 are the most"),
    ],
)
def test_bad_input_is_refused_with_what_was_expected(fields, message):
    make_playbooks()
    with pytest.raises(CasefileError, match=message):
        make_incident(**fields)


def test_label_comes_without_nul():
    incident = make_incident(labels=["pro\x00duction", "\x00", "production"])
    incident.refresh_from_db()
    assert incident.labels == ["production"]


@pytest.mark.django_db(transaction=True)
def test_concurrent_openings_leave_no_gap_and_no_duplicate():
    version = make_playbooks()["INC-1"]

    def open_some(worker: int) -> None:
        try:
            for turn in range(5):
                fails = (worker + turn) % 3 == 0
                with contextlib.suppress(IncidentError):
                    make_incident(
                        playbook_version=version,
                        extension_ids=("ext.z", "ext.a"),
                        # Refused after the number was taken, so it is rolled back.
                        labels=["x" * 51] if fails else [],
                    )
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_some, range(4)))
    numbers = sorted(Incident.objects.values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) == 13
    assert ReferenceCounter.objects.get().last_number == len(numbers)


@pytest.mark.parametrize("code", [f"INC-{number}" for number in range(1, 7)])
def test_without_a_severity_a_case_starts_with_its_playbooks(code):
    version = make_playbooks()[code]
    incident = make_incident(playbook=code, severity=None)
    assert incident.severity == version.document["default_severity"]
