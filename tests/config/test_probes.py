"""Probes and metrics: who is told what, and what a failing part looks like."""

import time

import pytest
from celery import current_app
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from config.heartbeat import WORKER_SEEN_KEY, write_heartbeat
from tests.factories import make_incident
from tests.live import LiveWorker

PARTS = {
    *("database", "broker", "workers", "evidence_storage", "reminders", "on_call"),
    "history",
}


@pytest.fixture(autouse=True)
def fresh_reports(settings: Settings) -> None:
    settings.READINESS_SECONDS = 0


def test_healthz_answers_any_host_without_a_database(client: Client) -> None:
    response = client.get("/healthz", headers={"host": "10.1.2.3"})
    assert response.status_code == 200
    assert response.json() == {"status": "ok"}


@pytest.mark.live
@pytest.mark.usefixtures("live_worker")
def test_readyz_is_ready_with_a_live_worker(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200, response.content
    assert set(response.json()["parts"]) == PARTS
    assert response.json()["status"] == "ok"


@pytest.mark.live
def test_heartbeat_goes_on_while_the_worker_lives(live_worker: LiveWorker) -> None:
    first = cache.get(WORKER_SEEN_KEY)
    live_worker.wait_for(lambda: cache.get(WORKER_SEEN_KEY) != first)


@pytest.mark.live
@pytest.mark.usefixtures("live_worker")
def test_readyz_is_strictly_ready_with_a_live_worker(client: Client) -> None:
    assert client.get("/readyz?strict=1").status_code == 200


@pytest.mark.usefixtures("db")
def test_readyz_names_missing_workers_and_nothing_else(client: Client) -> None:
    parts = client.get("/readyz").json()["parts"]
    assert parts["workers"]["status"] == "failing"
    assert {name for name in parts if parts[name]["status"] == "ok"} == PARTS - {
        "workers"
    }


@pytest.mark.usefixtures("db")
def test_missing_workers_keep_the_web_machine_in_its_balancer(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"


@pytest.mark.usefixtures("db")
def test_monitors_are_told_of_missing_workers_by_status(client: Client) -> None:
    response = client.get("/readyz?strict=1")
    assert response.status_code == 503
    assert response.json()["status"] == "degraded"


@pytest.mark.usefixtures("db")
def test_overdue_clocks_that_nobody_checks_degrade(client: Client) -> None:
    write_heartbeat()
    make_incident()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["parts"]["reminders"]["status"] == "failing"
    assert client.get("/readyz?strict=1").status_code == 503


@pytest.mark.usefixtures("db")
def test_broker_that_is_away_degrades(client: Client) -> None:
    write_heartbeat()
    away = "redis+socket:///nowhere/valkey.sock"
    with current_app.connection_for_write() as live:
        address = live.as_uri(include_password=True)
    current_app.conf.broker_write_url = away
    try:
        response = client.get("/readyz")
    finally:
        current_app.conf.broker_write_url = address
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["parts"]["broker"]["status"] == "failing"


@pytest.mark.parametrize("part", ["database", "evidence_storage"])
def test_part_that_every_page_needs_fails_the_probe(
    client: Client, settings: Settings, part: str
) -> None:
    settings.READINESS_CHECKS = {part: "tests.config.test_probes.fail"}
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "failing"


def test_every_critical_part_is_checked(settings: Settings) -> None:
    assert set(settings.READINESS_CRITICAL) <= set(settings.READINESS_CHECKS)


def fail() -> str:
    raise OSError("the part is away")


@pytest.mark.usefixtures("db")
def test_readyz_fails_when_evidence_cannot_be_written(
    client: Client, settings: Settings, tmp_path
) -> None:
    write_heartbeat()
    occupied = tmp_path / "a-file-where-the-folder-should-be"
    occupied.touch()
    storages = {**settings.STORAGES}
    storages["evidence"] = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(occupied)},
    }
    settings.STORAGES = storages
    response = client.get("/readyz")
    assert response.status_code == 503
    part = response.json()["parts"]["evidence_storage"]
    assert part["status"] == "failing"
    assert str(tmp_path) not in response.content.decode()


@pytest.mark.usefixtures("db")
def test_readyz_asks_its_parts_once_within_its_time(
    client: Client, settings: Settings
) -> None:
    settings.READINESS_SECONDS = 60
    first = client.get("/readyz").json()
    time.sleep(0.01)
    write_heartbeat()
    settings.READINESS_SECONDS = 60
    assert client.get("/readyz").json() == first


def test_readyz_takes_checks_of_other_apps(client: Client, settings: Settings) -> None:
    settings.READINESS_CHECKS = {"example": "tests.config.test_probes.check_example"}
    assert client.get("/readyz").json()["parts"]["example"]["detail"] == "an example"


def check_example() -> str:
    return "an example"


def test_metrics_are_refused_without_token_or_address(client: Client) -> None:
    assert client.get("/metrics").status_code == 403


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("token", "status"), [("right", 200), ("wrong", 403), ("", 403)]
)
def test_metrics_need_the_right_token(
    client: Client, settings: Settings, token: str, status: int
) -> None:
    settings.METRICS_TOKEN = "right"
    headers = {"authorization": f"Bearer {token}"}
    assert client.get("/metrics", headers=headers).status_code == status


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("network", "status"), [("127.0.0.0/8", 200), ("10.0.0.0/8", 403)]
)
def test_metrics_answer_allowed_networks(
    client: Client, settings: Settings, network: str, status: int
) -> None:
    settings.METRICS_ALLOWED = [network]
    response = client.get("/metrics")
    assert response.status_code == status
    assert (b"django_http_requests" in response.content) is (status == 200)
