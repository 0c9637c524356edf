"""Signing out at the provider ends the sessions that it began here, and no other."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from joserfc.jwk import RSAKey
from pytest_django import Settings

from evidence.accounts.provider_sign_out import NOTED
from evidence.models import AuditEntry
from tests.conftest import PASSWORD
from tests.evidence.accounts.oidc import Provider, running_provider
from tests.evidence.accounts.test_second_factors import add_app, is_in
from tests.evidence.accounts.test_single_sign_on import (
    come_back,
    configure,
    sign_in,
    to_provider,
)

pytestmark = [pytest.mark.django_db(transaction=False), pytest.mark.long]
ENDED = "/admin/login/single/ended/"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    cache.clear()
    with running_provider() as running:
        configure(settings, running.url)
        running.claims |= {"groups": ["cf-respond"]}
        yield running
    cache.clear()


def tell(token: str, **extra: Any) -> Any:
    """Send a token as the provider does: from a server, without cookies."""
    client = Client(enforce_csrf_checks=True)
    return client.post(ENDED, {"logout_token": token, **extra})


def browser(provider: Provider, subject: str, session: str | None) -> Client:
    provider.claims |= {"sub": subject, "sid": session, "preferred_username": subject}
    return sign_in()


def test_a_session_that_ended_there_ends_here_and_no_other(
    provider: Provider, responder: User, django_capture_on_commit_callbacks: Any
) -> None:
    first = browser(provider, "ada", "s-1")
    second = browser(provider, "ada", "s-2")
    other = browser(provider, "ben", "s-3")
    local = Client()
    local.force_login(responder)
    told = tell(provider.sign_out_token(sub="ada", sid="s-1"))
    assert (told.status_code, told.content) == (200, b"")
    assert "no-store" in told["Cache-Control"]
    assert [is_in(each) for each in (first, second, other, local)] == [
        *(False, True, True, True)
    ]
    entry = AuditEntry.objects.get(action="person.signed_out_by_provider")
    assert (entry.actor, entry.after["ended"]) == (None, 1)
    assert entry.object_label == "ada"


def test_one_who_signed_out_there_everywhere_is_signed_out_everywhere(
    provider: Provider,
) -> None:
    mine = [browser(provider, "ada", sid) for sid in ("s-1", "s-2", None)]
    other = browser(provider, "ben", "s-3")
    assert tell(provider.sign_out_token(sub="ada")).status_code == 200
    assert [is_in(each) for each in (*mine, other)] == [False, False, False, True]


def test_a_session_alone_may_be_named(provider: Provider) -> None:
    mine, other = (browser(provider, "ada", sid) for sid in ("s-1", "s-2"))
    assert tell(provider.sign_out_token(sid="s-1")).status_code == 200
    assert (is_in(mine), is_in(other)) == (False, True)


def test_somebody_elses_subject_with_a_session_ends_neither(provider: Provider) -> None:
    mine = browser(provider, "ada", "s-1")
    browser(provider, "ben", "s-2")
    assert tell(provider.sign_out_token(sub="ben", sid="s-1")).status_code == 200
    assert is_in(mine)


def test_nobody_here_is_no_fault_of_the_providers(provider: Provider) -> None:
    assert tell(provider.sign_out_token(sub="nobody-here")).status_code == 200
    assert not AuditEntry.objects.filter(action__contains="by_provider").exists()


def test_one_who_still_owes_a_factor_cannot_go_on(provider: Provider) -> None:
    browser(provider, "ada", "s-0")
    add_app(User.objects.get(username="ada"))
    provider.claims |= {"sid": "s-1"}
    client = Client()
    come_back(client, to_provider(client))
    assert client.session[NOTED]["session"] == "s-1"
    tell(provider.sign_out_token(sub="ada", sid="s-1"))
    assert not Session.objects.filter(pk=client.session.session_key).exists()


def test_a_session_of_a_password_is_not_the_providers(
    provider: Provider, responder: User
) -> None:
    """Also where the same browser went to the provider before."""
    browser(provider, "ada", "s-0")
    add_app(User.objects.get(username="ada"))
    provider.claims |= {"sid": "s-1"}
    client = Client()
    come_back(client, to_provider(client))
    typed = {"username": responder.username, "password": PASSWORD}
    client.post("/admin/login/", typed)
    assert is_in(client)
    tell(provider.sign_out_token(sid="s-1"))
    assert is_in(client)


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://elsewhere.example.org"},
        {"iss": None},
        {"aud": "another-client"},
        {"aud": None},
        {"iat": None},
        {"iat": dt.timedelta(days=1)},
        {"iat": -dt.timedelta(days=1)},
        {"iat": "now"},
        {"iat": -(10**18)},
        {"iat": float("nan")},
        {"exp": None},
        {"exp": -dt.timedelta(minutes=10)},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"events": None},
        {"events": {}},
        {"events": EVENT},
        {"events": [EVENT]},
        {"events": {EVENT: "yes"}},
        {"events": {EVENT.replace("back", "front"): {}}},
        {"nonce": "n"},
        {"nonce": ""},
        {"sub": None, "sid": None},
        {"sub": "", "sid": ""},
        {"sub": ["ada"]},
        {"sid": {"a": 1}},
        {"typ": "at+jwt"},
    ],
    ids=repr,
)
def test_a_wrong_token_is_refused_and_ends_nothing(
    provider: Provider, wrong: dict[str, Any]
) -> None:
    mine = browser(provider, "ada", "s-1")
    now = int(time.time())
    moments = {
        name: now + int(value.total_seconds())
        for name, value in wrong.items()
        if isinstance(value, dt.timedelta)
    }
    sent = {"sub": "ada", "sid": "s-1", **wrong, **moments}
    answer = tell(provider.sign_out_token(**sent))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert "no-store" in answer["Cache-Control"]
    assert is_in(mine)


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 20_000, "é", "..", "{}"])
def test_what_is_no_token_is_refused(provider: Provider, token: str) -> None:
    assert tell(token).status_code == 400


def test_what_the_provider_did_not_sign_is_refused(provider: Provider) -> None:
    mine = browser(provider, "ada", "s-1")
    provider.signing_key = RSAKey.generate_key(2048, {"kid": "one"})
    assert tell(provider.sign_out_token(sub="ada")).status_code == 400
    provider.forge_by_shared_secret()
    assert tell(provider.sign_out_token(sub="ada")).status_code == 400
    unsigned = "eyJhbGciOiJub25lIn0." + provider.sign_out_token(sub="ada").split(".")[1]
    assert tell(f"{unsigned}.").status_code == 400
    assert is_in(mine)


def test_an_id_token_signs_nobody_out(provider: Provider) -> None:
    mine = browser(provider, "ada", "s-1")
    asked = {"nonce": "n", "code_challenge": "x"}
    assert tell(provider._sign(asked)).status_code == 400
    assert is_in(mine)


def test_a_token_is_taken_once(
    provider: Provider, django_capture_on_commit_callbacks: Any
) -> None:
    token = provider.sign_out_token(sub="ada")
    with django_capture_on_commit_callbacks(execute=True):
        assert tell(token).status_code == 200
    later = browser(provider, "ada", "s-2")
    assert tell(token).status_code == 400
    assert is_in(later)


def test_a_token_ends_no_session_that_began_after_it(provider: Provider) -> None:
    """Also where the note that it was taken is lost."""
    earlier = int(time.time()) - 300
    token = provider.sign_out_token(sub="ada", iat=earlier)
    later = browser(provider, "ada", "s-2")
    assert tell(token).status_code == 200
    assert is_in(later)


def test_a_new_key_of_the_providers_is_found(provider: Provider) -> None:
    assert tell(provider.sign_out_token(sub="ada")).status_code == 200
    mine = browser(provider, "ada", "s-1")
    provider.change_key()
    assert tell(provider.sign_out_token(sub="ada")).status_code == 200
    assert not is_in(mine)


def test_a_provider_that_is_away_is_asked_to_try_again(
    provider: Provider, settings: Settings
) -> None:
    with running_provider() as gone:
        configure(settings, gone.url)
        token = gone.sign_out_token(sub="ada")
    answer = tell(token)
    assert (answer.status_code, answer.json()["error"]) == (
        503,
        "temporarily_unavailable",
    )


def test_the_page_is_no_page_and_without_single_sign_on_not_there(
    provider: Provider, settings: Settings
) -> None:
    assert Client().get(ENDED).status_code == 405
    settings.OIDC_ISSUER = ""
    assert tell("a.b.c").status_code == 404
