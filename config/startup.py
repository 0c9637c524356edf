"""What of the environment can only be judged once the apps are loaded.

As wrong as a bad number: nothing starts with it, web, worker, beat or command.
"""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from evidence.errors import CasefileError


def require_settings() -> None:
    """Raise ImproperlyConfigured for the history log's name, its keys, the places of
    its checkpoints, and schemes of webhooks that the library does not know."""
    from evidence.audit.log.keys import require_key_settings

    try:
        require_key_settings()
        if settings.LOG_PLACES:
            from evidence.audit.log.places import read_places

            read_places()
    except CasefileError as error:
        raise ImproperlyConfigured(error.message) from None
    _require_schemes(settings.WEBHOOK_SCHEMES)


def require_own_sessions() -> None:
    """Raise ImproperlyConfigured where a pooler shares out the database's sessions.

    A database that is away is none of that: it is waited for. Leaves no connection,
    since what starts here forks.
    """
    from django.db import DatabaseError, connections

    from evidence.database.errors import PooledByTransaction

    try:
        connections["default"].ensure_connection()
    except PooledByTransaction as refusal:
        raise ImproperlyConfigured(refusal.message) from None
    except DatabaseError:
        return
    finally:
        connections.close_all()


def _require_schemes(schemes: list[str]) -> None:
    from incidents.services.notifications.webhooks import find_known_schemes

    # The library loads all that it knows to tell: only where there is something to ask.
    chosen = set(schemes) - set(settings.CHAT_SCHEMES)
    if chosen and (unknown := sorted(chosen - find_known_schemes())):
        raise ImproperlyConfigured(
            f"WEBHOOK_SCHEMES names {', '.join(unknown)}, which apprise does not know: "
            "list schemes such as slack, discord, msteams or jsons"
        )
