"""Teams are saved by the service: allowed, recorded, never deleted."""

import pytest
from django.urls import reverse

from evidence.accounts.access import Role
from evidence.audit.history import SYSTEM_STREAM
from evidence.errors import PermissionRefused
from evidence.models import AuditEntry
from incidents.errors import IncidentError
from incidents.models import Team
from incidents.services.teams import save_team
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def entries():
    rows = AuditEntry.objects.filter(stream=SYSTEM_STREAM, action__startswith="team.")
    return list(rows.order_by("sequence"))


def test_admin_makes_and_changes_a_team_through_the_service(client):
    client.force_login(make_user(Role.ADMINISTRATOR))
    first, second = make_user(), make_user(Role.REVIEWER)
    add = reverse("admin:incidents_team_add")
    client.post(add, {"name": "Night", "members": [first.pk]})
    team = Team.objects.get()
    change = reverse("admin:incidents_team_change", args=[team.pk])
    client.post(change, {"name": "Night shift", "members": [second.pk]})
    team.refresh_from_db()
    assert (team.name, list(team.members.all())) == ("Night shift", [second])
    made, changed = entries()
    assert (made.action, made.actor_name) == ("team.created", "administrator")
    assert changed.before == {"name": "Night", "members": ["responder"]}
    assert changed.after == {"name": "Night shift", "members": ["reviewer"]}


def test_saving_without_a_change_records_nothing():
    team = save_team(actor=None, name="Night", members=[])
    save_team(actor=None, team_id=team.pk, name=" Night ", members=[])
    assert len(entries()) == 1


@pytest.mark.parametrize("role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR])
def test_other_roles_change_no_team(role):
    with pytest.raises(PermissionRefused, match=r"add team"):
        save_team(actor=make_user(role), name="Night", members=[])
    assert not Team.objects.exists()


@pytest.mark.parametrize("name", ["", " \x00 ", "x" * 101, "Night"])
def test_bad_name_is_refused(name):
    save_team(actor=None, name="Night", members=[])
    with pytest.raises(IncidentError):
        save_team(actor=None, name=name, members=[])


def test_nobody_deletes_a_team(client, admin_user):
    team = save_team(actor=None, name="Night", members=[])
    client.force_login(admin_user)
    url = reverse("admin:incidents_team_delete", args=[team.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403
    assert Team.objects.exists()
