"""Secrets may stand in files, and are refused where nobody could tell which holds."""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import (
    FROM_FILES,
    file_variable,
    read_database,
    read_email,
    read_required,
    read_secret,
    read_text,
    read_words,
)
from config.launcher.errors import LaunchError
from config.launcher.secret_files import take_secret_files
from evidence.proof.notes import SigningKey, encode_signing_key
from tests.config.test_documents import find_variables
from tests.config.test_settings import PRODUCTION, read_settings

SECRET = PRODUCTION["SECRET_KEY"]
ORIGIN = f"{urlsplit(PRODUCTION['CASEFILE_BASE_URL']).hostname}/log"
KEYS = ",".join(
    encode_signing_key(SigningKey(ORIGIN, seed * 32)) for seed in (b"1", b"2")
)
VALUES = {
    "SECRET_KEY": (SECRET, "s.SECRET_KEY"),
    "SECRET_KEY_FALLBACKS": ("a,b", "','.join(s.SECRET_KEY_FALLBACKS)"),
    "LOG_SIGNING_KEYS": (KEYS, "','.join(s.LOG_SIGNING_KEYS)"),
    "LOG_PLACES": ("https://a.org/x", "','.join(s.LOG_PLACES)"),
    "METRICS_TOKEN": ("token", "s.METRICS_TOKEN"),
    "OIDC_CLIENT_SECRET": ("of-both-sides", "s.OIDC_CLIENT_SECRET"),
    "DATABASE_URL": (
        "postgres://app:from-file@db.example.org/casefile",
        "'postgres://app:{PASSWORD}@{HOST}/{NAME}'.format(**s.DATABASES['default'])",
    ),
    "REPLICA_DATABASE_URL": (
        "postgres://app:other@db2.example.org/casefile",
        "'postgres://app:{PASSWORD}@{HOST}/{NAME}'.format(**s.REPLICA_DATABASE)",
    ),
    "REDIS_URL": ("redis://other:6379/0", "s.REDIS_URL"),
    "CELERY_BROKER_URL": ("amqp://u:p@rabbit//", "s.CELERY_BROKER_URL"),
    "CACHE_URL": ("redis://cache:6379/0", "s.CACHES['default']['LOCATION']"),
    "EMAIL_URL": (
        "smtp+tls://user:pw@mail.example.org:587",
        "'smtp+tls://%s:%s@%s:%s' % (s.EMAIL_HOST_USER, s.EMAIL_HOST_PASSWORD,"
        " s.EMAIL_HOST, s.EMAIL_PORT)",
    ),
    "EVIDENCE_S3_ACCESS_KEY": (
        "access",
        "s.STORAGES['evidence']['OPTIONS']['access_key']",
    ),
    "EVIDENCE_S3_SECRET_KEY": (
        "hidden",
        "s.STORAGES['evidence']['OPTIONS']['secret_key']",
    ),
}


def test_every_secret_has_a_case_here() -> None:
    assert set(VALUES) == FROM_FILES
    assert find_variables() >= FROM_FILES


def test_all_settings_that_look_like_secrets_can_stand_in_a_file() -> None:
    looks_secret = re.compile(r"SECRET|TOKEN|PASSWORD|_KEYS?$|_URL$|ACCESS_KEY")
    public = {"CASEFILE_BASE_URL"}
    found = {name for name in find_variables() if looks_secret.search(name)}
    assert found - public - FROM_FILES == set()


def test_settings_take_each_secret_from_its_file(tmp_path: Path) -> None:
    variables = dict.fromkeys(FROM_FILES, "")
    for name, (value, _) in VALUES.items():
        path = tmp_path / name
        path.write_text(f"{value}\n")
        variables[file_variable(name)] = str(path)
    expression = ", ".join(shown for _, shown in VALUES.values())
    # What some secrets do not go without.
    beside = {
        "EVIDENCE_S3_BUCKET": "evidence",
        "OIDC_ISSUER": "https://sso.example.org",
        "OIDC_CLIENT_ID": "casefile",
        "OIDC_ROLES": "staff=responder",
    }
    told = read_settings(expression, **beside, **variables)
    assert told.returncode == 0, told.stderr
    expected = str(tuple(value for value, _ in VALUES.values()))
    assert told.stdout.strip() == expected


READERS = {
    "SECRET_KEY": lambda name: read_secret(name),
    "REDIS_URL": lambda name: read_required(name, example="x"),
    "METRICS_TOKEN": lambda name: read_text(name),
    "LOG_SIGNING_KEYS": lambda name: read_words(name),
    "EMAIL_URL": lambda name: read_email(name, default="consolemail://"),
    "DATABASE_URL": lambda name: read_database(name),
}


@pytest.mark.parametrize("name", READERS)
def test_secret_set_both_ways_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_text(VALUES[name][0])
    monkeypatch.setenv(name, VALUES[name][0])
    monkeypatch.setenv(f"{name}_FILE", str(path))
    with pytest.raises(ImproperlyConfigured, match=f"{name} and {name}_FILE are both"):
        READERS[name](name)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read: No such file"),
        (b" \n", "is empty"),
        (b"\xff\xfe\x00", "cannot be read: it is not a text file"),
    ],
)
def test_file_that_says_nothing_is_refused(
    name: str,
    content: bytes | None,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{name}_FILE", str(path))
    with pytest.raises(ImproperlyConfigured, match=f"{name}_FILE names .*{fault}"):
        READERS[name](name)


def test_weak_secret_of_a_file_is_refused_as_any(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("short")
    told = read_settings("''", SECRET_KEY="", SECRET_KEY_FILE=str(path))
    assert told.returncode != 0
    assert "SECRET_KEY has 5 characters" in told.stderr


def test_empty_variable_beside_a_file_is_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_text("token\n")
    monkeypatch.setenv("METRICS_TOKEN", "")
    monkeypatch.setenv("METRICS_TOKEN_FILE", str(path))
    assert read_text("METRICS_TOKEN") == "token"


def test_file_of_keys_may_have_one_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    path.write_text("one\ntwo,three\n")
    monkeypatch.delenv("LOG_SIGNING_KEYS", raising=False)
    monkeypatch.setenv("LOG_SIGNING_KEYS_FILE", str(path))
    assert read_words("LOG_SIGNING_KEYS") == ["one", "two", "three"]


def test_local_run_takes_the_callers_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.setenv("SECRET_KEY_FILE", str(path))
    take_secret_files()
    assert os.environ["SECRET_KEY"] == SECRET
    assert "SECRET_KEY_FILE" not in os.environ
    monkeypatch.setenv("SECRET_KEY_FILE", str(path))
    with pytest.raises(LaunchError, match="are both set"):
        take_secret_files()
    monkeypatch.delenv("SECRET_KEY_FILE")
