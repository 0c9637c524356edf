"""Reading single values of the environment: words, numbers, secrets, from files too.

Each helper refuses a wrong value by the name of its variable, with what is expected.
What may be secret is never repeated.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from config.environment.faults import gathered, read_each

# Django's own threshold (security.W009), applied as a condition to start.
SECRET_MIN_LENGTH = 50
SECRET_MIN_UNIQUE = 5
INSECURE_PREFIX = "django-insecure-"

# Seconds that the database counts in milliseconds, in 32 bits; nothing needs more.
MOST = 2_000_000
LONGEST_NUMBER = 20

HOW_TO_MAKE_ONE = 'python -c "import secrets; print(secrets.token_urlsafe(64))"'

# What holds a secret may stand in a file instead, whose path is NAME_FILE: anybody who
# can look at a process or a container sees its environment.
FROM_FILES = frozenset(
    {
        *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "LOG_SIGNING_KEYS", "METRICS_TOKEN"),
        *("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "CACHE_URL", "EMAIL_URL"),
        *("OIDC_CLIENT_SECRET", "REPLICA_DATABASE_URL"),
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


@gathered()
def read_required(name: str, *, example: str) -> str:
    """Return the value of the variable. Raise ImproperlyConfigured if it is empty."""
    value = read_value(name)
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. Set it in the environment, such as {name}={example}"
        )
    return value


@gathered(example="0123456789 stands in for a key, and signs nothing at all")
def read_secret(name: str) -> str:
    """Return the secret. Raise ImproperlyConfigured if it is missing or weak."""
    value = read_value(name)
    fault = _find_weakness(value) if value else "is not set"
    if fault:
        raise ImproperlyConfigured(f"{name} {fault}. Make one with: {HOW_TO_MAKE_ONE}")
    return value


def _find_weakness(value: str) -> str:
    if value.startswith(INSECURE_PREFIX):
        return f"starts with {INSECURE_PREFIX!r}, which marks a sample"
    if len(value) < SECRET_MIN_LENGTH:
        return f"has {len(value)} characters; at least {SECRET_MIN_LENGTH} are needed"
    if len(set(value)) < SECRET_MIN_UNIQUE:
        return f"uses fewer than {SECRET_MIN_UNIQUE} different characters"
    return ""


@gathered()
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


@gathered()
def read_whole_number(
    name: str, *, default: int, least: int = 0, most: int = MOST
) -> int:
    """Return an integer variable between two bounds, both of them allowed."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    is_number = value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER
    if not is_number or not least <= int(value) <= most:
        raise ImproperlyConfigured(
            f"{name} must be a whole number of at least {least} and at most {most}, "
            f"got {value[:LONGEST_NUMBER]!r}"
        )
    return int(value)


@gathered()
def read_choice(name: str, *, default: str, choices: tuple[str, ...]) -> str:
    """Return one of a few words, as it is written there. Capitals do not matter."""
    value = read_value(name) or default
    for choice in choices:
        if value.lower() == choice.lower():
            return choice
    raise ImproperlyConfigured(
        f"{name} must be one of {', '.join(choices)}, got {value!r}"
    )


@gathered()
def read_choices(
    name: str, *, default: tuple[str, ...], choices: tuple[str, ...]
) -> list[str]:
    """Return comma-separated words, each one of a few; one that is empty: none."""
    read = partial(_require_choice, name, choices=choices)
    return read_each(name, read_words(name, default=default), read)


@gathered()
def read_pairs(name: str, *, choices: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return comma-separated `word=choice`; a word may come again with another."""

    def read(entry: str) -> tuple[str, str]:
        word, _, choice = (part.strip() for part in entry.rpartition("="))
        if not word:
            raise ImproperlyConfigured(
                f"{name} must list pairs such as group={choices[0]}, got {entry!r}"
            )
        return word, _require_choice(name, choice, choices=choices)

    return read_each(name, read_words(name), read)


def _require_choice(name: str, word: str, *, choices: tuple[str, ...]) -> str:
    if word.lower() not in choices:
        raise ImproperlyConfigured(
            f"{name} must list some of {', '.join(choices)}, with commas; got {word!r}"
        )
    return word.lower()


@gathered()
def read_text(name: str, *, default: str = "") -> str:
    """Return an optional variable."""
    return read_value(name) or default


@gathered()
def read_pattern(name: str, *, pattern: str, expected: str, default: str = "") -> str:
    """Return an optional variable that a whole pattern matches. Not for secrets."""
    value = read_value(name) or default
    if value and not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name} must be {expected}, got {value!r}")
    return value


@gathered()
def read_token(name: str) -> str:
    """Return an optional secret that goes into a header: no blanks, plain ASCII."""
    value = read_value(name)
    if not re.fullmatch(r"[!-~]*", value):
        raise ImproperlyConfigured(
            f"{name} must be letters, digits and signs of ASCII, without blanks"
        )
    return value


@gathered()
def read_words(name: str, *, default: tuple[str, ...] = ()) -> list[str]:
    """Return a comma-separated variable as a list without blanks.

    One that is set and empty is an empty list. A file may have a word a line.
    """
    value = read_value(name)
    if not value and name not in os.environ:
        return list(default)
    words = value.replace("\n", ",").split(",")
    return [entry for word in words if (entry := word.strip())]
