"""Somebody can always administer, and there is a way back in from the server."""

import threading

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.accounts.people import change_roles, set_active
from evidence.errors import PersonError
from evidence.models import AuditEntry
from incidents.models import Notification
from tests.conftest import make_user

LOGIN = "/admin/login/?next=/admin/"


@pytest.mark.django_db
def test_last_administrator_is_neither_switched_off_nor_demoted(
    administrator: User,
) -> None:
    with pytest.raises(PersonError, match="last administrator") as refused:
        set_active(
            actor=None, person_id=administrator.pk, is_active=False, reason="Left."
        )
    assert refused.value.code == "last_administrator"
    with pytest.raises(PersonError, match="last administrator"):
        change_roles(
            actor=None, person_id=administrator.pk, roles=[Role.AUDITOR], reason="x"
        )
    administrator.refresh_from_db()
    assert administrator.is_active
    assert administrator.groups.get().name == Role.ADMINISTRATOR
    assert not AuditEntry.objects.filter(action__startswith="person.").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["inactive", "machine"])
def test_who_cannot_sign_in_does_not_count(administrator: User, kind: str) -> None:
    other = make_user("other", "administrator")
    other.is_active, other.is_staff = kind != "inactive", kind != "machine"
    other.save()
    with pytest.raises(PersonError, match="last administrator"):
        set_active(
            actor=None, person_id=administrator.pk, is_active=False, reason="Left."
        )


@pytest.mark.django_db
def test_one_of_two_administrators_may_go(administrator: User) -> None:
    make_user("other", "administrator")
    set_active(actor=None, person_id=administrator.pk, is_active=False, reason="Left.")


@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_take_each_other_away_at_once() -> None:
    people = [make_user(name, "administrator") for name in ("ada", "grace")]
    start, refused = threading.Barrier(2), []

    def switch_off(person: User) -> None:
        try:
            start.wait(timeout=30)
            set_active(actor=None, person_id=person.pk, is_active=False, reason="Left.")
        except PersonError as error:
            refused.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=switch_off, args=[one]) for one in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["last_administrator"]
    assert User.objects.filter(is_active=True).count() == 1


@pytest.mark.django_db
def test_break_glass_lets_somebody_in_and_everybody_know(
    reviewer: User, responder: User, settings: Settings, capsys: pytest.CaptureFixture
) -> None:
    lost = make_user("ada")
    lost.is_active = False
    lost.save()
    for _ in range(settings.AXES_FAILURE_LIMIT):
        Client().post(LOGIN, {"username": "ada", "password": "wrong"})
    call_command("break_glass", "ada", reason="Nobody can sign in.")
    password = capsys.readouterr().out.strip()
    client = Client()
    client.post(LOGIN, {"username": "ada", "password": password})
    assert client.session["_auth_user_id"] == str(lost.pk)
    assert client.get("/admin/").headers["Location"] == "/admin/password_change/"
    entry = AuditEntry.objects.get(action="person.break_glass")
    assert (entry.actor, entry.reason) == (None, "Nobody can sign in.")
    assert password not in str(vars(entry))
    headline = "On the server, ada was made an administrator"
    told = Notification.objects.filter(headline=headline)
    assert {row.recipient.username for row in told} == {"ada", "reviewer"}
    assert not AccessAttempt.objects.filter(username="ada").exists()


@pytest.mark.django_db
def test_break_glass_passes_the_limit_of_a_name(
    settings: Settings, capsys: pytest.CaptureFixture
) -> None:
    make_user("ada")
    for number in range(settings.LOGIN_NAME_LIMIT):
        guesser = Client(REMOTE_ADDR=f"198.51.100.{number}")
        guesser.post(LOGIN, {"username": "ada", "password": "wrong"})
    call_command("break_glass", "ada", reason="Guessed at.")
    password = capsys.readouterr().out.strip()
    form = {"username": "ada", "password": password}
    assert Client(REMOTE_ADDR="203.0.113.9").post(LOGIN, form).status_code == 302


@pytest.mark.django_db
def test_break_glass_makes_no_lookalike(responder: User) -> None:
    with pytest.raises(CommandError, match="looks like"):
        call_command("break_glass", "resp0nder", reason="x")
    assert not AuditEntry.objects.filter(action="person.break_glass").exists()
