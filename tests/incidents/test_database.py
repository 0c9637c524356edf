"""What the database itself keeps of cases, tried past every service by raw SQL."""

import pytest
from django.db import DatabaseError, connection, transaction

from incidents.models import ReferenceCounter, Team
from incidents.services.lifecycle.links import link_ticket
from tests.factories import make_incident, make_user

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
