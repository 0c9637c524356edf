"""Alerts whose senders do not wait, answered in one statement where all is as usual.

The first alert of a test notes the token's use and the extension, the ordinary way; the
next one is answered at once, and what comes after is refused as anywhere.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from evidence.accounts.token_in_force import _find_id
from evidence.accounts.tokens import create_token, revoke_token
from evidence.models import ApiToken, TokenScope
from incidents.models import Alert
from tests.factories import make_user
from tests.incidents.alerts.samples import alert_document, make_rules

pytestmark = pytest.mark.django_db
URL = "/api/v1/alerts/"
SOURCE = "risk_controller"
ORDINARY = {"Accept": "application/json;q=1"}
OF_ONE_ANSWER = ("X-Request-ID", "Location", "Content-Length", "RateLimit-Remaining")


class Sender:
    """A machine with a token of its own, which has sent its first alert."""

    def __init__(self, **token: Any) -> None:
        self.machine = make_user(Role.MACHINE)
        self.token, secret = create_token(
            user=self.machine,
            name="a test",
            scopes=[TokenScope.ALERTS_WRITE],
            days=1,
            actor=None,
            **token,
        )
        self.client = APIClient(raise_request_exception=False)
        self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        assert self.send("first").status_code == 202

    def send(
        self, name: str, *, headers: dict[str, str] | None = None, **members: Any
    ) -> Any:
        extra = members.pop("extra", {})
        return self.client.post(
            URL,
            data=json.dumps(alert_document(name, source=SOURCE, **members)),
            content_type="application/json",
            headers={"Prefer": "respond-async", **(headers or {})},
            **extra,
        )

    def statements_of(self, name: str, **options: Any) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            assert self.send(name, **options).status_code == 202
        return [query["sql"] for query in queries]


@pytest.fixture
def sender(db: None) -> Sender:
    make_rules()
    return Sender()


def test_alert_takes_one_statement(sender: Sender) -> None:
    (told,) = sender.statements_of("second")
    assert "INSERT INTO incidents_alert" in told
    row = Alert.objects.get(alert_id="second")
    first = Alert.objects.get(alert_id="first")
    assert row.received_from == sender.machine
    same = ("decision", "extension", "category", "severity", "happened_at")
    for name in (*same, "reason_codes", "risk_score", "summary", "call_id", "method"):
        assert getattr(row, name) == getattr(first, name), name
    assert row.document == first.document | {"alert_id": "second"}


def test_answer_is_that_of_the_ordinary_way(sender: Sender) -> None:
    at_once, ordinary = sender.send("b"), sender.send("c", headers=ORDINARY)
    row = Alert.objects.get(alert_id="b")
    assert len(sender.statements_of("d", headers=ORDINARY)) > 1
    assert at_once["Location"] == f"{URL}{row.pk}/"
    expected = ordinary.json() | {
        "alert_id": "b",
        "id": row.pk,
        "document_sha256": row.document_sha256,
    }
    assert at_once.json() == expected
    assert list(at_once.json()) == list(ordinary.json())
    assert headers_of(at_once) == headers_of(ordinary)


def headers_of(response: Any) -> dict[str, str]:
    one_window = ("RateLimit-Reset",)
    left_out = (*OF_ONE_ANSWER, *one_window)
    assert set(left_out) <= set(response.headers)
    return {k: v for k, v in response.headers.items() if k not in left_out}


def revoke(sender: Sender) -> None:
    revoke_token(token_id=sender.token.pk, actor=None)


def replace(sender: Sender) -> None:
    ApiToken.objects.filter(pk=sender.token.pk).update(ends_at=timezone.now())


def switch_off(sender: Sender) -> None:
    User.objects.filter(pk=sender.machine.pk).update(is_active=False)


def take_right(sender: Sender) -> None:
    sender.machine.groups.clear()


@pytest.mark.parametrize(
    ("end", "status"),
    [(revoke, 401), (replace, 401), (switch_off, 401), (take_right, 403)],
)
def test_what_a_token_loses_it_has_lost_at_the_next_request(
    end: Callable[[Sender], None], status: int, sender: Sender
) -> None:
    assert len(sender.statements_of("second")) == 1
    end(sender)
    assert sender.send("third").status_code == status
    assert Alert.objects.count() == 2


def test_token_that_expires_is_refused(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(sender.statements_of("second")) == 1
    later = timezone.now() + dt.timedelta(days=1, seconds=1)
    ApiToken.objects.filter(pk=sender.token.pk).update(last_used_at=later)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert sender.send("third").status_code == 401


@pytest.mark.parametrize("scope", [TokenScope.READ, TokenScope.EVIDENCE_WRITE])
def test_token_for_something_else_stores_nothing(
    scope: TokenScope, sender: Sender
) -> None:
    _, secret = create_token(
        user=sender.machine, name="other", scopes=[scope], days=1, actor=None
    )
    sender.client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    for name in ("second", "third"):
        assert sender.send(name).status_code == 403
    assert Alert.objects.count() == 1


@pytest.mark.parametrize("kind", ["user", "superuser"])
def test_right_of_ones_own_and_every_right_count_as_a_roles(
    kind: str, sender: Sender
) -> None:
    sender.machine.groups.clear()
    if kind == "superuser":
        User.objects.filter(pk=sender.machine.pk).update(is_superuser=True)
    else:
        sender.machine.user_permissions.add(
            Permission.objects.get(codename="add_alert")
        )
    assert len(sender.statements_of("second")) == 1


def test_networks_of_a_token_hold(db: None) -> None:
    make_rules()
    sender = Sender(networks=["127.0.0.0/24", "2001:db8::/32"])
    assert len(sender.statements_of("second")) == 1
    elsewhere = sender.send("third", extra={"REMOTE_ADDR": "192.0.2.1"})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "network_refused")
    nowhere = sender.send("third", extra={"REMOTE_ADDR": ""})
    assert nowhere.status_code == 403
    within: dict[str, Any] = {"extra": {"REMOTE_ADDR": "2001:db8::1"}}
    assert len(sender.statements_of("third", **within)) > 1
    assert len(sender.statements_of("fourth", **within)) == 1


def test_new_network_and_use_that_is_due_are_noted(sender: Sender) -> None:
    sender.send("second", extra={"REMOTE_ADDR": "192.0.2.1"})
    sender.token.refresh_from_db()
    assert "192.0.2.0/24" in sender.token.seen_networks
    due = timezone.now() - dt.timedelta(minutes=2)
    ApiToken.objects.filter(pk=sender.token.pk).update(last_used_at=due)
    sender.send("third")
    sender.token.refresh_from_db()
    assert sender.token.last_used_at is not None
    assert sender.token.last_used_at > due


def test_what_is_not_as_usual_is_answered_as_ever(sender: Sender) -> None:
    assert sender.send("second").status_code == 202
    assert sender.send("second")["Location"] == sender.send("second")["Location"]
    assert sender.send("second", summary="new").status_code == 409
    assert sender.send("third", severity="huge").status_code == 422
    assert sender.send("third", extra={"HTTP_HOST": "elsewhere"}).status_code == 400
    assert sender.send("third", headers={"Accept": "text/html"}).status_code == 406
    assert sender.send("third", headers={"Content-Encoding": "gzip"}).status_code == 415
    assert Alert.objects.count() == 2


def test_each_request_is_counted_once_and_the_last_is_refused(
    sender: Sender, settings: Any
) -> None:
    answers = [sender.send(name) for name in ("a", "a", "b", "a", "c")]
    left = [int(answer["RateLimit-Remaining"]) for answer in answers]
    used = settings.API_RATES_PER_MINUTE["alerts"] - left[-1]
    # A window may end between two of them.
    steps = {before - after for before, after in pairwise(left)}
    assert 1 in steps
    assert max(steps) == 1
    rates = settings.API_RATES_PER_MINUTE | {"alerts": max(1, used - 3)}
    settings.API_RATES_PER_MINUTE = rates
    refused = sender.send("d")
    assert (refused.status_code, refused["RateLimit-Remaining"]) == (429, "0")
    assert not Alert.objects.filter(alert_id="d").exists()


class CutOff:
    """A body whose sender is gone."""

    def read(self, *sizes: int) -> bytes:
        raise OSError("gone")

    readline = read


def test_body_that_ends_too_soon_is_told_as_anywhere(sender: Sender) -> None:
    extra = {"wsgi.input": CutOff()}
    told = [sender.send("b", extra=extra, headers=each) for each in ({}, ORDINARY)]
    assert [answer.status_code for answer in told] == [400, 400]
    assert told[0].json() == told[1].json()


@pytest.mark.parametrize("is_known", [True, False])
def test_database_that_does_not_answer_is_told_as_anywhere(
    is_known: bool, sender: Sender
) -> None:
    """Whether the process knows the token by then or not."""
    if not is_known:
        _find_id.cache_clear()
    with connection.execute_wrapper(refuse):
        told, ordinary = sender.send("second"), sender.send("second", headers=ORDINARY)
    assert (told.status_code, told.json()["code"]) == (503, "unavailable")
    assert told.json() == ordinary.json()
    assert told["Retry-After"] == ordinary["Retry-After"]
    assert told.get("Allow") == ordinary.get("Allow")
    assert not Alert.objects.filter(alert_id="second").exists()


def refuse(*statement: Any) -> None:
    raise OperationalError("the server closed the connection")


def test_it_is_counted_among_the_requests(sender: Sender) -> None:
    labels = {"status": "202", "view": "api:alert-list", "method": "POST"}
    name = "django_http_responses_total_by_status_view_method_total"
    before = REGISTRY.get_sample_value(name, labels) or 0
    assert len(sender.statements_of("second")) == 1
    assert REGISTRY.get_sample_value(name, labels) == before + 1
