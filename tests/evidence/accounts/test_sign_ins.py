"""Signing in, failing and signing out: recorded, limited, and told to the owner."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessFailureLog
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from evidence.models import AuditEntry
from incidents.models import Notification, NotificationKind
from incidents.services.notifications.delivery import deliver_notifications
from tests.conftest import PASSWORD
from tests.factories import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.long]
LOGIN = "/admin/login/"


def sign_in(client: Client, name: str, password: str = PASSWORD):
    return client.post(
        f"{LOGIN}?next=/admin/", {"username": name, "password": password}
    )


def actions() -> list[str]:
    rows = AuditEntry.objects.filter(action__startswith="person.").order_by("pk")
    return [row.action for row in rows]


def headlines(person: User) -> list[str]:
    rows = Notification.objects.filter(
        recipient=person, kind=NotificationKind.ACCOUNT
    ).order_by("pk")
    return [row.headline for row in rows]


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_sign_in_and_out_are_recorded_with_address_and_browser(
    responder: User,
) -> None:
    client = Client(REMOTE_ADDR="203.0.113.7", HTTP_USER_AGENT="Lynx/2")
    assert sign_in(client, "responder").status_code == 302
    assert client.post("/admin/logout/").status_code == 200
    assert actions() == ["person.signed_in", "person.signed_out"]
    entry = AuditEntry.objects.get(action="person.signed_in")
    assert (entry.actor, entry.object_id) == (responder, str(responder.pk))
    assert entry.after == {
        "address": "203.0.113.7",
        "browser": "Lynx/2",
        "new_device": True,
        "by": "password",
    }


@pytest.mark.parametrize("length", [151, 300])
def test_a_name_that_no_account_can_have_costs_no_password(
    db: None, length: int
) -> None:
    """Its failure could not be counted: each guess would hash one, without a limit."""
    page = sign_in(Client(), "x" * length)
    assert page.status_code == 200
    assert "at most 150 characters" in page.content.decode()
    assert not AccessFailureLog.objects.exists()


def test_new_device_is_told_and_a_known_one_is_not(responder: User) -> None:
    client = Client()
    for _ in range(2):
        sign_in(client, "responder")
        client.post("/admin/logout/")
    assert headlines(responder) == [
        "Your account signed in on a new device, from 127.0.0.1"
    ]
    sign_in(Client(REMOTE_ADDR="203.0.113.7"), "responder")
    assert len(headlines(responder)) == 2
    deliver_notifications()
    assert [message.to for message in mail.outbox] == [[responder.email]] * 2
    assert "/admin/auth/user/sessions/" in mail.outbox[0].body


def test_device_of_one_person_is_new_for_another(
    responder: User, reviewer: User
) -> None:
    client = Client()
    sign_in(client, "responder")
    client.post("/admin/logout/")
    sign_in(client, "reviewer")
    assert len(headlines(reviewer)) == 1


@pytest.mark.parametrize("value", ["", "x", "x:y:z", "é", "a" * 5000])
def test_forged_device_is_a_new_one(responder: User, value: str) -> None:
    client = Client()
    client.cookies[f"casefile_device_{responder.pk}"] = value
    assert sign_in(client, "responder").status_code == 302
    assert len(headlines(responder)) == 1


def test_failures_and_the_lock_are_recorded_and_told(
    responder: User, settings: Settings
) -> None:
    client = Client(REMOTE_ADDR="203.0.113.7")
    for _ in range(settings.AXES_FAILURE_LIMIT + 2):
        sign_in(client, "responder", "wrong")
    assert actions() == ["person.sign_in_failed"] * 4 + ["person.locked_out"]
    told = headlines(responder)
    assert told == [
        "Somebody failed to sign in as you, from 203.0.113.7",
        "Signing in as you is locked for now from 203.0.113.7: it failed often",
    ]


def test_name_that_nobody_has_is_kept_out_of_history_and_in_the_list(
    administrator: User, client: Client
) -> None:
    sign_in(Client(REMOTE_ADDR="203.0.113.7"), "my-secret-typed-here", "x")
    entry = AuditEntry.objects.get(action="person.sign_in_failed")
    assert "my-secret" not in str(vars(entry))
    assert entry.after == {"address": "203.0.113.7"}
    client.force_login(administrator)
    page = client.get("/admin/axes/accessfailurelog/").content.decode()
    assert "my-secret-typed-here" in page
    assert "203.0.113.7" in page
    row = AccessFailureLog.objects.get()
    assert entry.object_id == str(row.pk)


@pytest.mark.parametrize("role", ["responder", "reviewer", "auditor"])
def test_failures_are_for_administrators_only(
    role: str, client: Client, request: pytest.FixtureRequest
) -> None:
    client.force_login(request.getfixturevalue(role))
    assert client.get("/admin/axes/accessfailurelog/").status_code == 403


@pytest.mark.parametrize(
    "addresses",
    [
        ["203.0.113.7"],
        [f"2001:db8:0:1::{number:x}" for number in range(1, 41)],
    ],
    ids=["IPv4", "IPv6 of one network"],
)
def test_many_names_with_one_password_from_one_address_are_stopped(
    responder: User, settings: Settings, addresses: list[str]
) -> None:
    statuses = [
        sign_in(
            Client(REMOTE_ADDR=addresses[number % len(addresses)]), f"name{number}"
        ).status_code
        for number in range(40)
    ]
    assert statuses.count(200) == settings.LOGIN_ADDRESS_LIMIT
    assert statuses[-1] == 429
    client = Client(REMOTE_ADDR=addresses[0])
    assert sign_in(client, "responder").status_code == 429
    assert not is_in(client)
    elsewhere = Client(REMOTE_ADDR="198.51.100.1")
    assert sign_in(elsewhere, "responder").status_code == 302


def test_signing_in_in_between_does_not_clear_an_address(
    responder: User, settings: Settings
) -> None:
    for number in range(settings.LOGIN_ADDRESS_LIMIT):
        sign_in(Client(REMOTE_ADDR="203.0.113.7"), f"name{number}")
        if number % 4 == 3 and number < settings.LOGIN_ADDRESS_LIMIT - 1:
            sign_in(Client(REMOTE_ADDR="203.0.113.7"), "responder")
    assert sign_in(Client(REMOTE_ADDR="203.0.113.7"), "x").status_code == 429


def fail_from_everywhere(name: str, times: int) -> None:
    for number in range(times):
        sign_in(Client(REMOTE_ADDR=f"198.51.100.{number}"), name, "wrong")


def test_one_name_from_many_addresses_is_stopped_and_its_owner_is_not(
    responder: User, settings: Settings
) -> None:
    known = Client(REMOTE_ADDR="203.0.113.7")
    sign_in(known, "responder")
    known.post("/admin/logout/")
    fail_from_everywhere("responder", settings.LOGIN_NAME_LIMIT)
    guesser = Client(REMOTE_ADDR="198.51.100.200")
    assert sign_in(guesser, "responder").status_code == 429
    assert sign_in(known, "responder").status_code == 302
    assert is_in(known)


def test_known_device_behind_a_shared_address_is_not_locked_out_by_neighbours(
    responder: User, settings: Settings
) -> None:
    known = Client()
    sign_in(known, "responder")
    known.post("/admin/logout/")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in(Client(), "responder", "wrong")
    assert sign_in(Client(), "responder").status_code == 429
    assert sign_in(known, "responder").status_code == 302


def test_known_device_has_a_limit_of_its_own(
    responder: User, settings: Settings
) -> None:
    known = Client()
    sign_in(known, "responder")
    known.post("/admin/logout/")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in(known, "responder", "wrong")
    assert sign_in(known, "responder").status_code == 429
    assert not is_in(known)


def test_device_is_not_known_any_more_after_a_new_password(responder: User) -> None:
    known = Client()
    sign_in(known, "responder")
    responder.set_password("another quiet sentence")
    responder.save()
    sign_in(known, "responder", "another quiet sentence")
    assert len(headlines(responder)) == 2


def test_old_failures_are_forgotten_and_new_ones_kept(responder: User) -> None:
    for _ in range(3):
        sign_in(Client(), "responder", "wrong")
    first = AccessFailureLog.objects.earliest("pk")
    AccessFailureLog.objects.filter(pk=first.pk).update(
        attempt_time="2020-01-01T00:00:00Z"
    )
    sign_in(Client(), "responder", "wrong")
    assert AccessFailureLog.objects.count() == 3
    assert not AccessFailureLog.objects.filter(pk=first.pk).exists()


def test_guessing_the_old_password_of_an_open_browser_is_limited(
    responder: User, settings: Settings
) -> None:
    client = Client()
    sign_in(client, "responder")
    page = "/admin/password_change/"
    new = "another quiet sentence"
    form = {"old_password": "wrong", "new_password1": new, "new_password2": new}
    statuses = [
        client.post(page, form).status_code for _ in range(settings.AXES_FAILURE_LIMIT)
    ]
    assert statuses[-1] == 429
    assert client.post(page, form | {"old_password": PASSWORD}).status_code == 429
    responder.refresh_from_db()
    assert responder.check_password(PASSWORD)
    assert "person.locked_out" in actions()


def test_own_new_mail_address_is_told_to_the_old_one_too(
    responder: User, client: Client
) -> None:
    client.force_login(responder)
    client.post(
        "/admin/auth/user/settings/", {"email": "new@example.org", "time_zone": ""}
    )
    deliver_notifications()
    to = sorted(message.to[0] for message in mail.outbox)
    assert to == ["new@example.org", "responder@example.org"]
    assert "You changed where your mail goes" in mail.outbox[0].subject


def test_own_new_password_is_told(responder: User) -> None:
    client = Client()
    sign_in(client, "responder")
    new = "another quiet sentence"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert client.post("/admin/password_change/", form).status_code == 302
    client.post("/admin/logout/")
    sign_in(client, "responder", new)
    assert headlines(responder)[1:] == [
        "Your password was changed, by your own account"
    ]


def test_lifting_a_lock_is_recorded(
    administrator: User, responder: User, settings: Settings, client: Client
) -> None:
    guesser = Client(REMOTE_ADDR="203.0.113.7")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        sign_in(guesser, "responder", "wrong")
    client.force_login(administrator)
    attempt = AccessAttempt.objects.get()
    form = {"action": "lift_locks", "_selected_action": [attempt.pk]}
    assert client.post("/admin/axes/accessattempt/", form).status_code == 302
    entry = AuditEntry.objects.get(action="person.lock_lifted")
    assert (entry.actor, entry.object_id) == (administrator, str(responder.pk))
    assert sign_in(guesser, "responder").status_code == 302


def test_failures_are_deleted_by_nobody(client: Client, admin_user: User) -> None:
    sign_in(Client(), "nobody", "wrong")
    row = AccessFailureLog.objects.get()
    client.force_login(admin_user)
    page = f"/admin/axes/accessfailurelog/{row.pk}/delete/"
    assert client.post(page, {"post": "yes"}).status_code == 403
    assert AccessFailureLog.objects.exists()


@pytest.mark.parametrize("is_known", [False, True], ids=["stranger", "known device"])
def test_account_of_a_failure_is_looked_up_once_by_all_limits(
    responder: User, settings: Settings, is_known: bool
) -> None:
    """And once by Django, which compares the password."""
    settings.LOGIN_NAME_LIMIT = 1
    client = Client()
    if is_known:
        sign_in(client, "responder")
        client.post("/admin/logout/")
    with CaptureQueriesContext(connection) as queries:
        sign_in(client, "responder", "not the password")
    named = [each for each in queries if "\"username\" = 'responder'" in each["sql"]]
    of_accounts = [each for each in named if 'FROM "auth_user"' in each["sql"]]
    assert len(of_accounts) == 2


@pytest.mark.django_db(transaction=True)
def test_failure_between_another_and_a_success_is_counted() -> None:
    """Of one name, address and browser: axes finds a row, and finds it gone."""
    make_user(username="grace")
    wrong = {"username": "grace", "password": "not it"}
    Client().post("/admin/login/", wrong)
    others = AccessAttempt.objects.get()
    AccessAttempt.objects.all().delete()
    met = []

    def elsewhere(change: Callable[[], object]) -> None:
        def run() -> None:
            change()
            connections.close_all()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    def meet(execute: Any, sql: str, *rest: Any) -> Any:
        if met or not sql.startswith('INSERT INTO "axes_accessattempt"'):
            return execute(sql, *rest)
        elsewhere(lambda: AccessAttempt.objects.bulk_create([others]))
        try:
            return execute(sql, *rest)
        finally:
            met.append(sql)
            elsewhere(AccessAttempt.objects.all().delete)

    with connection.execute_wrapper(meet):
        answer = Client().post("/admin/login/", wrong)
    assert (answer.status_code, len(met)) == (200, 1)
    assert AccessAttempt.objects.get().failures_since_start == 1
    assert AccessFailureLog.objects.count() == 2
