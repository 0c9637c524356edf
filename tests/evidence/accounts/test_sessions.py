"""One's own sessions: listed, ended, and left alone for too long."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.accounts.people import change_roles, set_active
from evidence.accounts.sessions import SEEN, SIGNED_IN, list_own_sessions
from evidence.models import AuditEntry
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
PAGE = "/admin/auth/user/sessions/"


def sign_in(name: str, address: str = "127.0.0.1") -> Client:
    client = Client(REMOTE_ADDR=address, HTTP_USER_AGENT=f"Browser of {address}")
    form = {"username": name, "password": PASSWORD}
    assert client.post("/admin/login/?next=/admin/", form).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/admin/").status_code == 200


def leave_for(client: Client, minutes: int) -> None:
    session = client.session
    moment = timezone.now() - dt.timedelta(minutes=minutes)
    session[SEEN] = moment.isoformat()
    session.save()


def test_own_sessions_are_listed_and_nobody_elses(
    responder: User, reviewer: User
) -> None:
    here = sign_in("responder")
    sign_in("responder", "203.0.113.7")
    sign_in("reviewer", "198.51.100.9")
    page = here.get(PAGE).content.decode()
    assert "Browser of 203.0.113.7" in page
    assert "198.51.100.9" not in page
    key = here.session.session_key
    sessions = list_own_sessions(responder, key)
    assert [each.is_current for each in sessions] == [True, False]
    assert all(each.key not in page for each in sessions)


def test_one_session_is_ended_and_recorded(responder: User) -> None:
    here, there, third = (
        sign_in("responder", address)
        for address in ("127.0.0.1", "203.0.113.7", "203.0.113.8")
    )
    sessions = list_own_sessions(responder, here.session.session_key)
    handle = next(each.handle for each in sessions if each.address == "203.0.113.7")
    here.post(PAGE, {"end": handle})
    assert (is_in(here), is_in(there), is_in(third)) == (True, False, True)
    entry = AuditEntry.objects.get(action="person.sessions_ended")
    assert (entry.actor, entry.before) == (responder, {"addresses": ["203.0.113.7"]})


def test_all_others_are_ended_and_other_peoples_stay(
    responder: User, reviewer: User
) -> None:
    here, there = sign_in("responder"), sign_in("responder", "203.0.113.7")
    others = sign_in("reviewer")
    here.post(PAGE, {"end": "others"})
    assert (is_in(here), is_in(there), is_in(others)) == (True, False, True)


@pytest.mark.parametrize("end", ["", "0" * 16, "x" * 9000])
def test_what_names_no_session_ends_none(responder: User, end: str) -> None:
    here, there = sign_in("responder"), sign_in("responder", "203.0.113.7")
    assert here.post(PAGE, {"end": end}).status_code == 302
    assert is_in(there)
    assert not AuditEntry.objects.filter(action="person.sessions_ended").exists()


def test_session_of_another_person_cannot_be_ended(
    responder: User, reviewer: User
) -> None:
    here, theirs = sign_in("responder"), sign_in("reviewer")
    handle = list_own_sessions(reviewer, None)[0].handle
    here.post(PAGE, {"end": handle})
    assert is_in(theirs)


def test_nobody_who_is_not_signed_in_sees_the_page() -> None:
    assert Client().get(PAGE).status_code == 302


def test_session_that_nobody_uses_ends(responder: User, settings: Settings) -> None:
    settings.SESSION_IDLE_MINUTES = 30
    client = sign_in("responder")
    leave_for(client, 29)
    assert is_in(client)
    leave_for(client, 31)
    assert not is_in(client)
    assert not Session.objects.exists()


def test_without_a_limit_an_idle_session_goes_on(
    responder: User, settings: Settings
) -> None:
    settings.SESSION_IDLE_MINUTES = 0
    client = sign_in("responder")
    leave_for(client, 10_000)
    assert is_in(client)


def test_session_that_is_used_all_the_time_ends_too(
    responder: User, settings: Settings
) -> None:
    """The cookie's age alone would begin anew with each use."""
    client = sign_in("responder")
    for hours, is_there in ((-11, True), (-13, False)):
        session = client.session
        began_at = timezone.now() + dt.timedelta(hours=hours)
        session[SIGNED_IN] = session[SIGNED_IN] | {"at": began_at.isoformat()}
        session.save()
        assert is_in(client) is is_there
    assert settings.SESSION_COOKIE_AGE == 12 * 3600
    assert not Session.objects.exists()


def test_page_that_asks_by_itself_keeps_no_session(
    responder: User, settings: Settings
) -> None:
    settings.SESSION_IDLE_MINUTES = 30
    client = sign_in("responder")
    leave_for(client, 29)
    before = client.session[SEEN]
    client.get("/admin/", headers={"sec-fetch-dest": "empty"})
    assert client.session[SEEN] == before
    client.get("/admin/", headers={"sec-fetch-dest": "document"})
    assert client.session[SEEN] > before


def test_own_page_tells_what_happened_to_the_account(responder: User) -> None:
    form = {"username": "responder", "password": "wrong"}
    Client(REMOTE_ADDR="198.51.100.9").post("/admin/login/", form)
    page = sign_in("responder").get(PAGE).content.decode()
    assert "Sign-in failed" in page
    assert "198.51.100.9" in page
    assert "Signed in" in page


def test_sessions_of_before_do_not_come_back_with_the_account(
    responder: User, administrator: User
) -> None:
    """A stolen one would: it is the usual reason to switch somebody off."""
    stolen = sign_in("responder")
    for is_active in (False, True):
        set_active(
            actor=administrator,
            person_id=responder.pk,
            is_active=is_active,
            reason="A laptop was stolen.",
        )
    assert not is_in(stolen)
    stolen = sign_in("responder")
    for role in (Role.MACHINE, Role.RESPONDER):
        change_roles(
            actor=administrator, person_id=responder.pk, roles=[role], reason="x"
        )
    assert not is_in(stolen)


def test_a_session_that_began_while_its_owner_was_switched_off_does_not_come_back(
    responder: User, administrator: User
) -> None:
    User.objects.filter(pk=responder.pk).update(is_active=False)
    late = Client()
    late.force_login(responder)
    set_active(actor=administrator, person_id=responder.pk, is_active=True, reason="x")
    assert not is_in(late)
