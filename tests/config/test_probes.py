"""Probes and metrics: who is told what, and what a failing part looks like."""

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from config import health
from config.heartbeat import write_beat, write_heartbeat
from evidence.errors import HealthFailure, HealthUnknown, HealthWarning
from evidence.health import Part
from evidence.queue.names import QueueName
from evidence.queue.signs import seen_key
from tests.brokers import FAULTS, broker_that
from tests.factories import make_incident
from tests.live import LiveWorker

PARTS = {part.name for part in django_settings.READINESS_PARTS}
# Nobody outside holds a copy of this history log; nothing was checked yet.
WARNED = {"log_copies", "history", "records"}


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
    write_beat()
    response = client.get("/readyz")
    assert response.status_code == 200, response.content
    parts = response.json()["parts"]
    assert set(parts) == PARTS
    assert {name for name in parts if parts[name]["status"] != "ok"} == WARNED


@pytest.mark.live
def test_heartbeat_goes_on_while_the_worker_lives(live_worker: LiveWorker) -> None:
    key = seen_key(QueueName.CLOCKS)
    first = cache.get(key)
    live_worker.wait_for(lambda: cache.get(key) != first)


@pytest.mark.live
@pytest.mark.usefixtures("live_worker")
def test_readyz_is_strictly_ready_with_a_live_worker_and_nothing_to_warn_of(
    client: Client, settings: Settings
) -> None:
    write_beat()
    warned = client.get("/readyz?strict=1")
    assert (warned.status_code, warned.json()["status"]) == (503, "warning")
    settings.READINESS_PARTS = [
        part for part in django_settings.READINESS_PARTS if part.name not in WARNED
    ]
    assert client.get("/readyz?strict=1").status_code == 200


@pytest.mark.usefixtures("db")
def test_readyz_names_missing_workers_and_nothing_else(client: Client) -> None:
    write_beat()
    parts = client.get("/readyz").json()["parts"]
    assert parts["workers"]["status"] == "failing"
    well = {name for name in parts if parts[name]["status"] == "ok"}
    assert well == PARTS - {"workers"} - WARNED


@pytest.mark.usefixtures("db")
def test_readyz_names_the_queue_that_nobody_takes_from(client: Client) -> None:
    write_heartbeat(queue for queue in QueueName if queue != QueueName.DELIVERY)
    part = client.get("/readyz").json()["parts"]["workers"]
    assert part["status"] == "failing"
    assert part["detail"] == "no worker has taken from delivery for 20 s"


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


@pytest.mark.usefixtures("transactional_db")
def test_overdue_clocks_that_nobody_checks_degrade(client: Client) -> None:
    write_heartbeat(QueueName)
    write_beat()
    make_incident()
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["parts"]["reminders"]["status"] == "failing"
    assert client.get("/readyz?strict=1").status_code == 503


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("fault", FAULTS)
def test_broker_that_takes_nothing_degrades(client: Client, fault: str) -> None:
    write_heartbeat(QueueName)
    write_beat()
    with broker_that(fault):
        response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
    assert response.json()["parts"]["broker"]["status"] == "failing"


@pytest.mark.parametrize(
    ("takes_web_out", "code", "status"),
    [(True, 503, "failing"), (False, 200, "degraded")],
)
def test_only_a_part_that_every_page_needs_takes_web_machines_out(
    client: Client, settings: Settings, takes_web_out: bool, code: int, status: str
) -> None:
    part = make_part("fail", takes_web_out=takes_web_out)
    settings.READINESS_PARTS = [part]
    response = client.get("/readyz")
    assert response.status_code == code
    assert response.json()["status"] == status


def test_every_page_needs_the_database_and_its_files(settings: Settings) -> None:
    needed = {part.name for part in settings.READINESS_PARTS if part.takes_web_out}
    assert needed == {"database", "schema", "static_files"}


