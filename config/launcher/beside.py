"""How a command finds the servers of a run that is on, and keeps them while it works.

A run that holds the state folder publishes the environment of its parts there, in a
file that only its user can read. It is believed only while that holder still holds the
folder: what a killed run left behind is nobody's. A command that uses it is a guest,
and the holder waits for its guests before it stops the servers.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.launcher.folders import ServerFolders, read_holder

FILE = "environment.json"
GUESTS = "guests"
# A command that takes longer loses its servers: who stops a run wants it to stop.
GUEST_SECONDS = 20.0
POLL_SECONDS = 0.1

# What Casefile's parts read from their environment; a test holds the list complete.
SETTINGS = frozenset(
    {
        *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "ALLOWED_HOSTS", "CASEFILE_BASE_URL"),
        *("DATABASE_READ_ROLE", "REPLICA_DATABASE_URL", "REPLICA_MAX_LAG_SECONDS"),
        *("DATABASE_LOCK_SECONDS", "DATABASE_STATEMENT_SECONDS"),
        *("DATABASE_IDLE_SECONDS", "DATABASE_WAITERS", "STORE_WAITERS"),
        *("DATABASE_URL", "DATABASE_POOL", "DATABASE_CONN_MAX_AGE_SECONDS"),
        *("REDIS_URL", "CELERY_BROKER_URL", "CACHE_URL", "TASK_TIME_LIMIT_SECONDS"),
        "TASK_MEMORY_MB",
        *("EVIDENCE_ROOT", "EVIDENCE_MAX_BYTES", "UPLOAD_TEMP_DIR"),
        *("EVIDENCE_S3_BUCKET", "EVIDENCE_S3_ENDPOINT", "EVIDENCE_S3_REGION"),
        *("EVIDENCE_S3_ACCESS_KEY", "EVIDENCE_S3_SECRET_KEY"),
        *("EVIDENCE_S3_PATH_STYLE", "PLAYBOOK_FOLDERS", "DJANGO_SETTINGS_MODULE"),
        *("CASE_RETENTION_DAYS", "ARCHIVE_BUCKET"),
        *("EVIDENCE_CHECK_DAYS", "EVIDENCE_CHECK_MEGABYTES_PER_SECOND"),
        *("LOG_ORIGIN", "LOG_SIGNING_KEYS", "LOG_KEY_FILE", "LOG_IS_PUBLIC"),
        *("HTTPS", "SSL_REDIRECT", "HSTS_SECONDS", "HSTS_INCLUDE_SUBDOMAINS"),
        *("HSTS_PRELOAD", "TRUSTED_PROXY_COUNT", "CSRF_TRUSTED_ORIGINS"),
        *("SESSION_HOURS", "LOGIN_FAILURE_LIMIT", "LOGIN_COOLOFF_HOURS"),
        *("LOGIN_ADDRESS_LIMIT", "LOGIN_NAME_LIMIT"),
        *("SESSION_IDLE_MINUTES", "PRESENCE_MINUTES", "SECOND_FACTOR_ROLES"),
        *("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_NAME"),
        *("OIDC_SCOPES", "OIDC_GROUPS_CLAIM", "OIDC_ROLES", "OIDC_MAKES_ACCOUNTS"),
        "OIDC_SECOND_FACTOR",
        *("API_READ_RATE", "API_WRITE_RATE", "API_EVIDENCE_RATE", "API_ALERT_RATE"),
        *("EMAIL_URL", "DEFAULT_FROM_EMAIL", "WEBHOOK_SCHEMES"),
        "WEBHOOK_CA_FILE",
        *("LOG_PLACES", "LOG_LEVEL", "LOG_FORMAT", "METRICS_TOKEN", "METRICS_ALLOWED"),
        *("READINESS_SECONDS", "STATIC_ROOT", "STATIC_MANIFEST", "DEBUG"),
        *("GUNICORN_BIND", "WEB_CONCURRENCY", "WEB_THREADS", "BEAT_SCHEDULE_FILE"),
        *("WORKER_CLOCKS", "WORKER_FOLLOWUPS", "WORKER_DELIVERY"),
        *("WORKER_SMALL", "WORKER_LARGE", "NOTIFICATION_SENDERS"),
    }
)


@dataclass(frozen=True)
class Published:
    """The environment of a run's parts, and its database as the tables' owner."""

    variables: dict[str, str]
    owner_url: str


@contextlib.contextmanager
def published(
    folders: ServerFolders, environment: Mapping[str, str], owner_url: str
) -> Iterator[None]:
    """Let guests in until the end, and then wait for those that are still at work."""
    variables = {name: environment[name] for name in SETTINGS & environment.keys()}
    content = {
        "holder": folders.token,
        "owner_url": owner_url,
        "variables": variables,
    }
    path = folders.data / FILE
    draft = path.with_name(f"{FILE}.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file)
    draft.rename(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        _wait_for_guests(folders.data / GUESTS)


def _wait_for_guests(path: Path) -> None:
    deadline = time.monotonic() + GUEST_SECONDS
    told = False
    with path.open("a") as guests:
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(guests, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if not told:
                print("casefile: waiting for a command that is still at work")
                told = True
            time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def visit(folder: Path) -> Iterator[Published | None]:
    """Give what the folder's holder has published, or None where nobody lets guests in.

    The holder keeps its servers while this is open, and while a program lives that
    took over from here.
    """
    try:
        opened = (folder / GUESTS).open("a")
    except OSError:
        # No folder yet, or not ours: holding it says what is the matter.
        yield None
        return
    with opened as guests:
        try:
            fcntl.flock(guests, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        os.set_inheritable(guests.fileno(), True)
        # Read under the lock: from here on the holder waits before it stops.
        yield _read(folder)


def _read(folder: Path) -> Published | None:
    try:
        content = json.loads((folder / FILE).read_text())
        holder, variables = content["holder"], content["variables"]
        owner_url = content["owner_url"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not holder or read_holder(folder) != holder:
        return None
    return Published(variables, owner_url)
