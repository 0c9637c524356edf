"""Tokens: shown once, hashed, scoped, expiring, revocable."""

from __future__ import annotations

import datetime as dt
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from evidence.accounts.tokens import create_token, note_use, revoke_token
from evidence.errors import PermissionRefused, TokenError
from evidence.models import ApiToken, AuditEntry, TokenScope
from tests.api.conftest import make_client
from tests.evidence.helpers import without_triggers

INCIDENTS = "/api/v1/incidents/"


def ask(secret: str, scheme: str = "Bearer") -> int:
    client = APIClient()
    return client.get(INCIDENTS, HTTP_AUTHORIZATION=f"{scheme} {secret}").status_code


def make_token(user: User, **changes: object) -> tuple[ApiToken, str]:
    values = {"name": "gate", "scopes": [TokenScope.READ], "days": 1, "actor": None}
    return create_token(user=user, **{**values, **changes})


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Token"])
def test_token_signs_in_under_either_scheme(auditor: User, scheme: str) -> None:
    assert ask(make_token(auditor)[1], scheme) == 200


def test_only_a_hash_of_the_token_is_stored(auditor: User) -> None:
    token, secret = make_token(auditor)
    token.refresh_from_db()
    assert secret.startswith("cf_")
    assert secret not in "".join(str(v) for v in vars(token).values())
    assert len(token.digest) == 128


def test_making_a_token_is_recorded_without_the_secret(auditor: User) -> None:
    token, secret = make_token(auditor)
    entry = AuditEntry.objects.get(action="token.created")
    assert entry.object_id == str(token.pk)
    assert entry.after["scopes"] == ["read"]
    assert secret not in str(entry.after) + entry.object_label


def test_expired_token_is_refused_and_its_row_stays(auditor: User) -> None:
    token, secret = make_token(auditor)
    past = timezone.now() - dt.timedelta(days=3)
    without_triggers(
        "UPDATE evidence_apitoken SET created = %s, expiry = %s WHERE id = %s",
        past,
        past + dt.timedelta(days=1),
        token.pk,
    )
    assert ask(secret) == 401
    assert ApiToken.objects.filter(pk=token.pk).exists()


def test_revoked_token_is_refused_from_then_on(
    auditor: User, administrator: User
) -> None:
    token, secret = make_token(auditor)
    assert ask(secret) == 200
    revoke_token(token_id=token.pk, actor=administrator, reason="laptop lost")
    assert ask(secret) == 401
    entry = AuditEntry.objects.get(action="token.revoked")
    assert (entry.actor, entry.reason) == (administrator, "laptop lost")


def test_token_of_an_inactive_user_is_refused(auditor: User) -> None:
    _, secret = make_token(auditor)
    User.objects.filter(pk=auditor.pk).update(is_active=False)
    assert ask(secret) == 401


@pytest.mark.parametrize(
    "secret", ["", "x", "cf_" + "0" * 64, "cf_" + "é" * 20, "a b c", "cf_\x7f" * 9]
)
def test_what_is_no_token_gets_one_and_the_same_answer(db: None, secret: str) -> None:
    client = APIClient()
    header = f"Bearer {secret}".encode().decode("latin-1")
    response = client.get(INCIDENTS, HTTP_AUTHORIZATION=header)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="casefile"'
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "authentication_failed"


def test_use_is_noted_at_most_once_a_minute(auditor: User) -> None:
    token, _ = make_token(auditor)
    noon = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
    for seconds, noted in ((0, 0), (59, 0), (61, 61)):
        token.refresh_from_db()
        note_use(token, now=noon + dt.timedelta(seconds=seconds))
        token.refresh_from_db()
        assert token.last_used_at == noon + dt.timedelta(seconds=noted)


def test_grant_of_a_token_cannot_be_widened_in_the_database(auditor: User) -> None:
    token, _ = make_token(auditor)
    with pytest.raises(ProgrammingError, match="Cannot"), transaction.atomic():
        ApiToken.objects.filter(pk=token.pk).update(scopes=["cases:write"])
    with pytest.raises(ProgrammingError, match="Cannot"), transaction.atomic():
        connection.cursor().execute("DELETE FROM evidence_apitoken")


def test_database_refuses_an_unknown_scope(auditor: User) -> None:
    with pytest.raises(IntegrityError, match="api_token_scopes_known"):
        ApiToken.objects.create(user=auditor, name="x", scopes=["everything"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scopes": []}, "Choose one or more of these scopes"),
        ({"scopes": ["admin"]}, "Given: admin"),
        ({"days": 0}, "1 to 366 days"),
        ({"days": 367}, "1 to 366 days"),
        ({"name": "  "}, "says what the token is for"),
    ],
)
def test_token_that_makes_no_sense_is_refused(
    auditor: User, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(TokenError, match=message):
        make_token(auditor, **changes)


def test_only_an_administrator_makes_and_revokes_tokens(
    administrator: User, responder: User, auditor: User
) -> None:
    token, _ = make_token(auditor, actor=administrator)
    with pytest.raises(PermissionRefused):
        make_token(auditor, actor=responder)
    with pytest.raises(PermissionRefused):
        revoke_token(token_id=token.pk, actor=responder)


def test_command_prints_a_token_that_works(auditor: User) -> None:
    out, err = StringIO(), StringIO()
    call_command(
        "create_token",
        "auditor",
        "--scope",
        "read",
        "--days",
        "7",
        stdout=out,
        stderr=err,
    )
    assert ask(out.getvalue().strip()) == 200
    assert "not stored" in err.getvalue()


def test_command_says_who_is_missing(db: None) -> None:
    with pytest.raises(CommandError, match="There is no user nobody"):
        call_command("create_token", "nobody", "--scope", "read")


def test_scope_narrows_what_the_user_may_do(responder: User) -> None:
    client = make_client(responder, TokenScope.ALERTS_WRITE)
    response = client.get(INCIDENTS)
    assert response.status_code == 403
    assert response.json()["code"] == "scope_missing"


def test_scope_never_adds_to_what_the_user_may_do(outsider: User) -> None:
    client = make_client(outsider, *TokenScope.values)
    assert client.get(INCIDENTS).status_code == 403
    alert = {"source": "ci_gate", "alert_id": "a", "extension_id": "e", "ts_ms": 1}
    alert |= {"category": "quota_breach", "severity": "info"}
    response = client.post("/api/v1/alerts/", alert, format="json")
    assert (response.status_code, response.json()["code"]) == (
        403,
        "permission_refused",
    )


def test_session_reads_and_changes_nothing(responder: User) -> None:
    client = APIClient()
    client.force_login(responder)
    assert client.get(INCIDENTS).status_code == 200
    response = client.post("/api/v1/alerts/", {}, format="json")
    assert (response.status_code, response.json()["code"]) == (403, "token_required")
