"""Passwords: guessable and personal ones refused, given ones changed at first use."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.accounts.people import (
    change_own_password,
    create_person,
    reset_password,
)
from evidence.errors import PersonError
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
GIVEN = "lantern-quiet-81-river"
OWN = "copper meadow ninth whale"
LOGIN, CHANGE = "/admin/login/?next=/admin/", "/admin/password_change/"


@pytest.mark.parametrize(
    "password",
    [
        *("Passw0rd!Passw0rd!", "P@ssw0rd12345!", "letmeinletmein1"),
        *("qwertyuiop123456", "iloveyou-iloveyou", "SummerSummer2024!"),
        *("January2026!!", "abcdefghijklmnop", "aB3$" * 18, "1q2w3e4r5t6y"),
    ],
)
def test_breached_passwords_and_their_likes_are_refused(password: str) -> None:
    with pytest.raises(ValidationError):
        validate_password(password)


@pytest.mark.parametrize(
    "password",
    [
        *("ada.lovelace and rivers", "xx-L0v3lac3-meadow-19", "mill0ram-ecalevol-x9"),
        *("C4s3-F1le meadow whale", "elifesac copper whale", "th3-0rchard copper nine"),
        "casefi1e copper meadow whale",
    ],
)
def test_own_names_and_the_products_are_refused_however_spelled(password: str) -> None:
    person = User(username="ada.lovelace", email="ada@the-orchard.example.org")
    with pytest.raises(ValidationError, match="Leave them out"):
        validate_password(password, person)


@pytest.mark.parametrize("password", [OWN, GIVEN, PASSWORD, "é" * 3 + OWN, OWN * 40])
def test_long_sentences_are_taken(password: str) -> None:
    validate_password(password, User(username="ada", email="ada@example.org"))


def test_name_that_looks_like_anothers_is_refused() -> None:
    for name in ("Responder", "resp0nder", "respоnder"):
        User.objects.filter(username="responder").delete()
        User.objects.create_user("responder")
        with pytest.raises(PersonError, match="looks like"):
            create_person(actor=None, username=name, roles=[Role.AUDITOR], password=OWN)


def sign_in(name: str, password: str) -> Client:
    client = Client()
    client.post(LOGIN, {"username": name, "password": password})
    return client


def change(client: Client, old: str, new: str = OWN):
    form = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post(CHANGE, form)


def test_password_of_an_administrator_opens_only_the_page_for_a_new_one(
    administrator: User,
) -> None:
    create_person(
        actor=administrator, username="grace", roles=[Role.RESPONDER], password=GIVEN
    )
    client = sign_in("grace", GIVEN)
    for path in ("/admin/", "/admin/incidents/incident/", "/admin/auth/user/settings/"):
        response = client.get(path)
        assert (response.status_code, response.headers["Location"]) == (302, CHANGE)
    assert client.get("/api/v1/incidents/").status_code == 403
    assert client.post("/admin/incidents/incident/add/", {}).status_code == 302
    assert "An administrator set your password" in client.get(CHANGE).content.decode()
    assert change(client, GIVEN).status_code == 302
    assert client.get("/admin/").status_code == 200
    assert sign_in("grace", OWN).get("/admin/").status_code == 200


@pytest.mark.parametrize(("days", "is_taken"), [(6, True), (8, False)])
def test_password_of_an_administrator_lapses_unless_it_was_replaced(
    administrator: User, days: int, is_taken: bool
) -> None:
    long_ago = timezone.now() - dt.timedelta(days=days)
    person = create_person(
        actor=administrator,
        username="grace",
        roles=[Role.RESPONDER],
        password=GIVEN,
        now=long_ago,
    )
    client = sign_in("grace", GIVEN)
    assert (client.get("/admin/").headers["Location"] == CHANGE) == is_taken
    change_own_password(actor=person, password=OWN, now=long_ago)
    assert sign_in("grace", OWN).get("/admin/").status_code == 200


def test_password_that_was_reset_is_changed_too(
    administrator: User, responder: User
) -> None:
    reset_password(
        actor=administrator, person_id=responder.pk, password=GIVEN, reason="Lost."
    )
    client = sign_in("responder", GIVEN)
    assert client.get("/admin/").headers["Location"] == CHANGE
    assert client.post("/admin/logout/").status_code == 200


def test_the_given_password_is_not_taken_as_ones_own(
    administrator: User, responder: User
) -> None:
    reset_password(
        actor=administrator, person_id=responder.pk, password=GIVEN, reason="Lost."
    )
    client = sign_in("responder", GIVEN)
    page = change(client, GIVEN, GIVEN)
    assert page.status_code == 200
    assert "another than the one you have" in page.content.decode()
    assert client.get("/admin/").headers["Location"] == CHANGE


def test_accounts_of_the_system_are_not_bothered(db: None) -> None:
    create_person(actor=None, username="demo", roles=[Role.AUDITOR], password=GIVEN)
    assert sign_in("demo", GIVEN).get("/admin/").status_code == 200
