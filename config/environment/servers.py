"""Reading where the servers are: database, broker, cache, mail, object storage."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

import environ
import psycopg
from django.core.exceptions import ImproperlyConfigured

from config.environment.faults import gathered, read_each
from config.environment.names import split_url
from config.environment.values import (
    read_required,
    read_text,
    read_value,
    read_whole_number,
)

# A server that does not answer must not hold a request for minutes.
CONNECT_SECONDS = 10
# Where another answers instead, one does not wait for long; libpq waits no shorter.
REPLICA_CONNECT_SECONDS = 2

# The database asks after a silent connection, so that a machine that is gone without a
# word holds its locks, and with them its claims, for a minute and not for two hours.
# Sockets of this machine know no such thing.
MISSED_AFTER = {
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
}

REDIS = ("redis", "rediss", "unix")
RABBITMQ = ("amqp", "amqps", "pyamqp")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
POSTGRESQL = ("postgres", "postgresql")
MAIL_OPTIONS = {"email_use_tls", "email_use_ssl"}


@gathered()
def read_redis(name: str, *, default: str = "", example: str = "") -> str:
    """Return the URL of a Redis; `example` is given where it has to be set."""
    url = read_required(name, example=example) if example else read_text(name)
    if not url:
        return default
    parts = split_url(name, url, schemes=REDIS)
    _require_redis(name, parts)
    return url


@gathered()
def read_broker(name: str, *, default: str) -> str:
    """Return the URL of the broker, or several of one kind with semicolons."""
    urls = read_text(name)
    read_each(name, [*filter(None, urls.split(";"))], partial(_require_broker, name))
    return urls or default


def _require_broker(name: str, url: str) -> None:
    parts = split_url(name, url, schemes=(*REDIS[:2], "redis+socket", *RABBITMQ))
    if parts.scheme in RABBITMQ:
        _require_host(name, parts)
    elif parts.scheme != "redis+socket":
        _require_redis(name, parts)


def make_broker_url(redis_url: str) -> str:
    """Return Celery's spelling of a Redis URL; only Unix sockets are spelt anew."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    number = _read_database_number(parts)
    return f"redis+socket://{parts.path}?virtual_host={number}"


def make_cache_url(redis_url: str) -> str:
    """Return the URL of the next database of the same server.

    Emptying Django's cache empties its whole database, and would drop queued tasks.
    """
    parts = urlsplit(redis_url)
    number = _read_database_number(parts) + 1
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={number}"
    return urlunsplit(parts._replace(path=f"/{number}"))


@gathered(example="postgres://casefile@db.example.org/casefile")
def read_database(
    name: str, *, connect_seconds: int = CONNECT_SECONDS
) -> dict[str, Any]:
    """Return Django's database settings for a libpq-style URL.

    A socket folder is given as libpq spells it: `postgres://user@/name?host=/folder`.
    """
    url = read_required(name, example="postgres://casefile:…@db.example.org/casefile")
    if not url.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(
            f"{name} must start with postgres://, since history needs PostgreSQL's "
            "row locks and triggers"
        )
    if "," not in urlsplit(url.rpartition("@")[2]).path.partition("/")[0]:
        split_url(name, url, schemes=POSTGRESQL)
    try:
        database = dict(environ.Env.db_url_config(url))
    except (ValueError, KeyError):
        raise ImproperlyConfigured(f"{name} is not a database URL") from None
    if not database["NAME"]:
        raise ImproperlyConfigured(
            f"{name} names no database: it ends as …@db.example.org/casefile"
        )
    database["ENGINE"] = "evidence.database"
    options = database.setdefault("OPTIONS", {})
    _require_options(name, options)
    options.setdefault("connect_timeout", connect_seconds)
    # A server that is gone without a word; sockets of this machine know no such thing.
    options.setdefault("tcp_user_timeout", 1000 * connect_seconds)
    if limits := _read_limits():
        options.setdefault("options", limits)
    # What the database notes of each row as its writer: verify_records tells other
    # programs from this one.
    options.setdefault("application_name", "casefile")
    if "host" in options:
        database["HOST"] = options.pop("host")
    return database


def read_replica(name: str) -> dict[str, Any] | None:
    """Return Django's settings for the replica of the database; None without one."""
    if not read_text(name):
        return None
    return read_database(name, connect_seconds=REPLICA_CONNECT_SECONDS)


@gathered()
def read_email(name: str, *, default: str) -> dict[str, Any]:
    """Return Django's `EMAIL_…` settings for a mail URL such as smtp+tls://u:p@host."""
    url = read_value(name) or default
    known = tuple(environ.Env.EMAIL_SCHEMES)
    parts = split_url(name, url, schemes=known)
    if parts.scheme.startswith("smtp"):
        _require_host(name, parts)
    if unknown := set(parse_qs(parts.query, keep_blank_values=True)) - MAIL_OPTIONS:
        raise ImproperlyConfigured(
            f"{name} has an option that is not known: {', '.join(sorted(unknown))}. "
            "TLS is said by the scheme: smtp+tls:// or smtp+ssl://"
        )
    return dict(environ.Env.email_url_config(url))


def _require_redis(name: str, parts: SplitResult) -> None:
    if parts.scheme == "unix":
        numbers = parse_qs(parts.query, keep_blank_values=True).get("db", ["0"])
        if parts.netloc or len(parts.path) < 2:
            raise ImproperlyConfigured(
                f"{name} must name the socket, as unix:///run/valkey/valkey.sock"
            )
    else:
        _require_host(name, parts)
        numbers = [parts.path.strip("/") or "0"]
    if not (numbers[-1].isascii() and numbers[-1].isdigit()):
        raise ImproperlyConfigured(
            f"{name} must end in the number of a database, as redis://host:6379/0 or "
            "unix:///path?db=0"
        )


def _require_host(name: str, parts: SplitResult) -> None:
    if not parts.hostname:
        raise ImproperlyConfigured(
            f"{name} names no host: it begins as {parts.scheme}://host"
        )


def _read_database_number(parts: SplitResult) -> int:
    numbers = parse_qs(parts.query).get("db") or [parts.path.strip("/")]
    return int(numbers[-1]) if numbers[-1].isdigit() else 0


def _require_options(name: str, options: dict[str, Any]) -> None:
    """Refuse what libpq does not know: it would say so at the first connection only."""
    try:
        psycopg.conninfo.make_conninfo("", **options)
    except psycopg.ProgrammingError:
        raise ImproperlyConfigured(
            f"{name} has an option that libpq does not know, among "
            f"{', '.join(sorted(options))}"
        ) from None
    mode = options.get("sslmode", SSL_MODES[0])
    if mode not in SSL_MODES:
        raise ImproperlyConfigured(
            f"{name}: sslmode must be one of {', '.join(SSL_MODES)}, got {mode!r}"
        )


def _read_limits() -> str:
    """Return the limits of a session, as libpq's `options`; empty where none is set."""
    limits = {
        "lock_timeout": read_whole_number("DATABASE_LOCK_SECONDS", default=4),
        "statement_timeout": read_whole_number("DATABASE_STATEMENT_SECONDS", default=0),
        "idle_in_transaction_session_timeout": read_whole_number(
            "DATABASE_IDLE_SECONDS", default=60
        ),
    }
    return " ".join(
        [
            *(f"-c {name}={seconds}s" for name, seconds in limits.items() if seconds),
            *(f"-c {name}={value}" for name, value in MISSED_AFTER.items()),
        ]
    )
