"""Tokens in the admin."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from rest_framework.test import APIClient

from evidence.accounts.tokens import usable_scopes
from evidence.models import ApiToken, TokenScope

pytestmark = pytest.mark.django_db
LIST = "/admin/evidence/apitoken/"


def sign_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make(client: Client, user: User, **changes: object) -> str:
    fields = {"user": user.pk, "name": "gate", "scopes": ["read"], "days": 7}
    return client.post(f"{LIST}add/", {**fields, **changes}).content.decode()


def test_token_is_shown_once_and_works(administrator: User, auditor: User) -> None:
    client = sign_in(administrator)
    page = make(client, auditor)
    secret = re.search(r'value="(cf_[0-9a-f]{64})"', page)[1]
    token = ApiToken.objects.get()
    header = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
    assert APIClient().get("/api/v1/incidents/", **header).status_code == 200
    for address in (LIST, f"{LIST}{token.pk}/change/"):
        response = client.get(address)
        assert response.status_code == 200
        assert secret not in response.content.decode()


def test_page_with_the_token_is_not_kept_by_browsers(
    administrator: User, auditor: User
) -> None:
    fields = {"user": auditor.pk, "name": "x", "scopes": ["read"], "days": 7}
    response = sign_in(administrator).post(f"{LIST}add/", fields)
    assert "no-store" in response["Cache-Control"]


def test_token_is_revoked_by_an_action(administrator: User, auditor: User) -> None:
    client = sign_in(administrator)
    make(client, auditor)
    token = ApiToken.objects.get()
    client.post(LIST, {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoked_by == administrator


@pytest.mark.parametrize("changes", [{"scopes": []}, {"days": 0}, {"name": ""}])
def test_form_that_makes_no_sense_makes_no_token(
    administrator: User, auditor: User, changes: dict[str, object]
) -> None:
    make(sign_in(administrator), auditor, **changes)
    assert not ApiToken.objects.exists()


def test_nobody_else_makes_or_revokes_tokens(
    administrator: User, responder: User, auditor: User
) -> None:
    make(sign_in(administrator), auditor)
    token = ApiToken.objects.get()
    client = sign_in(responder)
    assert client.get(f"{LIST}add/").status_code == 403
    client.post(LIST, {"action": "revoke", "_selected_action": [token.pk]})
    token.refresh_from_db()
    assert token.revoked_at is None


def test_whose_token_is_asked_first_and_decides_what_is_offered(
    administrator: User, auditor: User, responder: User
) -> None:
    client = sign_in(administrator)
    first = client.get(f"{LIST}add/").content.decode()
    assert 'name="scopes"' not in first
    assert auditor.get_username() in first
    for owner in (auditor, responder):
        page = client.get(f"{LIST}add/?user={owner.pk}").content.decode()
        offered = set(re.findall(r'name="scopes" value="([\w:]+)"', page))
        assert offered == set(usable_scopes(owner)) != set(TokenScope.values)


def test_a_box_that_was_not_offered_is_refused_by_the_service(
    administrator: User, auditor: User
) -> None:
    page = make(sign_in(administrator), auditor, scopes=["read", "cases:write"])
    assert "may not do what cases:write is for" in page
    assert not ApiToken.objects.exists()


def test_owner_whose_role_allows_nothing_is_offered_nothing(
    administrator: User, outsider: User
) -> None:
    client = sign_in(administrator)
    page = client.get(f"{LIST}add/?user={outsider.pk}").content.decode()
    assert "allows no scope of a token" in page
    assert 'name="scopes"' not in page


@pytest.mark.parametrize("wrong", ["", "x", "0", "99999999999999999999"])
def test_owner_who_is_nobody_is_asked_for_again(
    administrator: User, wrong: str
) -> None:
    response = sign_in(administrator).get(f"{LIST}add/?user={wrong}")
    assert response.status_code == 200
    assert 'name="scopes"' not in response.content.decode()


def test_command_refuses_a_scope_beyond_the_role(auditor: User) -> None:
    with pytest.raises(CommandError, match="may not do what cases:write is for"):
        call_command("create_token", "auditor", "--scope", "cases:write")
    assert not ApiToken.objects.exists()


def test_command_holds_a_token_to_networks(
    auditor: User, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = ("--network", "192.0.2.0/24", "--network", "2001:db8::/32")
    call_command("create_token", "auditor", "--scope", "read", *networks)
    assert ApiToken.objects.get().networks == ["192.0.2.0/24", "2001:db8::/32"]
    assert "used from 192.0.2.0/24, 2001:db8::/32;" in capsys.readouterr().err
    call_command("create_token", "auditor", "--scope", "read")
    assert "used from anywhere;" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", ["inside", "192.0.2.1/24", ""])
def test_command_refuses_what_is_no_network(auditor: User, wrong: str) -> None:
    with pytest.raises(CommandError):
        call_command("create_token", "auditor", "--scope", "read", "--network", wrong)
    assert not ApiToken.objects.exists()
