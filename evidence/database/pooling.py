"""Whether a pooler gives each statement to whichever session is free.

Casefile's limits, the locks of work under way and long reads belong to a session.
Behind PgBouncer's pooling by transaction (or by statement) the next statement may meet
another's session, and the locks of one that ended stay with somebody else. So such a
connection is refused when it is made, before anything was done over it.
"""

from __future__ import annotations

import random
import select
import time
from contextlib import closing
from typing import Any

import psycopg
from django.db import OperationalError
from psycopg.pq import ExecStatus

from evidence.database.errors import PooledByTransaction, PoolFull

ROUNDS = 12
PAUSE_SECONDS = 0.02
"""Rounds are up to so far apart, by chance: two that start together and ask at one pace
would be given each other's sessions in turn, and each find its own again every time."""
ANSWER_SECONDS = 3.0
TURN_SECONDS = 1.0
"""How long an answer may be on its way that another's has overtaken."""
PROVEN_SECONDS = 600.0
"""How long a pooler that was found to pool by session is not asked again."""
PID = "SELECT pg_backend_pid()"
SHARED = (
    "DATABASE_URL leads to a pooler that pools by transaction: locks and long reads of "
    "Casefile need sessions of their own. Set pool_mode=session for this database in "
    "PgBouncer, or connect past it (docs/deploy.md, Many machines)."
)

FULL = (
    "The pooler that DATABASE_URL leads to has no free session, so nobody can tell "
    "whether it pools by session. Give the pool as many sessions as Casefile makes "
    "connections (docs/deploy.md, Many machines), or wait until some are free."
)

_proven: dict[str, float] = {}


def require_own_session(connection: Any, limits: str) -> None:
    """Raise PooledByTransaction where a fresh connection shares its sessions, and
    PoolFull where nobody can tell now.

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

    Raise PoolFull where the pool has no free session, and nobody can tell.
    """
    password = first.info.password
    made = psycopg.connect(first.info.dsn, password=password, autocommit=True)
    with closing(made) as second:
        known = _ask(first)
        for _ in range(ROUNDS):
            time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311  (no secret)
            _send(second)
            other = _answer_of(second, ANSWER_SECONDS)
            if other is None:
                return _is_shared_while_full(first, second, known)
            again = _ask(first)
            if other in (known, again) or known != again:
                return True
    return False


def _is_shared_while_full(first: Any, second: Any, known: int) -> bool:
    """Tell while the second waits for a session, and stands in the line before us.

    Who has a session of its own is answered at once. Who shares has to wait behind the
    second; when both have waited, either may be so.
    """
    _send(first)
    again = _answer_of(first, ANSWER_SECONDS)
    if again is None:
        raise PoolFull(FULL)
    other = _answer_of(second, TURN_SECONDS)
    return again != known or other == again


def _ask(connection: Any) -> int:
    found = int(connection.execute(PID).fetchone()[0])
    _settle(connection)
    return found


def _settle(connection: Any) -> None:
    """End a transaction that a statement has begun: it would keep its session."""
    if not connection.autocommit:
        connection.commit()


def _send(connection: Any) -> None:
    """Ask for the session's number, and wait for nothing."""
    connection.pgconn.send_query(PID.encode())
    connection.pgconn.flush()


def _answer_of(connection: Any, seconds: float) -> int | None:
    """Return what was asked for, or None where the answer takes longer."""
    raw = connection.pgconn
    deadline = time.monotonic() + seconds
    while raw.is_busy():
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([raw.socket], [], [], left)[0]:
            return None
        raw.consume_input()
    result = raw.get_result()
    if result is None or result.status != ExecStatus.TUPLES_OK:
        raise OperationalError("The pooler ended a connection that was just made.")
    while raw.get_result():
        pass
    return int(result.get_value(0, 0))


def _read_options(limits: str) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in limits.split() if "=" in word]
    return [(name, value) for name, _, value in pairs]
