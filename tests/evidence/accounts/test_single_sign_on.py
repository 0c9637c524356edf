"""Single sign-on: against a provider over HTTP, that answers rightly or wrongly."""

from __future__ import annotations

import datetime as dt
import html
import re
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import oidc_provider_mock
import pytest
import requests
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.utils import timezone
from joserfc.jwk import RSAKey
from pytest_django import Settings

from evidence.accounts import provider_session
from evidence.accounts.access import Role
from evidence.accounts.emergency import open_break_glass
from evidence.accounts.identities import (
    admit_by_identity,
    link_identity,
    unlink_identity,
)
from evidence.accounts.people import set_active
from evidence.accounts.presence import PROVED
from evidence.accounts.provider import ENDPOINTS, Claims, require_own_document
from evidence.accounts.tokens import create_token
from evidence.errors import PermissionRefused, PersonError, SignOnError
from evidence.models import AuditEntry, SignInIdentity
from tests.conftest import PASSWORD, make_user
from tests.evidence.accounts.oidc import CLIENT, SECRET, Provider, running_provider
from tests.evidence.accounts.test_second_factors import (
    CONFIRM,
    PAGE,
    STEP,
    add_app,
    give_password,
    headlines,
    is_in,
    now_code,
)
from tests.factories import make_incident

pytestmark = [pytest.mark.django_db, pytest.mark.long]
START = "/admin/login/single/"
RETURN = f"{START}return/"
ROLES = {"cf-respond": "responder", "cf-review": "reviewer", "cf-run": "administrator"}


@pytest.fixture
def provider(settings: Settings) -> Iterator[Provider]:
    with running_provider() as running:
        configure(settings, running.url)
        yield running


def configure(settings: Settings, issuer: str) -> None:
    settings.OIDC_ISSUER = issuer
    settings.OIDC_CLIENT_ID = CLIENT
    settings.OIDC_CLIENT_SECRET = SECRET
    settings.OIDC_ROLES = list(ROLES.items())
    settings.OIDC_MAKES_ACCOUNTS = True


def to_provider(client: Client, query: str = "") -> str:
    """Begin; return the address at the provider that the browser is led to."""
    return str(client.get(f"{START}?{query}").headers["Location"])


def come_back(client: Client, address: str) -> Any:
    """Sign in at the provider, and follow it back here."""
    answer = requests.get(address, allow_redirects=False, timeout=10)
    back = urlsplit(answer.headers["Location"])
    assert back.path == RETURN
    return client.get(f"{back.path}?{back.query}")


def sign_in(client: Client | None = None) -> Client:
    client = client or Client()
    come_back(client, to_provider(client))
    return client


def roles_of(person: User) -> set[str]:
    return set(person.groups.values_list("name", flat=True))


def failures() -> list[str]:
    entries = AuditEntry.objects.filter(action="person.sign_in_failed").order_by("pk")
    return [entry.reason for entry in entries]


def test_the_first_sign_in_makes_an_account_with_the_roles_of_its_groups(
    provider: Provider,
) -> None:
    provider.claims |= {"preferred_username": "ada", "groups": ["cf-review", "others"]}
    client = Client()
    address = to_provider(client, "next=/admin/auth/user/sessions/")
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [f"http://testserver{RETURN}"]
    answer = come_back(client, address)
    assert answer.headers["Location"] == "/admin/auth/user/sessions/"
    assert is_in(client)
    person = User.objects.get(username="ada")
    assert roles_of(person) == {"reviewer"}
    assert not person.has_usable_password()
    entry = AuditEntry.objects.get(action="person.signed_in")
    assert (entry.actor, entry.after["by"]) == (person, "single sign-on")
    assert AuditEntry.objects.filter(action="person.identity_linked").count() == 1
    assert "never since" not in client.get(PAGE).content.decode()
    sign_in()
    assert User.objects.filter(username__startswith="ada").count() == 1


def test_no_secret_of_the_provider_reaches_the_browser(
    provider: Provider, settings: Settings
) -> None:
    provider.claims |= {"groups": ["cf-respond"]}
    client = Client()
    address = to_provider(client)
    assert "code_verifier" not in address
    assert settings.OIDC_CLIENT_SECRET not in address
    come_back(client, address)
    kept = repr(dict(client.session))
    assert "access_token" not in kept
    assert "id_token" not in kept
    assert "code_verifier" not in kept


