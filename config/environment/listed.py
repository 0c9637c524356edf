"""Reading lists that the apps give a meaning: places, keys and schemes.

What judges an entry is the apps' own grammar, which needs no database and no other
setting, and is loaded only where there is an entry.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

from config.environment.faults import gathered, read_each, refuse
from config.environment.values import read_words


@gathered()
def read_places(name: str) -> list[str]:
    """Return the addresses that checkpoints are published at."""
    from evidence.audit.log.addresses import read_place
    from evidence.errors import LogPlaceRefused

    def read(text: str) -> str:
        try:
            read_place(text)
        except LogPlaceRefused as fault:
            raise ImproperlyConfigured(f"{name}: {fault.message}") from None
        return text

    return read_each(name, read_words(name), read)


@gathered()
def read_signing_keys(name: str) -> list[str]:
    """Return the secret keys of the history log, newest first."""

    def read(text: str) -> str:
        # Takes a moment to load, and few have keys here.
        from evidence.proof.notes import parse_signing_key

        try:
            parse_signing_key(text)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"{name}: {error}. Make a key with `manage.py rotate_log_key --print`"
            ) from None
        return text

    return read_each(name, read_words(name), read)


def require_named(
    name: str, keys: Sequence[str], *, origin: str, named_by: str
) -> None:
    """Refuse keys of which one is not under the log's name, unless that is wrong."""
    others = [
        str(place) for place, key in enumerate(keys, 1) if key.split("+")[2] != origin
    ]
    if others:
        refuse(
            f"{name}: what stands at {', '.join(others)} is not a key of {origin}, as "
            f"{named_by} has it",
            *(name, named_by),
        )


@gathered()
def read_schemes(name: str, *, default: tuple[str, ...]) -> list[str]:
    """Return the schemes of webhooks that may be used, which apprise has to know."""
    schemes = read_words(name, default=default)
    chosen = set(schemes) - set(default)
    if chosen and (unknown := sorted(chosen - find_known_schemes())):
        raise ImproperlyConfigured(
            f"{name} names {', '.join(unknown)}, which apprise does not know: list "
            "schemes such as slack, discord, msteams or jsons"
        )
    return schemes


def find_known_schemes() -> set[str]:
    """Return every scheme that apprise makes a service of; it loads all to tell."""
    from apprise.manager_plugins import NotificationManager

    return set(NotificationManager().schemas())
