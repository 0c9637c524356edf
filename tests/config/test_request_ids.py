"""Every line about a request has its id, whoever refused it, and so has its answer."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from config.logs import make_logging
from config.request_ids import HEADER

Ask = Callable[[Client, Settings], Any]


@pytest.fixture
def log(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Write logs as in production, and return what was written so far."""
    settings.ROOT_URLCONF = "tests.config.test_refusals"
    handler = next(
        handler for handler in logging.root.handlers if handler.name == "stderr"
    )
    assert isinstance(handler, logging.StreamHandler)
    style = make_logging(level="INFO", as_json=True)["formatters"]["structured"]
    plain = {name: value for name, value in style.items() if name != "()"}
    monkeypatch.setattr(
        handler, "formatter", structlog.stdlib.ProcessorFormatter(**plain)
    )
    level = logging.root.level
    logging.root.setLevel("INFO")
    earlier = handler.setStream(written := io.StringIO())
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    handler.setStream(earlier)
    logging.root.setLevel(level)


@pytest.fixture
def visitor() -> Client:
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


def wrong_host(client: Client, settings: Settings) -> Any:
    settings.ALLOWED_HOSTS = ["casefile.example.org"]
    return client.get("/admin/login/", headers={"host": "elsewhere.example.org"})


def plain_http(client: Client, settings: Settings) -> Any:
    settings.SECURE_SSL_REDIRECT = True
    return client.get("/admin/login/")


REFUSALS: dict[str, tuple[int, Ask]] = {
    "wrong host": (400, wrong_host),
    "wrong host of the API": (
        400,
        lambda client, settings: client.get(
            "/api/v1/incidents/", headers={"host": "bad host"}
        ),
    ),
    "plain http": (301, plain_http),
    "form without a token": (403, lambda client, _: client.post("/admin/login/")),
    "address with NUL": (400, lambda client, _: client.get("/admin/?q=%00")),
    "packed body": (
        415,
        lambda client, _: client.post(
            "/api/v1/alerts/", headers={"content-encoding": "gzip"}
        ),
    ),
    "nobody signed in": (401, lambda client, _: client.get("/api/v1/incidents/")),
    "no such page": (404, lambda client, _: client.get("/nowhere/")),
    "no such file": (404, lambda client, _: client.get("/static/nowhere.css")),
    "metrics": (403, lambda client, _: client.get("/metrics")),
    "store away": (503, lambda client, _: client.get("/pages/store/")),
    "fault": (500, lambda client, _: client.get("/pages/fault/")),
    "fault of the API": (
        500,
        lambda client, _: client.get("/api/v1/outside/fault/"),
    ),
}


@pytest.mark.django_db
@pytest.mark.parametrize("kind", REFUSALS)
def test_refusal_and_all_that_is_logged_of_it_have_one_id(
    kind: str,
    visitor: Client,
    settings: Settings,
    log: Callable[[], list[dict[str, Any]]],
) -> None:
    status, ask = REFUSALS[kind]
    answer: HttpResponse = ask(visitor, settings)
    assert answer.status_code == status
    lines = log()
    assert lines, "nothing was logged of it"
    assert {line.get("request_id") for line in lines} == {answer[HEADER]}, lines


@pytest.mark.django_db
def test_each_request_has_an_id_of_its_own_whatever_it_claims(
    visitor: Client, log: Callable[[], list[dict[str, Any]]]
) -> None:
    claimed = {"x-request-id": "somebody-elses"}
    answers = [visitor.get("/nowhere/", headers=claimed) for _ in range(2)]
    given = {answer[HEADER] for answer in answers}
    assert len(given) == 2
    assert "somebody-elses" not in given
    assert {line["request_id"] for line in log()} == given


def test_lines_name_who_asked(
    outsider: User, client: Client, log: Callable[[], list[dict[str, Any]]]
) -> None:
    client.force_login(outsider)
    assert client.get("/admin/incidents/incident/").status_code == 403
    assert {line["user_id"] for line in log()} == {outsider.pk}


def test_the_next_request_is_not_taken_for_the_one_before(
    outsider: User, client: Client, log: Callable[[], list[dict[str, Any]]]
) -> None:
    client.force_login(outsider)
    client.get("/healthz")
    client.get("/admin/incidents/incident/")
    Client().get("/nowhere/")
    assert log()[-1].get("user_id") is None


@pytest.mark.django_db
def test_answered_probes_and_files_are_not_logged(
    client: Client, log: Callable[[], list[dict[str, Any]]]
) -> None:
    assert client.get("/healthz")[HEADER]
    assert log() == []
    client.get("/admin/login/")
    assert len(log()) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("proxies", "address"), [(0, "127.0.0.1"), (1, "203.0.113.9")])
def test_lines_name_the_address_that_a_proxy_of_ours_saw(
    visitor: Client,
    settings: Settings,
    log: Callable[[], list[dict[str, Any]]],
    proxies: int,
    address: str,
) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    claimed = {"x-forwarded-for": "198.51.100.1, 203.0.113.9"}
    visitor.get("/nowhere/", headers=claimed)
    assert {line["ip"] for line in log()} == {address}