def test_a_provider_from_elsewhere_is_understood(settings: Settings) -> None:
    ada = oidc_provider_mock.User(
        sub="ada", claims={"preferred_username": "ada", "groups": ["cf-respond"]}
    )
    with oidc_provider_mock.run_server_in_thread(user_claims=[ada]) as server:
        configure(settings, f"http://localhost:{server.server_port}")
        client = Client()
        address = to_provider(client)
        answer = requests.post(
            address, data={"sub": "ada"}, allow_redirects=False, timeout=10
        )
        back = urlsplit(answer.headers["Location"])
        client.get(f"{back.path}?{back.query}")
        assert is_in(client)
    assert roles_of(User.objects.get(username="ada")) == {"responder"}


WRONG_CLAIMS = {
    "another issuer": {"iss": "https://evil.example.org"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another"},
    "no audience": {"aud": None},
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "expired": {"exp": int(time.time()) - 3600},
    "no expiry": {"exp": None},
    "not yet": {"nbf": int(time.time()) + 3600},
    "nobody": {"sub": None},
    "for others too, not for us first": {"aud": [CLIENT, "another"], "azp": "another"},
    "groups that are no list": {"groups": {"cf-run": True}},
}


@pytest.mark.parametrize("wrong", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_wrong_answers_are_refused_and_recorded(
    provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.claims |= {"groups": ["cf-respond"]}
    provider.wrong = wrong
    client = sign_in()
    assert not is_in(client)
    assert not SignInIdentity.objects.exists()
    assert len(failures()) == 1
    assert failures()[0].startswith("Single sign-on failed")
    page = client.get("/admin/login/").content.decode()
    assert "Single sign-on failed" in page


@pytest.mark.parametrize("forgery", ["none", "shared secret", "another key", "absent"])
def test_tokens_that_the_provider_did_not_sign_are_refused(
    provider: Provider, forgery: str
) -> None:
    provider.claims |= {"groups": ["cf-run"]}
    if forgery == "none":
        provider.algorithm = "none"
    elif forgery == "shared secret":
        provider.forge_by_shared_secret()
    elif forgery == "another key":
        provider.signing_key = RSAKey.generate_key(2048, {"kid": "one"})
    else:
        provider.sends_token = False
    assert not is_in(sign_in())
    assert not User.objects.filter(groups__name="administrator").exists()
    assert len(failures()) == 1


@pytest.mark.parametrize("state", ["", "?code=code-0", "?code=code-0&state=x"])
def test_an_answer_that_nobody_asked_for_is_refused_and_counts_for_nobody(
    provider: Provider, state: str
) -> None:
    """Any page can send a browser here; so colleagues could be locked out."""
    provider.claims |= {"groups": ["cf-respond"]}
    victim = Client()
    thief = Client()
    requests.get(to_provider(thief), allow_redirects=False, timeout=10)
    victim.get(f"{RETURN}{state}")
    assert not is_in(victim)
    assert failures() == []
    assert "did not ask" in victim.get("/admin/login/").content.decode()


def test_an_answer_of_another_issuer_is_refused(provider: Provider) -> None:
    provider.claims |= {"groups": ["cf-respond"]}
    provider.sent_along = {"iss": "https://evil.example.org"}
    assert not is_in(sign_in())
    provider.sent_along = {"iss": provider.url}
    assert is_in(sign_in())


def test_an_answer_is_taken_once_and_by_the_browser_that_asked(
    provider: Provider,
) -> None:
    provider.claims |= {"groups": ["cf-respond"]}
    client, other = Client(), Client()
    answer = requests.get(to_provider(client), allow_redirects=False, timeout=10)
    back = urlsplit(answer.headers["Location"])
    other.get(f"{back.path}?{back.query}")
    assert not is_in(other)
    client.get(f"{back.path}?{back.query}")
    assert is_in(client)
    client.post("/admin/logout/")
    client.get(f"{back.path}?{back.query}")
    assert not is_in(client)


def test_what_the_provider_refuses_is_said_and_recorded(provider: Provider) -> None:
    client = Client()
    state = parse_qs(urlsplit(to_provider(client)).query)["state"][0]
    words = "error=access_denied&error_description=Call+555"
    client.get(f"{RETURN}?{words}&state={state}")
    assert not is_in(client)
    assert "access_denied" in failures()[0]
    page = client.get("/admin/login/").content.decode()
    assert "access_denied" in page
    assert "555" not in page
    client.get(f"{RETURN}?error=access_denied&state={state}")
    assert len(failures()) == 1


def test_a_provider_that_is_away_is_said_and_counts_for_nobody(
    provider: Provider, settings: Settings, responder: User
) -> None:
    """Local accounts are for just then: their address must not be locked by it."""
    client = Client()
    address = to_provider(client)
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    come_back(client, address)
    for _ in range(settings.LOGIN_ADDRESS_LIMIT):
        assert to_provider(client).startswith("/admin/login/")
    assert failures() == []
    assert "does not answer" in client.get("/admin/login/").content.decode()
    assert is_in(give_password("responder", client))


@pytest.mark.parametrize("fault", ["endless", "slow", "leads on", "asked by many"])
def test_a_provider_that_misbehaves_holds_nobody_up(
    provider: Provider,
    responder: User,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
) -> None:
    """Anybody can have it asked: threads and memory of local accounts are at stake."""
    monkeypatch.setattr(provider_session, "TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(provider_session, "PATIENCE_SECONDS", 0.05)
    turns = threading.BoundedSemaphore(1)
    monkeypatch.setattr(provider_session, "_turns", turns)
    if fault == "endless":
        provider.metadata = {"more": "x" * provider_session.MOST_BYTES}
    elif fault == "slow":
        provider.pause_seconds = 0.03
    elif fault == "leads on":
        provider.leads_to = f"{provider.url}/moved"
    else:
        turns.acquire()
    client = Client()
    assert to_provider(client).startswith("/admin/login/")
    assert "does not answer" in client.get("/admin/login/").content.decode()
    assert failures() == []
    assert turns.acquire(timeout=0) is (fault != "asked by many")


WRONG_DOCUMENTS = {
    "another issuer": {"issuer": "https://evil.example.org"},
    "no place to sign in": {"authorization_endpoint": None},
    "keys by no web address": {"jwks_uri": "file:///etc/passwd"},
}


@pytest.mark.parametrize("document", WRONG_DOCUMENTS.values(), ids=WRONG_DOCUMENTS)
def test_a_wrong_document_of_the_provider_is_refused(
    provider: Provider, document: dict[str, Any]
) -> None:
    provider.metadata = document
    assert to_provider(Client()).startswith("/admin/login/")
    assert failures()[0].startswith("Single sign-on failed")


def test_no_part_of_a_provider_over_https_is_in_plain_text(
    settings: Settings,
) -> None:
    settings.OIDC_ISSUER = "https://sso.example.org"
    found = dict.fromkeys(ENDPOINTS, "https://sso.example.org/x")
    require_own_document(found | {"issuer": settings.OIDC_ISSUER})
    for name in ENDPOINTS:
        plain = found | {"issuer": settings.OIDC_ISSUER, name: "http://sso.example.org"}
        with pytest.raises(ValueError, match=name):
            require_own_document(plain)


def test_roles_follow_the_groups_at_the_next_sign_in(
    provider: Provider, administrator: User
) -> None:
    provider.claims |= {"preferred_username": "ada", "email": "ada@example.org"}
    provider.claims |= {"groups": ["cf-review", "cf-run"]}
    sign_in()
    ada = User.objects.get(username="ada")
    assert roles_of(ada) == {"reviewer", "administrator"}
    provider.claims["groups"] = ["cf-respond"]
    sign_in()
    assert roles_of(ada) == {"responder"}
    entry = AuditEntry.objects.filter(action="person.roles_followed").latest("pk")
    assert entry.before == {"roles": ["administrator", "reviewer"]}
    assert entry.after == {"roles": ["responder"]}
    assert "Single sign-on changed your roles" in headlines(ada)
    provider.claims["groups"] = []
    client = sign_in()
    assert not is_in(client)
    assert roles_of(ada) == set()
    assert "none of your groups has a role here any more" in failures()[-1]


def test_the_last_administrator_stays_one(provider: Provider) -> None:
    provider.claims |= {"preferred_username": "ada", "groups": ["cf-run"]}
    sign_in()
    provider.claims["groups"] = ["cf-respond"]
    client = sign_in()
    assert is_in(client)
    ada = User.objects.get(username="ada")
    assert roles_of(ada) == {"administrator", "responder"}


def test_groups_that_are_not_named_give_nothing(provider: Provider) -> None:
    provider.claims |= {"preferred_username": "ada", "groups": ["administrator"]}
    assert not is_in(sign_in())
    assert not User.objects.filter(username="ada").exists()


def test_unknown_people_are_refused_where_no_accounts_are_made(
    provider: Provider, settings: Settings
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = False
    provider.claims |= {"preferred_username": "ada", "groups": ["cf-respond"]}
    assert not is_in(sign_in())
    assert not User.objects.filter(username="ada").exists()
    assert "nobody here is linked" in failures()[0]


@pytest.mark.parametrize("makes", [True, False])
def test_neither_name_nor_mail_leads_to_an_account_that_is_there(
    provider: Provider, settings: Settings, reviewer: User, makes: bool
) -> None:
    settings.OIDC_MAKES_ACCOUNTS = makes
    provider.claims |= {
        "preferred_username": reviewer.username,
        "email": reviewer.email,
        "email_verified": True,
        "groups": ["cf-review"],
    }
    client = sign_in()
    assert not is_in(client)
    assert not SignInIdentity.objects.exists()
    provider.claims["preferred_username"] = "ada"
    sign_in(client)
    assert not SignInIdentity.objects.filter(user=reviewer).exists()


def link(client: Client) -> Any:
    """Follow the link on one's own page to the provider, and back."""
    page = client.get(PAGE).content.decode()
    found = re.search(rf'"{START}[?]([^"]*)"', page)
    assert found is not None
    return come_back(client, to_provider(client, html.unescape(found[1])))


def test_an_owner_links_their_account_after_showing_who_they_are(
    provider: Provider, settings: Settings, reviewer: User
) -> None:
    provider.claims |= {"groups": ["cf-review"]}
    client = Client()
    client.force_login(reviewer)
    settings.PRESENCE_MINUTES = 15
    page = client.get(PAGE).content.decode()
    token = re.findall(r"for=link&amp;token=(\w+)", page)[0]
    assert CONFIRM in to_provider(client, f"for=link&token={token}")
    settings.PRESENCE_MINUTES = 0
    answer = link(client)
    assert answer.headers["Location"] == PAGE
    assert provider.asked_anew == 1
    assert SignInIdentity.objects.get().user == reviewer
    assert headlines(reviewer)[-1] == "Single sign-on was linked to your account"
    fresh = sign_in()
    assert fresh.session["_auth_user_id"] == str(reviewer.pk)


@pytest.mark.parametrize("token", ["", "x", "of another session"])
def test_nobody_is_led_to_link_by_a_page_that_is_not_their_own(
    provider: Provider, reviewer: User, responder: User, token: str
) -> None:
    client, thief = Client(), Client()
    client.force_login(reviewer)
    thief.force_login(responder)
    if token == "of another session":
        page = thief.get(PAGE).content.decode()
        token = re.findall(r"for=link&amp;token=(\w+)", page)[0]
    assert to_provider(client, f"for=link&token={token}") == PAGE


def test_linking_takes_an_answer_that_was_asked_anew(
    provider: Provider, reviewer: User
) -> None:
    """Otherwise somebody else may be signed in there, unseen."""
    provider.claims |= {"groups": ["cf-review"]}
    client = Client()
    client.force_login(reviewer)
    for wrong in (None, int(time.time()) - 3600):
        provider.wrong = {"auth_time": wrong}
        link(client)
        assert not SignInIdentity.objects.exists()
    assert len(failures()) == 2


def test_who_would_have_no_role_and_a_superuser_are_not_linked(
    provider: Provider, reviewer: User
) -> None:
    client = Client()
    client.force_login(reviewer)
    link(client)
    assert "could not sign in any more" in failures()[0]
    with pytest.raises(SignOnError, match="stays local"):
        link_identity(
            actor=User.objects.create_superuser("root"),
            claims=Claims("s", "root", "", frozenset({"cf-run"})),
        )
    assert not SignInIdentity.objects.exists()


def test_an_identity_of_somebody_is_not_linked_to_another(
    provider: Provider, reviewer: User, responder: User
) -> None:
    provider.claims |= {"groups": ["cf-review"]}
    for person in (reviewer, responder):
        client = Client()
        client.force_login(person)
        link(client)
    assert SignInIdentity.objects.get().user == reviewer
    assert "is linked to an account already" in failures()[0]


# --- Linked accounts -----------------------------------------------------------------


@pytest.fixture
def linked(provider: Provider, reviewer: User) -> User:
    provider.claims |= {"groups": ["cf-review"]}
    SignInIdentity.objects.create(
        user=reviewer, issuer=provider.url, subject="ada-1", added_at=timezone.now()
    )
    return reviewer


def test_the_password_opens_no_account_that_is_linked(linked: User) -> None:
    """Who is gone from the provider would come in by it."""
    client = give_password(linked.username)
    assert not is_in(client)
    form = {"username": linked.username, "password": PASSWORD}
    page = client.post("/admin/login/", form).content.decode()
    assert "linked to single sign-on: sign in with it" in page
    wrong = form | {"password": "another"}
    assert "linked to" not in client.post("/admin/login/", wrong).content.decode()


def test_local_accounts_sign_in_as_ever(linked: User, responder: User) -> None:
    assert is_in(give_password(responder.username))


def test_without_a_provider_linked_accounts_are_local_again(
    linked: User, settings: Settings
) -> None:
    settings.OIDC_ISSUER = ""
    assert is_in(give_password(linked.username))


def test_an_administrator_unlinks_and_is_named(
    linked: User, administrator: User, client: Client
) -> None:
    session = sign_in()
    client.force_login(administrator)
    page = f"/admin/auth/user/{linked.pk}/change/"
    assert "linked to ada-1 of http" in client.get(page).content.decode()
    client.post(f"/admin/auth/user/{linked.pk}/unlink/", {"reason": "moved"})
    assert not SignInIdentity.objects.exists()
    assert not is_in(session)
    assert is_in(give_password(linked.username))
    entry = AuditEntry.objects.get(action="person.identity_unlinked")
    assert (entry.actor, entry.reason) == (administrator, "moved")
    assert "ada-1" in entry.before["identities"][0]
    with pytest.raises(SignOnError, match="not linked"):
        unlink_identity(actor=administrator, person_id=linked.pk, reason="again")


def test_nobody_unlinks_without_the_right(linked: User, responder: User) -> None:
    for actor in (linked, responder):
        with pytest.raises(PermissionRefused):
            unlink_identity(actor=actor, person_id=linked.pk, reason="mine")


@pytest.fixture
def made(provider: Provider) -> User:
    """An administrator whom the provider's groups made, without a password here."""
    provider.claims |= {"preferred_username": "ada", "groups": ["cf-run"]}
    sign_in()
    return User.objects.get(username="ada")


def test_no_administrator_unlinks_their_own_account(made: User) -> None:
    """They would stay when the provider lets them go."""
    with pytest.raises(PermissionRefused, match="ask a colleague"):
        unlink_identity(actor=made, person_id=made.pk, reason="mine")
    assert SignInIdentity.objects.filter(user=made).exists()


def test_the_last_administrator_keeps_a_way_in(made: User) -> None:
    """Two who have no password could unlink each other, and nobody come in."""
    with pytest.raises(PersonError, match="last administrator"):
        unlink_identity(actor=None, person_id=made.pk, reason="moved")
    other = make_user("other", "administrator")
    unlink_identity(actor=other, person_id=made.pk, reason="moved")
    with pytest.raises(PersonError, match="last administrator"):
        set_active(actor=None, person_id=other.pk, is_active=False, reason="Left.")


def test_break_glass_opens_a_linked_account_while_the_provider_is_away(
    linked: User, settings: Settings
) -> None:
    _, password = open_break_glass(username=linked.username, reason="sso is down")
    settings.OIDC_ISSUER = "http://127.0.0.1:9"
    client = Client()
    form = {"username": linked.username, "password": password}
    client.post("/admin/login/", form)
    assert client.session["_auth_user_id"] == str(linked.pk)
    entry = AuditEntry.objects.get(action="person.break_glass")
    assert "ada-1" in entry.before["identities"][0]


# --- Who is there now ----------------------------------------------------------------


def needs_presence(client: Client) -> bool:
    """Return whether adding a factor asks who is there."""
    answer = client.get(f"{PAGE}app/")
    return answer.status_code == 302


@pytest.mark.parametrize("minutes_ago", [None, 0, 60, -60])
def test_signing_in_counts_as_presence_from_when_the_provider_asked(
    linked: User, provider: Provider, settings: Settings, minutes_ago: int | None
) -> None:
    """It may have asked in the morning, or yesterday; and a clock may be ahead."""
    settings.PRESENCE_MINUTES = 15
    if minutes_ago is not None:
        provider.wrong = {"auth_time": int(time.time()) - 60 * minutes_ago}
    client = sign_in()
    assert needs_presence(client) is (minutes_ago in (None, 60))
    if minutes_ago == -60:
        proved_at = dt.datetime.fromisoformat(client.session[PROVED])
        assert proved_at <= timezone.now()


def test_presence_is_shown_at_the_provider_and_the_password_is_not_asked(
    linked: User, provider: Provider, settings: Settings
) -> None:
    settings.PRESENCE_MINUTES = 15
    client = sign_in()
    page = client.get(f"{CONFIRM}?next={PAGE}app/").content.decode()
    assert "Sign in again with single sign-on" in page
    assert 'name="password"' not in page
    answer = come_back(client, to_provider(client, f"for=presence&next={PAGE}app/"))
    assert answer.headers["Location"] == f"{PAGE}app/"
    assert provider.asked_anew == 1
    assert not needs_presence(client)


WRONG_PRESENCE = {
    "not asked anew": {"auth_time": int(time.time()) - 3600},
    "without a moment": {"auth_time": None},
    "no moment": {"auth_time": "now"},
    "somebody else": {"sub": "eve-1"},
}


@pytest.mark.parametrize("wrong", WRONG_PRESENCE.values(), ids=WRONG_PRESENCE)
def test_presence_that_was_not_shown_now_by_the_same_person_is_refused(
    linked: User, provider: Provider, settings: Settings, wrong: dict[str, Any]
) -> None:
    settings.PRESENCE_MINUTES = 15
    client = sign_in()
    provider.wrong = wrong
    answer = come_back(client, to_provider(client, "for=presence"))
    assert answer.headers["Location"].startswith(CONFIRM)
    assert needs_presence(client)
    assert len(failures()) == 1


def test_local_people_are_not_led_to_the_provider_for_presence(
    linked: User, responder: User
) -> None:
    client = give_password(responder.username)
    assert "Sign in again" not in client.get(CONFIRM).content.decode()
    come_back(client, to_provider(client, "for=presence"))
    assert "somebody else who signed in there" in failures()[0]


def test_the_first_factor_is_added_by_presence_at_the_provider(
    linked: User, provider: Provider, settings: Settings
) -> None:
    """Without password and factor there is no other way to it."""
    settings.PRESENCE_MINUTES = 15
    settings.SECOND_FACTOR_ROLES = ["reviewer"]
    client = sign_in()
    assert client.get("/admin/").headers["Location"].startswith(PAGE)
    come_back(client, to_provider(client, f"for=presence&next={PAGE}app/"))
    assert client.get(f"{PAGE}app/").status_code == 200


def test_presence_at_the_provider_is_no_own_factor(
    linked: User, provider: Provider, settings: Settings
) -> None:
    """A role that was just given asks a session for the factor that was not shown."""
    client = sign_in()
    add_app(linked)
    settings.SECOND_FACTOR_ROLES = ["reviewer"]
    page = client.get(CONFIRM).content.decode()
    assert "Sign in again" not in page
    come_back(client, to_provider(client, "for=presence"))
    assert "your own second factor" in failures()[0]
    assert client.get("/admin/").status_code == 302


# --- Who is gone, and who else comes -------------------------------------------------


def test_who_is_switched_off_stays_out(provider: Provider) -> None:
    provider.claims |= {"preferred_username": "ada", "groups": ["cf-respond"]}
    sign_in()
    User.objects.filter(username="ada").update(is_active=False)
    assert not is_in(sign_in())
    assert "switched off" in failures()[0]


STRONG = {
    "says so in a list": {"amr": ["pwd", "mfa"]},
    "says so in one word": {"acr": "phr"},
}
WEAK = {
    "says nothing": {},
    "says another": {"amr": ["pwd"], "acr": "1"},
    "says it in another place": {"mfa": "mfa"},
}


@pytest.mark.parametrize(
    ("said", "is_strong"),
    [
        *((said, True) for said in STRONG.values()),
        *((said, False) for said in WEAK.values()),
    ],
    ids=[*STRONG, *WEAK],
)
def test_own_factors_are_asked_unless_the_provider_says_that_one_was_shown(
    provider: Provider, settings: Settings, said: dict[str, Any], is_strong: bool
) -> None:
    settings.OIDC_SECOND_FACTOR = ["mfa", "phr"]
    settings.SECOND_FACTOR_ROLES = ["reviewer"]
    provider.claims |= {"preferred_username": "ada", "groups": ["cf-review"], **said}
    client = sign_in()
    assert client.get("/admin/").status_code == (200 if is_strong else 302)
    ada = User.objects.get(username="ada")
    add_app(ada)
    again = sign_in()
    assert is_in(again) is is_strong
    if not is_strong:
        again.post(STEP, {"code": now_code(ada)})
        assert is_in(again)
    entry = AuditEntry.objects.filter(action="person.signed_in").latest("pk")
    own = "single sign-on and authenticator app"
    theirs = "single sign-on with a second factor"
    assert entry.after["by"] == (theirs if is_strong else own)


def test_words_for_factors_count_only_where_they_are_set(
    provider: Provider, settings: Settings
) -> None:
    settings.SECOND_FACTOR_ROLES = ["reviewer"]
    provider.claims |= {"groups": ["cf-review"], "amr": ["mfa"]}
    assert sign_in().get("/admin/").status_code == 302


def test_failures_are_limited_by_address(
    provider: Provider, settings: Settings
) -> None:
    client = Client(REMOTE_ADDR="203.0.113.7")
    statuses = [
        come_back(client, to_provider(client)).status_code
        for _ in range(settings.AXES_FAILURE_LIMIT)
    ]
    assert statuses[-1] == 429


ODD = {
    "a name that is taken": {"preferred_username": "reviewer"},
    "a look-alike": {"preferred_username": "rеviewer"},
    "a name with blanks": {"preferred_username": "ada of x"},
    "a long name": {"preferred_username": "a" * 151},
    "no text": {"preferred_username": ["ada"]},
    "a NUL": {"preferred_username": "a\x00da"},
    "a blank subject": {"sub": " "},
    "a long subject": {"sub": "a" * 256},
    "a subject with a NUL": {"sub": "a\x00"},
    "a subject that is a number": {"sub": 7},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_people_are_refused_and_half_of_nothing_is_made(
    provider: Provider, reviewer: User, odd: dict[str, Any]
) -> None:
    provider.claims |= {"groups": ["cf-respond"], **odd}
    before = User.objects.count()
    assert not is_in(sign_in())
    assert User.objects.count() == before
    assert not SignInIdentity.objects.exists()
    assert len(failures()) == 1


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"email": "ada@example.org", "email_verified": True}, "ada@example.org"),
        ({"email": "ada@example.org"}, "ada@example.org"),
        ({"email": "ada@example.org", "email_verified": False}, ""),
        ({"email": "ada@example.org", "email_verified": "true"}, ""),
        ({"email": "аda@example.org"}, ""),
        ({"email": "no address"}, ""),
        ({"email": ["ada@example.org"]}, ""),
        ({"email": f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 63}.{'e' * 60}.org"}, ""),
    ],
)
def test_only_an_address_that_mail_could_go_to_is_kept(
    provider: Provider, said: dict[str, Any], kept: str
) -> None:
    provider.claims |= {"preferred_username": "ada", "groups": ["cf-respond"], **said}
    sign_in()
    assert User.objects.get(username="ada").email == kept


def test_who_loses_every_group_loses_roles_sessions_and_tokens(
    provider: Provider, linked: User, responder: User
) -> None:
    session = sign_in()
    token, _ = create_token(
        user=linked, name="pull", scopes=["read"], days=9, actor=None
    )
    provider.claims["groups"] = []
    client = sign_in()
    assert not is_in(client)
    assert not is_in(session)
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert roles_of(linked) == set()
    assert is_in(give_password(responder.username))


def test_administrators_hear_of_work_that_nobody_may_do_any_more(
    provider: Provider, linked: User, administrator: User
) -> None:
    root = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    provider.claims["groups"] = ["cf-respond"]
    sign_in()
    make_incident(lead=linked)
    provider.claims["groups"] = []
    sign_in()
    said = (
        "Single sign-on took roles from reviewer, who still holds 1 thing to hand over"
    )
    assert headlines(administrator)[-1] == said
    assert headlines(root)[-1] == said


def test_at_another_host_the_right_one_is_named(
    provider: Provider, settings: Settings, client: Client
) -> None:
    """The browser would come back to the other, with another session."""
    settings.CASEFILE_BASE_URL = "http://casefile.example.org"
    assert to_provider(client).startswith("/admin/login/")
    page = client.get("/admin/login/").content.decode()
    assert "works at http://casefile.example.org only" in page


def test_without_a_provider_there_is_no_such_way(client: Client) -> None:
    assert client.get(START).status_code == 404
    assert client.get(RETURN).status_code == 404
    assert "single" not in client.get("/admin/login/").content.decode()


def test_the_button_has_the_name_that_was_given(
    provider: Provider, settings: Settings, client: Client
) -> None:
    settings.OIDC_NAME = "Example & Sons"
    page = client.get("/admin/login/?next=/admin/auth/").content.decode()
    assert "Sign in with Example &amp; Sons" in page
    assert f"{START}?next=/admin/auth/" in page


def test_groups_of_the_roles_are_there(db: None) -> None:
    assert set(ROLES.values()) <= set(Group.objects.values_list("name", flat=True))
    assert Role.MACHINE not in ROLES.values()


def come_back_together(clients: list[Client], backs: list[str]) -> list[int]:
    """Follow each browser back at the same moment, on connections of their own."""
    gate = threading.Barrier(len(clients))
    found: dict[int, int] = {}

    def follow(number: int) -> None:
        try:
            gate.wait()
            found[number] = clients[number].get(backs[number]).status_code
        finally:
            connection.close()

    threads = [threading.Thread(target=follow, args=[n]) for n in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(len(clients))]


def answers_for(provider: Provider, subjects: list[str]) -> tuple[list[Client], Any]:
    """Return browsers that are about to come back, and the addresses they come to."""
    clients, backs = [], []
    for subject in subjects:
        provider.claims |= {"sub": subject, "preferred_username": "ada"}
        client = Client(raise_request_exception=False)
        address = to_provider(client)
        answer = requests.get(address, allow_redirects=False, timeout=10)
        back = urlsplit(answer.headers["Location"])
        clients.append(client)
        backs.append(f"{back.path}?{back.query}")
    return clients, backs


@pytest.mark.django_db(transaction=True)
def test_two_first_sign_ins_of_one_person_at_once_make_one_account(
    provider: Provider,
) -> None:
    provider.claims |= {"groups": ["cf-respond"]}
    clients, backs = answers_for(provider, ["ada-1", "ada-1", "ada-1"])
    assert come_back_together(clients, backs) == [302, 302, 302]
    assert [is_in(client) for client in clients] == [True, True, True]
    assert User.objects.filter(username="ada").count() == 1
    assert SignInIdentity.objects.count() == 1
    assert AuditEntry.objects.filter(action="person.created").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_new_people_of_one_name_at_once_one_is_let_in(
    provider: Provider,
) -> None:
    people = [
        Claims(f"ada-{n}", "ada", "", frozenset({"cf-respond"})) for n in range(3)
    ]
    gate = threading.Barrier(len(people))
    outcomes: list[str] = []

    def admit(claims: Claims) -> None:
        try:
            gate.wait()
            admit_by_identity(claims)
            outcomes.append("let in")
        except PersonError as error:
            outcomes.append(error.message)
        finally:
            connection.close()

    threads = [threading.Thread(target=admit, args=[each]) for each in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = "There is somebody called ada already."
    assert sorted(outcomes) == sorted(["let in", taken, taken])
    assert User.objects.filter(username="ada").count() == 1
