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
from evidence.accounts.tokens import create_token
from evidence.errors import PersonError
from evidence.models import AuditEntry
from incidents.models import Notification
from tests.conftest import PASSWORD, make_user

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
def test_break_glass_leaves_no_token_behind_and_tells_superusers_too(
    responder: User, capsys: pytest.CaptureFixture
) -> None:
    """Who lost the account may have lost them with it: they would administer."""
    User.objects.create_superuser("root", "root@example.org", PASSWORD)
    token, _ = create_token(
        user=responder, name="t", scopes=["read"], days=7, actor=None
    )
    call_command("break_glass", "responder", reason="x")
    token.refresh_from_db()
    assert token.revoked_at is not None
    headline = "On the server, responder was made an administrator"
    told = Notification.objects.filter(headline=headline)
    assert {row.recipient.username for row in told} == {"responder", "root"}
    assert "Nobody has signed in as responder before" in capsys.readouterr().err


@pytest.mark.django_db
def test_break_glass_makes_no_machine_an_administrator(machine: User) -> None:
    with pytest.raises(CommandError, match="machine's account"):
        call_command("break_glass", machine.username, reason="x")
    assert [group.name for group in machine.groups.all()] == [Role.MACHINE]


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
