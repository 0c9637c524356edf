"""Tokens made by their owner: networks, rotation, last use, and who is told."""

from __future__ import annotations

import datetime as dt
import re
import threading
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.accounts.people import set_active
from evidence.accounts.token_networks import read_networks
from evidence.accounts.token_rotation import rotate_token
from evidence.accounts.tokens import create_token, revoke_token
from evidence.errors import PermissionRefused, TokenError
from evidence.models import ApiToken, AuditEntry, TokenScope
from incidents.models import Notification, NotificationKind
from tests.factories import make_user

pytestmark = pytest.mark.django_db
INCIDENTS = "/api/v1/incidents/"
PAGE = "/admin/auth/user/tokens/"


def ask(secret: str, address: str = "127.0.0.1", **headers: str) -> Any:
    client = APIClient(REMOTE_ADDR=address)
    return client.get(INCIDENTS, HTTP_AUTHORIZATION=f"Bearer {secret}", **headers)


def make(user: User, **changes: Any) -> tuple[ApiToken, str]:
    fields: dict[str, Any] = {"name": "t", "scopes": [TokenScope.READ], "days": 7}
    return create_token(user=user, **{"actor": user, **fields, **changes})


def headlines(person: User) -> list[str]:
    rows = Notification.objects.filter(recipient=person, kind=NotificationKind.ACCOUNT)
    return list(rows.order_by("pk").values_list("headline", flat=True))


def browse(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


ROLES = [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR]


@pytest.mark.parametrize("role", ROLES)
def test_every_person_makes_tokens_of_their_own_on_a_page(
    role: Role, request: pytest.FixtureRequest
) -> None:
    person: User = request.getfixturevalue(role.value)
    client = browse(person)
    form = {"name": "mine", "scopes": ["read"], "days": 7, "networks": "127.0.0.0/8"}
    page = client.post(f"{PAGE}add/", {"user": person.pk, **form})
    found = re.search(r'value="(cf_[0-9a-f]{64})"', page.content.decode())
    assert found is not None
    assert "no-store" in page["Cache-Control"]
    assert ask(found[1]).status_code == 200
    shown = client.get(PAGE).content.decode()
    assert "mine" in shown
    assert "127.0.0.0/8" in shown
    assert found[1] not in shown
    assert ApiToken.objects.get().created_by == person


def test_who_has_no_role_makes_none(outsider: User) -> None:
    assert browse(outsider).get(f"{PAGE}add/").status_code == 403
    with pytest.raises(PermissionRefused):
        make(outsider)


def test_page_makes_no_token_of_somebody_else(responder: User, auditor: User) -> None:
    form = {"user": auditor.pk, "name": "x", "scopes": ["read"], "days": 7}
    browse(responder).post(f"{PAGE}add/", form)
    assert not ApiToken.objects.filter(user=auditor).exists()
    with pytest.raises(PermissionRefused):
        make(auditor, actor=responder)


def test_own_token_has_no_scope_beyond_the_roles(auditor: User) -> None:
    with pytest.raises(TokenError, match="cases:write"):
        make(auditor, scopes=[TokenScope.CASES_WRITE])


def test_lost_role_narrows_a_token_at_once(responder: User) -> None:
    _, secret = make(responder)
    assert ask(secret).status_code == 200
    responder.groups.remove(Group.objects.get(name="responder"))
    assert ask(secret).status_code == 403


def test_password_is_asked_before_making_and_rotating(
    responder: User, settings: Settings
) -> None:
    token, _ = make(responder)
    settings.PRESENCE_MINUTES = 5
    client = browse(responder)
    for address in (f"{PAGE}add/", f"{PAGE}{token.pk}/rotate/"):
        answer = client.post(address, {"days": 7, "overlap_hours": 1})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/confirm/")
    assert ApiToken.objects.count() == 1


# --- networks


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ([], "203.0.113.9", 200),
        (["203.0.113.0/24"], "203.0.113.9", 200),
        (["203.0.113.0/24"], "203.0.114.9", 403),
        (["203.0.113.9"], "203.0.113.9", 200),
        (["203.0.113.9"], "203.0.113.10", 403),
        (["2001:db8::/32"], "2001:db8:5::1", 200),
        (["2001:db8::/32"], "2001:db9::1", 403),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", 200),
        (["203.0.113.0/24"], "2001:db8::1", 403),
        (["203.0.113.0/24", "2001:db8::/32"], "2001:db8::1", 200),
        (["203.0.113.0/24"], "", 403),
    ],
)
def test_token_works_from_its_networks_only(
    auditor: User, networks: list[str], address: str, status: int
) -> None:
    _, secret = make(auditor, networks=networks)
    answer = ask(secret, address)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "network_refused"


