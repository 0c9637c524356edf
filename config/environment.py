"""Typed helpers that read the process environment, and refuse with a remedy."""

import ipaddress
import os
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import environ
from django.core.exceptions import ImproperlyConfigured

# Django's own threshold (security.W009), applied as a condition to start.
SECRET_MIN_LENGTH = 50
SECRET_MIN_UNIQUE = 5
INSECURE_PREFIX = "django-insecure-"

# A server that does not answer must not hold a request for minutes.
CONNECT_SECONDS = 10

HOW_TO_MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe(64))"'

# What holds a secret may stand in a file instead, whose path is NAME_FILE: anybody who
# can look at a process or a container sees its environment.
FROM_FILES = frozenset(
    {
        *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "LOG_SIGNING_KEYS", "METRICS_TOKEN"),
        *("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "CACHE_URL", "EMAIL_URL"),
        *("EVIDENCE_S3_ACCESS_KEY", "EVIDENCE_S3_SECRET_KEY", "LOG_PLACES"),
    }
)


def file_variable(name: str) -> str:
    """Return the variable that names the file of a secret."""
    return f"{name}_FILE"


def read_value(name: str) -> str:
    """Return the variable, or the text of its file; empty where there is neither.

    Raise ImproperlyConfigured for both at once and for a file that says nothing.
    """
    value = os.environ.get(name, "").strip()
    path = os.environ.get(file_variable(name), "") if name in FROM_FILES else ""
    if not path:
        return value
    if value:
        raise ImproperlyConfigured(
            f"{name} and {file_variable(name)} are both set. Unset one of them: "
            "nobody could tell which is meant"
        )
    return _read_file(file_variable(name), path)


def _read_file(variable: str, path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise ImproperlyConfigured(
            f"{variable} names {path}, which cannot be read: {reason}"
        ) from error
    if not text:
        raise ImproperlyConfigured(f"{variable} names {path}, which is empty")
    return text


def read_required(name: str, *, example: str) -> str:
    """Return the value of the variable. Raise ImproperlyConfigured if it is empty."""
    value = read_value(name)
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. Set it in the environment, such as {name}={example}"
        )
    return value


def read_secret(name: str) -> str:
    """Return the secret. Raise ImproperlyConfigured if it is missing or weak."""
    value = read_value(name)
    if not value:
        fault = "is not set"
    elif value.startswith(INSECURE_PREFIX):
        fault = f"starts with {INSECURE_PREFIX!r}, which marks a sample"
    elif len(value) < SECRET_MIN_LENGTH:
        fault = f"has {len(value)} characters; at least {SECRET_MIN_LENGTH} are needed"
    elif len(set(value)) < SECRET_MIN_UNIQUE:
        fault = f"uses fewer than {SECRET_MIN_UNIQUE} different characters"
    else:
        return value
    raise ImproperlyConfigured(f"{name} {fault}. Make one with: {HOW_TO_MAKE_ONE}")


def read_flag(name: str, *, default: bool) -> bool:
    """Return a yes-or-no variable. Raise ImproperlyConfigured for any other word."""
    value = os.environ.get(name, "").strip().lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, got {value!r}")


