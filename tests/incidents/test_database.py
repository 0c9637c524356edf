"""What the database itself keeps of cases, tried past every service by raw SQL."""

import pytest
from django.db import DatabaseError, connection, transaction

from incidents.models import Incident, ReferenceCounter, Team
from incidents.services.lifecycle.links import link_ticket
from incidents.workflow.phases import Phase
from tests.factories import make_incident, make_user
from tests.incidents.services.test_phases import reach

pytestmark = pytest.mark.django_db


def execute(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM incidents_ticketlink",
        "UPDATE incidents_ticketlink SET ticket = 'OTHER-1'",
        "UPDATE incidents_ticketlink SET url = 'https://example.org/'",
        "TRUNCATE incidents_ticketlink CASCADE",
        "DELETE FROM incidents_referencecounter",
        "UPDATE incidents_referencecounter SET last_number = last_number - 1",
        "UPDATE incidents_referencecounter SET year = 1999",
        "DELETE FROM incidents_playbook",
        "UPDATE incidents_playbook SET code = code || 'x'",
        "DELETE FROM incidents_team",
    ],
)
def test_row_stays(statement: str) -> None:
    incident = make_incident()
    link_ticket(actor=make_user(), incident_id=incident.pk, ticket="SEC-1")
    Team.objects.create(name="blue")
    with pytest.raises(DatabaseError, match=r"annot|append-only"):
        execute(statement)


def test_counter_goes_upwards() -> None:
    first, second = make_incident(), make_incident()
    assert second.number == first.number + 1
    assert ReferenceCounter.objects.get(year=second.year).last_number == second.number


def test_title_of_a_playbook_and_name_of_a_team_can_change() -> None:
    incident = make_incident()
    Team.objects.create(name="blue")
    execute("UPDATE incidents_playbook SET title = 'Another title'")
    execute("UPDATE incidents_team SET name = 'red'")
    incident.playbook_version.playbook.refresh_from_db()
    assert incident.playbook_version.playbook.title == "Another title"
    assert Team.objects.get().name == "red"


CLOSE = "UPDATE incidents_incident SET status = '{}', closed_at = now()"


@pytest.fixture
def nearly_done() -> Incident:
    """Return a case whose phases are complete up to POSTMORTEM, which runs."""
    incident = make_incident()
    reach(incident, Phase.POSTMORTEM)
    return incident


def test_case_with_open_phases_is_not_closed(nearly_done: Incident) -> None:
    with pytest.raises(DatabaseError, match="is closed after its postmortem"):
        execute(CLOSE.format("closed"))


@pytest.mark.parametrize("status", ["closed_duplicate", "closed_false_alarm"])
def test_case_is_not_closed_early_without_a_reason(
    nearly_done: Incident, status: str
) -> None:
    with pytest.raises(DatabaseError, match=r"early_has_reason|names_original"):
        execute(CLOSE.format(status))


def test_case_moves_only_from_open_to_closed_and_back(nearly_done: Incident) -> None:
    early = CLOSE.format("closed_false_alarm") + (
        ", closing_reason = 'r', resolution = 'benign'"
        ", functional_impact = 'none', information_impact = 'none'"
    )
    execute(early)
    with pytest.raises(DatabaseError, match="Invalid transition"):
        execute("UPDATE incidents_incident SET status = 'closed_duplicate'")
    execute(
        "UPDATE incidents_incident SET status = 'open', closed_at = NULL,"
        " resolution = '', functional_impact = '', information_impact = ''"
    )


@pytest.mark.parametrize("status", ["closed", "closed_false_alarm"])
def test_no_case_starts_closed(status: str) -> None:
    opened = make_incident()
    opened.pk, opened._state.adding = None, True
    opened.number, opened.reference, opened.status = 999, "SEC-INC-2026-0999", status
    opened.closed_at, opened.closing_reason = opened.detected_at, "r"
    with transaction.atomic(), pytest.raises(DatabaseError, match="Cannot insert"):
        opened.save()


def test_postmortem_is_not_complete_without_a_signature(nearly_done: Incident) -> None:
    statement = (
        "UPDATE incidents_incidentphase SET completed_at = now()"
        " WHERE phase = 'postmortem'"
    )
    with pytest.raises(DatabaseError, match="newest version is signed and archived"):
        execute(statement)


def test_no_phase_but_detect_starts_complete(nearly_done: Incident) -> None:
    phase = nearly_done.current_cycle.phases.get(phase="contain")
    phase.pk, phase._state.adding = None, True
    with transaction.atomic(), pytest.raises(DatabaseError, match="Cannot insert"):
        phase.save()
