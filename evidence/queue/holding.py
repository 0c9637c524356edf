"""Who works on what, told by a lock of a database session and never by a clock.

A worker on a row holds a PostgreSQL session lock of its name, from before the
claim is committed until its outcome is. A second worker tries that lock before it takes
anything over. The lock goes with its connection: a worker that is killed lets go by
dying, and one whose machine is gone lets go as soon as the database misses it
(config/environment/servers.py). A clock that is set, on any machine, ends no claim. A
pooler that pools by transaction is therefore refused: evidence/database/pooling.py.

Who works on while a database restarts loses its locks without a word, and has to ask
for them again: Holding.hold_on.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from django.db import connection
from django.db.models import Model

log = logging.getLogger(__name__)

TAKE = """
    SELECT name FROM unnest(%s::text[]) AS name
     WHERE pg_try_advisory_lock(hashtextextended(name, 0))
"""
LET_GO = """
    SELECT pg_advisory_unlock(hashtextextended(name, 0)) FROM unnest(%s::text[]) AS name
"""
# Looks at the table of locks and takes none: who holds on, or claims, at that moment
# would take the one who asks for another worker.
ASK = """
    SELECT count(*) > 0 FROM pg_locks, hashtextextended(%s, 0) AS key
     WHERE locktype = 'advisory' AND objsubid = 1 AND granted
       AND pid <> pg_backend_pid()
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND classid::bigint = (key >> 32) & 4294967295
       AND objid::bigint = key & 4294967295
"""


def lock_name(model: type[Model], pk: int) -> str:
    return f"{model._meta.label_lower}:{pk}"


def is_held(name: str) -> bool:
    """Return whether another session works on this."""
    with connection.cursor() as cursor:
        cursor.execute(ASK, [name])
        return bool(cursor.fetchone()[0])


class Holding:
    """What one run works on; at its end it lets go of all."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        # What a lost session held and this one could not have yet: the database may
        # take its time to miss that session, and until then nobody else has it either.
        self._missing: set[str] = set()
        self._session: object = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # A connection that broke has let go already.
        if self._names and connection.is_usable():
            self.let_go(self._names)

    def take(self, names: Collection[str]) -> set[str]:
        """Take the locks that nobody has, this run included; return their names."""
        # First, for what is had again there is not wanted: a lock taken twice is let go
        # of once, and stays.
        self._lock_again()
        wanted = sorted({*names} - self._names)
        if not wanted:
            return set()
        taken = _lock(wanted)
        self._names |= taken
        self._missing -= taken
        return taken

    def hold_on(self) -> None:
        """Have all locks again where the session that had them is gone.

        Not what another session has; each further call asks for that again. Raise where
        no database answers yet. Ask outside a transaction.
        """
        if not connection.is_usable():
            connection.close()
        self._lock_again()

    def _lock_again(self) -> None:
        connection.ensure_connection()
        if self._session is not connection.connection:
            if self._names:
                log.warning(
                    "the database's session was lost; %d locks", len(self._names)
                )
            self._missing |= self._names
            self._names = set()
        if self._missing:
            taken = _lock(sorted(self._missing))
            self._missing -= taken
            self._names |= taken
        self._session = connection.connection

    def let_go(self, names: Collection[str]) -> None:
        """Let go of these, as far as they are held. After the commit, not before it."""
        self._missing -= {*names}
        mine = sorted(self._names & {*names})
        if mine:
            with connection.cursor() as cursor:
                cursor.execute(LET_GO, [mine])
            self._names -= {*mine}


def _lock(names: Sequence[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(TAKE, [[*names]])
        return {name for (name,) in cursor.fetchall()}


@contextmanager
def session_lock(name: str) -> Iterator[bool]:
    """Hold a lock for as long as the block runs; yield False where another has it."""
    with Holding() as holding:
        yield bool(holding.take([name]))