def test_address_is_the_one_our_proxy_saw_and_not_the_clients_word(
    auditor: User, settings: Settings
) -> None:
    _, secret = make(auditor, networks=["203.0.113.0/24"])
    settings.TRUSTED_PROXY_COUNT = 1
    forged = {"HTTP_X_FORWARDED_FOR": "203.0.113.9, 198.51.100.1"}
    assert ask(secret, **forged).status_code == 403
    real = {"HTTP_X_FORWARDED_FOR": "198.51.100.1, 203.0.113.9"}
    assert ask(secret, **real).status_code == 200
    settings.TRUSTED_PROXY_COUNT = 0
    assert ask(secret, **real).status_code == 403


def test_refused_network_is_recorded_and_told_once_an_hour(auditor: User) -> None:
    token, secret = make(auditor, networks=["203.0.113.0/24"])
    for _ in range(3):
        ask(secret, "198.51.100.7")
    entry = AuditEntry.objects.get(action="token.refused_elsewhere")
    assert entry.after == {"address": "198.51.100.7"}
    assert headlines(auditor) == [
        "Your token “t” was sent from 198.51.100.7, where it may not be used"
    ]
    token.refresh_from_db()
    assert token.last_used_at is None


@pytest.mark.parametrize(
    ("networks", "words"),
    [
        (["nonsense"], "no network"),
        (["203.0.113.9/24"], "203.0.113.0/24 is the network"),
        (["0.0.0.0/0"], "everywhere"),
        (["::/0"], "everywhere"),
        (["203.0.113.0/33"], "no network"),
        ([f"203.0.113.{n}" for n in range(21)], "too many"),
    ],
)
def test_networks_that_make_no_sense_are_refused(
    auditor: User, networks: list[str], words: str
) -> None:
    with pytest.raises(TokenError, match=re.escape(words)):
        make(auditor, networks=networks)
    assert not ApiToken.objects.exists()


def test_all_that_is_wrong_with_networks_is_told_at_once() -> None:
    with pytest.raises(TokenError, match=r"one.*two"):
        read_networks(["one", "two", "203.0.113.0/24"])


# --- last use


def test_use_and_address_are_noted_with_one_write_a_minute(
    auditor: User, django_assert_max_num_queries: Any
) -> None:
    token, secret = make(auditor)
    ask(secret, "203.0.113.9")
    token.refresh_from_db()
    assert token.last_used_from == "203.0.113.9"
    noted = token.last_used_at
    ask(secret, "203.0.113.10")
    token.refresh_from_db()
    assert (token.last_used_at, token.last_used_from) == (noted, "203.0.113.9")


def test_second_network_is_told_and_the_first_and_known_ones_are_not(
    auditor: User,
) -> None:
    _, secret = make(auditor)
    for address in ("203.0.113.9", "203.0.113.77", "198.51.100.1", "203.0.113.9"):
        ask(secret, address)
    assert headlines(auditor) == [
        "Your token “t” was used from a new network, by 198.51.100.1"
    ]
    entry = AuditEntry.objects.get(action="token.used_elsewhere")
    assert entry.after["network"] == "198.51.100.0/24"


def test_owner_is_told_when_an_administrator_makes_or_revokes(
    auditor: User, administrator: User
) -> None:
    token, _ = make(auditor, actor=administrator)
    revoke_token(token_id=token.pk, actor=administrator, reason="r")
    own, _ = make(auditor)
    revoke_token(token_id=own.pk, actor=auditor)
    assert headlines(auditor) == [
        "Your token “t” was made by administrator",
        "Your token “t” was revoked by administrator",
    ]


# --- rotation


def test_both_secrets_work_until_the_overlap_ends(auditor: User) -> None:
    old, old_secret = make(auditor, networks=["127.0.0.0/8"])
    new, secret = rotate_token(
        token_id=old.pk, actor=auditor, days=30, overlap_hours=24
    )
    assert (new.scopes, new.networks, new.name) == (old.scopes, old.networks, old.name)
    assert ask(old_secret).status_code == ask(secret).status_code == 200
    ApiToken.objects.filter(pk=old.pk).update(ends_at=timezone.now())
    assert (ask(old_secret).status_code, ask(secret).status_code) == (401, 200)
    entry = AuditEntry.objects.get(action="token.rotated")
    assert secret not in str(entry.after)


def test_overlap_of_nothing_ends_the_old_secret_at_once(auditor: User) -> None:
    old, old_secret = make(auditor)
    rotate_token(token_id=old.pk, actor=auditor, days=30, overlap_hours=0)
    assert ask(old_secret).status_code == 401


