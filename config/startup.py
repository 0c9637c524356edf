"""How a start ends in words, and what of a database would end it.

As wrong as a bad number: nothing starts with it, web, worker, beat or command.
"""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from django.core.exceptions import ImproperlyConfigured

log = logging.getLogger(__name__)


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
    except DatabaseError as error:
        log.warning("whether the database's sessions are our own is unknown: %s", error)
    finally:
        connections.close_all()
