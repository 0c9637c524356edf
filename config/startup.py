"""What of the environment can only be judged once the apps are loaded.

As wrong as a bad number: nothing starts with it, web, worker, beat or command.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import TracebackType

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.environment import refuse_all
from evidence.errors import CasefileError


def end_in_words(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """End as Python does, but for a wrong setting: say what is wrong, and no more.

    For `sys.excepthook`. Where the code was at says nothing to who sets a variable.
    """
    if isinstance(error, ImproperlyConfigured):
        sys.stderr.write(f"Casefile does not start: {error}\n")
    else:
        sys.__excepthook__(kind, error, trace)


def require_settings() -> None:
    """Raise ImproperlyConfigured for all that is wrong about the history log's name and
    keys, the places of its checkpoints, and schemes of webhooks."""
    checks = (_require_keys, _require_places, _require_schemes)
    refuse_all([fault for check in checks if (fault := _find_fault(check))])


def _find_fault(check: Callable[[], None]) -> str:
    try:
        check()
    except (CasefileError, ImproperlyConfigured) as error:
        return str(getattr(error, "message", error))
    return ""


def _require_keys() -> None:
    from evidence.audit.log.keys import require_key_settings

    require_key_settings()


def _require_places() -> None:
    if settings.LOG_PLACES:
        from evidence.audit.log.places import read_places

        read_places()


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


def _require_schemes() -> None:
    from incidents.services.notifications.webhooks import find_known_schemes

    # The library loads all that it knows to tell: only where there is something to ask.
    chosen = set(settings.WEBHOOK_SCHEMES) - set(settings.CHAT_SCHEMES)
    if chosen and (unknown := sorted(chosen - find_known_schemes())):
        raise ImproperlyConfigured(
            f"WEBHOOK_SCHEMES names {', '.join(unknown)}, which apprise does not know: "
            "list schemes such as slack, discord, msteams or jsons"
        )
