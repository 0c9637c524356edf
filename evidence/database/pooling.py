"""Whether a pooler gives each statement to whichever session is free.

Casefile's limits, the locks of work under way and long reads belong to a session.
Behind PgBouncer's pooling by transaction (or by statement) the next statement may meet
another's session, and the locks of one that ended stay with somebody else. So such a
connection is refused when it is made, before anything was done over it.
"""

from __future__ import annotations

import select
import time
from contextlib import closing
from typing import Any

import psycopg

from evidence.database.errors import PooledByTransaction

ROUNDS = 3
ANSWER_SECONDS = 3.0
PROVEN_SECONDS = 600.0
"""How long a pooler that was found to pool by session is not asked again."""
PID = "SELECT pg_backend_pid()"
SHARED = (
    "DATABASE_URL leads to a pooler that pools by transaction: locks and long reads of "
    "Casefile need sessions of their own. Set pool_mode=session for this database in "
    "PgBouncer, or connect past it (docs/deploy.md, Many machines)."
)

_proven: dict[str, float] = {}


def require_own_session(connection: Any, limits: str) -> None:
    """Raise PooledByTransaction where a fresh connection shares its sessions.

    A pooler makes up the process number that a client is told, so a direct connection
    is known by one query. A pooler does not pass on the limits either (`options` of
    libpq): they are set here. Leaves no transaction open.
    """
    if _ask(connection) == connection.info.backend_pid:
        return
    known = _proven.get(connection.info.dsn, 0.0)
    if time.monotonic() - known > PROVEN_SECONDS or not known:
        if _is_shared(connection):
            raise PooledByTransaction(SHARED)
        _proven[connection.info.dsn] = time.monotonic()
    for name, value in _read_options(limits):
        connection.execute("SELECT set_config(%s, %s, false)", [name, value])
    _settle(connection)


def _is_shared(first: Any) -> bool:
    """Tell by a second connection: by session, each keeps one that is no other's.

    A pool without a free session lets the second one wait. That shows nothing, and
    nobody waits for it.
    """
    password = first.info.password
    made = psycopg.connect(first.info.dsn, password=password, autocommit=True)
    with closing(made) as second:
        known = _ask(first)
        for _ in range(ROUNDS):
            other = _ask_briefly(second)
            if other is None:
                return False
            again = _ask(first)
            if other in (known, again) or known != again:
                return True
    return False


def _ask(connection: Any) -> int:
    found = int(connection.execute(PID).fetchone()[0])
    _settle(connection)
    return found


def _settle(connection: Any) -> None:
    """End a transaction that a statement has begun: it would keep its session."""
    if not connection.autocommit:
        connection.commit()


def _ask_briefly(connection: Any) -> int | None:
    """Return the session's number, or None where the answer takes too long."""
    raw = connection.pgconn
    raw.send_query(PID.encode())
    raw.flush()
    deadline = time.monotonic() + ANSWER_SECONDS
    while raw.is_busy():
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([raw.socket], [], [], left)[0]:
            return None
        raw.consume_input()
    found = int(raw.get_result().get_value(0, 0))
    while raw.get_result():
        pass
    return found


def _read_options(limits: str) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in limits.split() if "=" in word]
    return [(name, value) for name, _, value in pairs]