def read_whole_number(name: str, *, default: int, least: int = 0) -> int:
    """Return an integer variable of at least `least`."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or int(value) < least:
        raise ImproperlyConfigured(
            f"{name} must be a whole number of at least {least}, got {value!r}"
        )
    return int(value)


def read_text(name: str, *, default: str = "") -> str:
    """Return an optional variable."""
    return read_value(name) or default


def read_words(name: str, *, default: tuple[str, ...] = ()) -> list[str]:
    """Return a comma-separated variable as a list without blanks.

    One that is set and empty is an empty list. A file may have a word a line.
    """
    value = read_value(name)
    if not value and name not in os.environ:
        return list(default)
    words = value.replace("\n", ",").split(",")
    return [one for word in words if (one := word.strip())]


def read_hosts(name: str, *, example: str) -> list[str]:
    """Return host names without blanks. Raise ImproperlyConfigured for `*` or none."""
    hosts = [
        one
        for word in read_required(name, example=example).split(",")
        if (one := word.strip())
    ]
    if not hosts or "*" in hosts:
        raise ImproperlyConfigured(
            f"{name} must list host names, such as {example}; `*` would believe any "
            "name that a visitor sends"
        )
    return hosts


def read_networks(name: str) -> list[str]:
    """Return comma-separated IP networks. Raise ImproperlyConfigured for any other."""
    networks = read_words(name)
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name} must list networks, such as 10.0.0.0/8: {error}"
            ) from error
    return networks


def read_certificates(name: str) -> str:
    """Return the path of a file of authorities (PEM), or "" where none is named.

    Raise ImproperlyConfigured where it holds no certificate.
    """
    path = os.environ.get(name, "").strip()
    if path:
        try:
            found = ssl.create_default_context(cafile=path).cert_store_stats()["x509"]
        except OSError as error:
            reason = error.strerror or "it holds no certificates (PEM)"
            raise ImproperlyConfigured(f"{name} names {path}: {reason}") from error
        if not found:
            raise ImproperlyConfigured(f"{name} names {path}: it holds no certificate")
    return path


def make_broker_url(redis_url: str) -> str:
    """Return Celery's spelling of a Redis URL; only Unix sockets are spelt anew."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    number = _read_database_number(redis_url)
    return f"redis+socket://{parts.path}?virtual_host={number}"


def make_cache_url(redis_url: str) -> str:
    """Return the URL of the next database of the same server.

    Emptying Django's cache empties its whole database, and would drop queued tasks.
    """
    parts = urlsplit(redis_url)
    number = _read_database_number(redis_url) + 1
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={number}"
    return urlunsplit(parts._replace(path=f"/{number}"))


def _read_database_number(redis_url: str) -> int:
    parts = urlsplit(redis_url)
    numbers = parse_qs(parts.query).get("db") or [parts.path.strip("/")]
    return int(numbers[-1]) if numbers[-1].isdigit() else 0


def read_database(name: str) -> dict[str, Any]:
    """Return Django's database settings for a libpq-style URL.

    A socket folder is given as libpq spells it: `postgres://user@/name?host=/folder`.
    """
    url = read_required(name, example="postgres://casefile:…@db.example.org/casefile")
    if not url.startswith(("postgres://", "postgresql://")):
        raise ImproperlyConfigured(
            f"{name} must start with postgres://, since history needs PostgreSQL's "
            "row locks and triggers"
        )
    try:
        database = dict(environ.Env.db_url_config(url))
    except (ValueError, KeyError) as error:
        raise ImproperlyConfigured(f"{name} is not a database URL: {error}") from error
    database["ENGINE"] = "evidence.database"
    options = database.setdefault("OPTIONS", {})
    options.setdefault("connect_timeout", CONNECT_SECONDS)
    # A server that is gone without a word; sockets of this machine know no such thing.
    options.setdefault("tcp_user_timeout", 1000 * CONNECT_SECONDS)
    if limits := _read_limits():
        options.setdefault("options", limits)
    # What the database notes of each row as its writer: verify_records tells other
    # programs from this one.
    options.setdefault("application_name", "casefile")
    if "host" in options:
        database["HOST"] = options.pop("host")
    return database


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
        f"-c {name}={seconds}s" for name, seconds in limits.items() if seconds
    )


def read_email(name: str, *, default: str) -> dict[str, Any]:
    """Return Django's `EMAIL_…` settings for a mail URL such as smtp+tls://u:p@host."""
    try:
        return dict(environ.Env.email_url_config(read_value(name) or default))
    except (ValueError, KeyError) as error:
        raise ImproperlyConfigured(f"{name} is not a mail URL: {error}") from error
