"""Settings come from the environment, and a bad one stops the start with a remedy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import (
    make_broker_url,
    make_cache_url,
    read_database,
    read_flag,
    read_secret,
    read_whole_number,
)

ROOT = Path(__file__).resolve().parents[2]
PRODUCTION = {
    "SECRET_KEY": "k3J9x-zQ7w_" * 6,
    "ALLOWED_HOSTS": "casefile.example.org",
    "CASEFILE_BASE_URL": "https://casefile.example.org/",
    "DATABASE_URL": "postgres://app:secret@db.example.org:5433/casefile",
    "REDIS_URL": "redis://redis.example.org:6379/0",
    "EVIDENCE_ROOT": "/var/lib/casefile/evidence",
}


def read_settings(
    expression: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Evaluate an expression over config.settings in a process of its own."""
    environment = {**PRODUCTION, **variables, "PATH": os.environ["PATH"]}
    code = f"import config.settings as s; print(({expression}))"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={name: value for name, value in environment.items() if value},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", PRODUCTION)
def test_production_does_not_start_without(name: str) -> None:
    told = read_settings("''", **{name: ""})
    assert told.returncode != 0
    assert f"ImproperlyConfigured: {name} is not set" in told.stderr


def test_production_starts_closed() -> None:
    names = (
        "s.DEBUG, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT,"
        " s.SECURE_HSTS_SECONDS > 10**7, s.METRICS_TOKEN, s.METRICS_ALLOWED,"
        " s.TRUSTED_PROXY_COUNT, s.CASEFILE_BASE_URL"
    )
    told = read_settings(names)
    assert told.stdout.strip() == str(
        (False, True, True, True, True, "", [], 0, "https://casefile.example.org")
    )


def test_forwarded_scheme_is_believed_only_behind_a_proxy_of_ours() -> None:
    expression = "hasattr(s, 'SECURE_PROXY_SSL_HEADER')"
    assert read_settings(expression).stdout.strip() == "False"
    told = read_settings(expression, TRUSTED_PROXY_COUNT="1")
    assert told.stdout.strip() == "True"


def test_redelivery_waits_longer_than_any_task_may_run() -> None:
    told = read_settings(
        "s.CELERY_BROKER_TRANSPORT_OPTIONS['visibility_timeout']"
        " > s.CELERY_TASK_TIME_LIMIT > s.CELERY_TASK_SOFT_TIME_LIMIT"
    )
    assert told.stdout.strip() == "True"


def test_rabbitmq_can_carry_the_tasks() -> None:
    told = read_settings(
        "s.CELERY_BROKER_URL,"
        " 'visibility_timeout' in s.CELERY_BROKER_TRANSPORT_OPTIONS",
        CELERY_BROKER_URL="amqp://user:secret@rabbit.example.org//",
    )
    assert told.stdout.strip() == str(
        ("amqp://user:secret@rabbit.example.org//", False)
    )


def test_evidence_goes_to_object_storage_when_a_bucket_is_named() -> None:
    told = read_settings(
        "s.STORAGES['evidence']['BACKEND'], s.STORAGES['evidence']['OPTIONS']"
        "['endpoint_url'], s.STORAGES['evidence']['OPTIONS']['file_overwrite']",
        EVIDENCE_S3_BUCKET="evidence",
        EVIDENCE_S3_ENDPOINT="https://s3.example.org",
    )
    assert told.stdout.strip() == str(
        ("storages.backends.s3.S3Storage", "https://s3.example.org", False)
    )


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("short", "has 5 characters"),
        ("ab" * 40, "fewer than 5 different"),
        ("django-insecure-" + "k3J9x-zQ7w_" * 6, "marks a sample"),
    ],
)
def test_weak_secret_is_refused_with_a_way_to_make_one(
    monkeypatch: pytest.MonkeyPatch, value: str, fault: str
) -> None:
    monkeypatch.setenv("SECRET_KEY", value)
    with pytest.raises(ImproperlyConfigured, match=fault) as raised:
        read_secret("SECRET_KEY")
    assert "secrets.token_urlsafe" in str(raised.value)
    assert value not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "meant"), [("yes", True), ("0", False), ("", True), ("TRUE", True)]
)
def test_flags_know_common_words(
    monkeypatch: pytest.MonkeyPatch, value: str, meant: bool
) -> None:
    monkeypatch.setenv("FLAG", value)
    assert read_flag("FLAG", default=True) is meant


def test_a_flag_that_is_no_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAG", "perhaps")
    with pytest.raises(ImproperlyConfigured, match="FLAG must be true or false"):
        read_flag("FLAG", default=True)


@pytest.mark.parametrize("value", ["-1", "1.5", "many", "٣"])
def test_numbers_are_whole(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("NUMBER", value)
    with pytest.raises(ImproperlyConfigured, match="NUMBER must be a whole number"):
        read_whole_number("NUMBER", default=1)


def test_socket_folder_of_a_database_is_read_as_libpq_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://app:s%40x@/cases?host=/run/Pg")
    database = read_database("DATABASE_URL")
    assert (database["HOST"], database["NAME"]) == ("/run/Pg", "cases")
    assert database["PASSWORD"] == "s@x"


@pytest.mark.parametrize("url", ["sqlite:///file", "mysql://u@h/db", "nonsense"])
def test_other_databases_are_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        read_database("DATABASE_URL")


@pytest.mark.parametrize(
    ("redis", "broker", "cache"),
    [
        ("redis://h:6379", "redis://h:6379", "redis://h:6379/1"),
        ("redis://:p@h:6379/2", "redis://:p@h:6379/2", "redis://:p@h:6379/3"),
        ("rediss://h/0", "rediss://h/0", "rediss://h/1"),
        (
            "unix:///run/v.sock",
            "redis+socket:///run/v.sock?virtual_host=0",
            "unix:///run/v.sock?db=1",
        ),
        (
            "unix:///run/v.sock?db=4",
            "redis+socket:///run/v.sock?virtual_host=4",
            "unix:///run/v.sock?db=5",
        ),
    ],
)
def test_tasks_and_cache_use_two_databases_of_one_server(
    redis: str, broker: str, cache: str
) -> None:
    assert make_broker_url(redis) == broker
    assert make_cache_url(redis) == cache


def test_documents_can_be_verified_without_any_environment() -> None:
    told = subprocess.run(
        [sys.executable, "manage.py", "simulate", "--help"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr


def test_hosts_are_read_without_blanks() -> None:
    told = read_settings("s.ALLOWED_HOSTS", ALLOWED_HOSTS="a.example.org, b.org ,")
    assert told.stdout.strip() == "['a.example.org', 'b.org']"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "casefile.example.org, *"),
        ("ALLOWED_HOSTS", ","),
        ("METRICS_ALLOWED", "10.0.0.0/8, inside"),
        ("METRICS_ALLOWED", "10.0.0.1/8"),
    ],
)
def test_hosts_and_networks_that_mean_nothing_stop_the_start(
    name: str, value: str
) -> None:
    told = read_settings("''", **{name: value})
    assert told.returncode != 0
    assert f"ImproperlyConfigured: {name} " in told.stderr
    assert "must list" in told.stderr