def make_part(check: str, **options: Any) -> Part:
    path = f"tests.config.test_probes.{check}"
    return Part("example", "An example", path, **options)


def fail() -> str:
    raise OSError("the part is away")


@pytest.mark.usefixtures("db")
def test_readyz_is_degraded_when_evidence_cannot_be_written(
    client: Client, settings: Settings, tmp_path
) -> None:
    write_heartbeat(QueueName)
    write_beat()
    occupied = tmp_path / "a-file-where-the-folder-should-be"
    occupied.touch()
    storages = {**settings.STORAGES}
    storages["evidence"] = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(occupied)},
    }
    settings.STORAGES = storages
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "degraded"
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
    write_heartbeat(QueueName)
    write_beat()
    settings.READINESS_SECONDS = 60
    assert client.get("/readyz").json() == first


@pytest.mark.parametrize(
    ("check", "part", "whole", "detail"),
    [
        ("check_example", "ok", "ok", "an example"),
        ("warn", "warning", "warning", "nearly full"),
        ("wonder", "unknown", "degraded", "nobody can tell"),
        ("refuse", "failing", "degraded", "full"),
        ("fail", "failing", "degraded", "OSError; the log says more"),
    ],
)
def test_readyz_says_what_a_part_says(
    client: Client, settings: Settings, check: str, part: str, whole: str, detail: str
) -> None:
    settings.READINESS_PARTS = [make_part(check)]
    report = client.get("/readyz").json()
    assert report["status"] == whole
    assert report["parts"]["example"]["status"] == part
    assert report["parts"]["example"]["detail"] == detail


def check_example() -> str:
    return "an example"


def warn() -> str:
    raise HealthWarning("nearly full")


def wonder() -> str:
    raise HealthUnknown("nobody can tell")


def refuse() -> str:
    raise HealthFailure("full")


def test_disk_without_room_for_the_largest_files_fails(
    client: Client, settings: Settings
) -> None:
    settings.READINESS_PARTS = [Part("disk", "Disk", "config.health.check_disk")]
    settings.EVIDENCE_MAX_BYTES = shutil.disk_usage("/").total
    part = client.get("/readyz").json()["parts"]["disk"]
    assert part["status"] == "failing"
    assert "no room for two of the largest files" in part["detail"]


def test_disk_that_is_nearly_full_warns(
    client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.READINESS_PARTS = [Part("disk", "Disk", "config.health.check_disk")]
    settings.EVIDENCE_MAX_BYTES = 1
    monkeypatch.setattr(health, "NEARLY_FULL", 1.1)
    part = client.get("/readyz").json()["parts"]["disk"]
    assert part["status"] == "warning"
    assert "nearly full" in part["detail"]


gate = threading.Event()
asked: list[str] = []


def hang() -> str:
    asked.append("hang")
    gate.wait(30)
    return "came back"


@pytest.fixture
def hanging_part() -> Iterator[Part]:
    gate.clear()
    asked.clear()
    yield make_part("hang", seconds=0.2)
    gate.set()


def test_part_that_hangs_is_waited_for_once_and_asked_once(
    client: Client, settings: Settings, hanging_part: Part
) -> None:
    settings.READINESS_PARTS = [hanging_part]
    first = client.get("/readyz").json()["parts"]["example"]
    assert first["status"] == "failing"
    assert first["detail"].startswith("has not answered for")
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(client.get, "/readyz") for _ in range(100)]
        states = {one.result().json()["status"] for one in answers}
    assert states == {"degraded"}
    assert len(asked) == 1


def test_part_that_hung_is_well_again_once_it_answers(
    client: Client, settings: Settings, hanging_part: Part
) -> None:
    settings.READINESS_PARTS = [hanging_part]
    client.get("/readyz")
    gate.set()
    for _ in range(100):
        if client.get("/readyz").json()["status"] == "ok":
            break
        time.sleep(0.05)
    part = client.get("/readyz").json()["parts"]["example"]
    assert part["detail"] == "came back"


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
