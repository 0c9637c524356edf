"""Whoever changes a password, their own or not, leaves an entry in the history."""

import pytest
from django.contrib.auth.management.commands import changepassword
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from evidence.accounts.access import Role
from evidence.accounts.people import reset_password
from evidence.models import AuditEntry
from tests.conftest import PASSWORD
from tests.factories import make_user

pytestmark = pytest.mark.django_db
NEW = "another-Good-one-42"
PAGE = reverse("admin:password_change")


def change(client: Client, **values: str):
    fields = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    return client.post(PAGE, fields | values)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.MACHINE])
def test_own_password_is_changed_and_recorded_for_every_role(client, role):
    person = make_user(role)
    client.force_login(person)
    assert client.get(PAGE).status_code == 200
    response = change(client)
    assert response.status_code == 302
    assert response.headers["Location"] == reverse("admin:password_change_done")
    person.refresh_from_db()
    assert person.check_password(NEW)
    entry = AuditEntry.objects.get(action="person.password_changed")
    assert (entry.actor, entry.object_id) == (person, str(person.pk))
    assert NEW not in str(vars(entry))
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize(
    "values",
    [
        {"old_password": "wrong"},
        {"new_password2": "not the same"},
        {"new_password1": "12345", "new_password2": "12345"},
    ],
)
def test_refused_password_changes_and_records_nothing(client, values):
    person = make_user()
    client.force_login(person)
    assert change(client, **values).status_code == 200
    person.refresh_from_db()
    assert person.check_password(PASSWORD)
    assert not AuditEntry.objects.filter(action="person.password_changed").exists()


def test_nobody_who_is_not_signed_in_changes_one(client):
    assert change(client).status_code == 302
    assert not AuditEntry.objects.filter(action="person.password_changed").exists()


def test_password_of_another_is_recorded_under_who_set_it():
    administrator, person = make_user(Role.ADMINISTRATOR), make_user()
    reset_password(
        actor=administrator, person_id=person.pk, password=NEW, reason="Lost it."
    )
    entry = AuditEntry.objects.get(action="person.password_reset")
    assert (entry.actor, entry.reason) == (administrator, "Lost it.")


def test_commands_on_the_server_leave_an_entry_too(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", NEW)
    call_command("createsuperuser", interactive=False, username="root", email="")
    made = AuditEntry.objects.get(action="person.created", object_label="root")
    assert made.after["is_superuser"] is True
    monkeypatch.setattr(changepassword.getpass, "getpass", lambda prompt: NEW + "9")
    call_command("changepassword", "root")
    assert User.objects.get(username="root").check_password(NEW + "9")
    entry = AuditEntry.objects.get(action="person.password_reset")
    assert (entry.actor, entry.object_id) == (None, made.object_id)