def test_overlap_is_ended_early_by_revoking_the_old_one(auditor: User) -> None:
    old, old_secret = make(auditor)
    _, secret = rotate_token(token_id=old.pk, actor=auditor, days=30, overlap_hours=24)
    browse(auditor).post(PAGE, {"revoke": old.pk})
    assert (ask(old_secret).status_code, ask(secret).status_code) == (401, 200)


def test_end_of_an_old_secret_is_never_put_off_in_the_database(auditor: User) -> None:
    from django.db import DatabaseError, transaction

    old, _ = make(auditor)
    rotate_token(token_id=old.pk, actor=auditor, days=30, overlap_hours=1)
    for later in (None, timezone.now() + dt.timedelta(days=3)):
        with pytest.raises(DatabaseError), transaction.atomic():
            ApiToken.objects.filter(pk=old.pk).update(ends_at=later)


@pytest.mark.parametrize("field", [{"days": 0}, {"days": 400}, {"overlap_hours": 200}])
def test_rotation_that_makes_no_sense_is_refused(
    auditor: User, field: dict[str, int]
) -> None:
    old, _ = make(auditor)
    asked = {"days": 7, "overlap_hours": 1, **field}
    with pytest.raises(TokenError):
        rotate_token(token_id=old.pk, actor=auditor, **asked)
    old.refresh_from_db()
    assert old.ends_at is None


def test_token_is_rotated_once_and_only_while_it_works(
    auditor: User, responder: User
) -> None:
    old, _ = make(auditor)
    with pytest.raises(PermissionRefused):
        rotate_token(token_id=old.pk, actor=responder, days=7, overlap_hours=1)
    rotate_token(token_id=old.pk, actor=auditor, days=7, overlap_hours=1)
    with pytest.raises(TokenError, match="was rotated"):
        rotate_token(token_id=old.pk, actor=auditor, days=7, overlap_hours=1)
    other, _ = make(auditor)
    revoke_token(token_id=other.pk, actor=auditor)
    with pytest.raises(TokenError, match="revoked"):
        rotate_token(token_id=other.pk, actor=auditor, days=7, overlap_hours=1)


def test_rotation_on_the_page_shows_the_secret_once(auditor: User) -> None:
    old, _ = make(auditor)
    client = browse(auditor)
    assert client.get(f"{PAGE}{old.pk}/rotate/").status_code == 200
    page = client.post(f"{PAGE}{old.pk}/rotate/", {"days": 7, "overlap_hours": 1})
    found = re.search(r'value="(cf_[0-9a-f]{64})"', page.content.decode())
    assert found is not None
    assert ask(found[1]).status_code == 200
    shown = client.get(PAGE).content.decode()
    assert "a new secret took its place" in shown
    assert found[1] not in shown


def test_token_of_somebody_else_is_missing_on_ones_own_page(
    auditor: User, responder: User
) -> None:
    token, secret = make(auditor)
    client = browse(responder)
    assert client.get(f"{PAGE}{token.pk}/rotate/").status_code == 404
    assert client.post(PAGE, {"revoke": token.pk}).status_code == 404
    assert ask(secret).status_code == 200


def test_token_beats_the_session_of_somebody_who_only_reads(
    auditor: User, responder: User
) -> None:
    """A browser sends its cookie beside the token: the token says what may be done."""
    token, secret = make(responder, scopes=[TokenScope.CASES_WRITE, TokenScope.READ])
    client = browse(auditor)
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get(INCIDENTS, headers=headers).status_code == 200
    token.refresh_from_db()
    assert token.last_used_at is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["made", "rotated"])
def test_no_token_outlives_its_owner_who_is_switched_off_meanwhile(way: str) -> None:
    """It would be missed by who revokes them, and work once its owner is back."""
    owner, other = make_user(Role.RESPONDER), make_user(Role.ADMINISTRATOR)
    old, _ = make(owner)

    def switch_off() -> None:
        try:
            set_active(actor=other, person_id=owner.pk, is_active=False, reason="Left.")
        finally:
            connection.close()

    meanwhile = threading.Thread(target=switch_off)
    with transaction.atomic():
        if way == "made":
            make(owner)
        else:
            rotate_token(token_id=old.pk, actor=owner, days=7, overlap_hours=1)
        meanwhile.start()
        meanwhile.join(timeout=1)
    meanwhile.join()
    owner.refresh_from_db()
    assert not owner.is_active
    assert not ApiToken.objects.filter(revoked_at=None).exists()
