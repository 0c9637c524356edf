"""Everybody who asks: each role in a browser, and each kind of token."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.accounts.token_networks import read_address
from evidence.accounts.tokens import create_token, note_use, revoke_token
from evidence.models import ApiToken, TokenScope
from tests.evidence.helpers import without_triggers
from tests.factories import make_user

HERE = "127.0.0.1"
HOUR = dt.timedelta(hours=1)


class Who(StrEnum):
    """Who sits at a browser, or owns a token."""

    ANONYMOUS = "nobody signed in"
    OUTSIDER = "signed in, no role"
    RESPONDER = "responder"
    REVIEWER = "reviewer"
    AUDITOR = "auditor"
    ADMINISTRATOR = "administrator"
    SUPERUSER = "superuser"
    MACHINE = "machine's account"
    NO_STAFF = "responder, not staff"
    INACTIVE = "responder, switched off"


NAMES = {
    Who.OUTSIDER: "outsider",
    Who.RESPONDER: "responder",
    Who.REVIEWER: "reviewer",
    Who.AUDITOR: "auditor",
    Who.ADMINISTRATOR: "administrator",
    Who.SUPERUSER: "root",
    Who.MACHINE: "machine",
    Who.NO_STAFF: "no-staff",
    Who.INACTIVE: "switched-off",
}


UNSIGNED = {Who.ANONYMOUS, Who.MACHINE, Who.NO_STAFF, Who.INACTIVE}
"""Whom the pages ask to sign in."""


class Dead(StrEnum):
    """Tokens that open nothing, each of a superuser and with every scope."""

    EXPIRED = "expired token"
    REVOKED = "revoked token"
    OWNER_OFF = "token of an account that is switched off"
    UNKNOWN = "token that nobody made"


def make_others() -> None:
    """Make the people that the filled world has not, and a token for each."""
    make_user(Role.RESPONDER, "no-staff")
    User.objects.filter(username="no-staff").update(is_staff=False)
    make_user(Role.RESPONDER, "switched-off")
    for name in NAMES.values():
        _make_token(User.objects.get(username=name), TokenScope.READ)


def make_browsers() -> dict[Who, Client]:
    """Return a signed-in browser for each; one of them is switched off after that."""
    browsers = {Who.ANONYMOUS: Client(raise_request_exception=False)}
    for who, name in NAMES.items():
        browsers[who] = Client(raise_request_exception=False)
        browsers[who].force_login(User.objects.get(username=name))
    User.objects.filter(username=NAMES[Who.INACTIVE]).update(is_active=False)
    return browsers


def make_caller(who: Who, *scopes: TokenScope) -> APIClient:
    """Return a program with a token of this person and these scopes.

    It is noted as just used, so that no request that is taken back notes it again.
    """
    token, secret = _make_token(User.objects.get(username=NAMES[who]), *scopes)
    note_use(token, now=timezone.now() + HOUR, address=read_address(HERE))
    return _caller(secret)


def make_dead_callers() -> dict[Dead, APIClient]:
    """Return programs whose tokens were good once, or never."""
    root = User.objects.get(username=NAMES[Who.SUPERUSER])
    off = User.objects.create_superuser("root-off", "off@example.org", "unguessed")
    every = list(TokenScope)
    revoked, revoked_secret = _make_token(root, *every)
    revoke_token(token_id=revoked.pk, actor=root)
    past, expired = _make_token(root, *every)
    _let_expire(past)
    _, owned = _make_token(off, *every)
    User.objects.filter(pk=off.pk).update(is_active=False)
    secrets = {
        Dead.EXPIRED: expired,
        Dead.REVOKED: revoked_secret,
        Dead.OWNER_OFF: owned,
        Dead.UNKNOWN: "ab" * 32,
    }
    return {dead: _caller(secret) for dead, secret in secrets.items()}


def _make_token(user: User, *scopes: TokenScope) -> tuple[ApiToken, str]:
    return create_token(
        user=user, name="a test", scopes=list(scopes), days=1, actor=None
    )


def _let_expire(token: ApiToken) -> None:
    """Date a token back by two days."""
    two_days = dt.timedelta(days=2)
    without_triggers(
        "UPDATE evidence_apitoken SET created = %s, expiry = %s WHERE id = %s",
        token.created - two_days,
        token.expiry - two_days,
        token.pk,
    )


def _caller(secret: str) -> APIClient:
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client
