"""Reading from a streaming replica (REPLICA_DATABASE_URL), a request at a time.

While a request reads from it, the replica's connection stands in the place of its
thread's own, under Django's one alias: queries are what they are, and no migration,
test, command or worker meets a second database. The primary's connection comes back
for whatever is written, and when the answer is sent.

A replica that does not answer, or is too far behind, is passed over: the request goes
on at the primary, which has all that the replica had, and stays there to its end.
"""

from __future__ import annotations

import copy
import logging
import select
import threading
import time
from collections import deque
from typing import Any, cast

import psycopg
from django.conf import settings
from django.core.cache import cache
from django.core.signals import request_finished
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.utils import Error, OperationalError
from django.dispatch import receiver
from psycopg.pq import ExecStatus
from redis.exceptions import RedisError

from evidence.database.base import DatabaseWrapper, Execute
from evidence.database.standing import (
    OF_PRIMARY,
    OF_REPLICA,
    Mark,
    Place,
    Standing,
    Use,
    judge,
)
from evidence.errors import HealthFailure, HealthUnknown, HealthWarning

log = logging.getLogger(__name__)

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
LOOK_SECONDS = 1.0
"""How long a process goes by what it saw of the replica."""
AWAY_SECONDS = 5.0
"""Likewise where it did not answer, which may have taken as long as one waits."""
ANSWER_SECONDS = 2.0
PAUSES = (0.0, 0.05, 0.2)
"""When one looks again that seems too far behind, and was not before: what is on its
way for a moment is no lag, though the last commit before it was long ago."""
MARKS = 1_000
ALIKE = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.QueryCanceled,
    psycopg.DataError,
)
"""What the primary would answer as well."""
PRIMARY_INSTEAD = "who only reads is answered by the primary"


class ReplicaWrapper(DatabaseWrapper):
    """A thread's connection to the replica, always under the reading role."""

    denials = (*DatabaseWrapper.denials, psycopg.errors.ReadOnlySqlTransaction)

    def __init__(self, primary: DatabaseWrapper, role: str) -> None:
        known = {DEFAULT_DB_ALIAS: copy.deepcopy(settings.REPLICA_DATABASE)}
        found = connections.configure_settings(known)[DEFAULT_DB_ALIAS]
        super().__init__(found, DEFAULT_DB_ALIAS)
        self.primary = primary
        self.reads_as = role
        self.is_left = False
        """Whether the request has gone on at the primary, for good."""
        answer, *others = self.execute_wrappers
        self.execute_wrappers = [answer, _ask_primary_after_all, *others]

    def take(self) -> None:
        """Stand in the place of the primary's connection."""
        connections[DEFAULT_DB_ALIAS] = self

    def leave(self) -> None:
        """Give that place back."""
        connections[DEFAULT_DB_ALIAS] = self.primary

    def leave_for_good(self) -> None:
        """Have the rest of the request read from the primary, under the same role."""
        self.is_left = True
        self.leave()
        self.primary.begin_reading(self.reads_as)

    def make_ready(self) -> None:
        """Connect, and replace a connection that is old or not well."""
        self.close_if_unusable_or_obsolete()
        self.close_if_health_check_failed()
        self.ensure_connection()

    def is_usable(self) -> bool:
        """Return whether it answers in time; Django would wait for one that hangs."""
        try:
            ask_within(self.connection, "SELECT 1")
        except Error:
            return False
        return True

    def _close(self) -> None:
        # Nothing is asked before, for the same reason.
        if self.connection is not None:
            self.connection.close()
        super()._close()


class Watch:
    """What this process knows of the replica. One thread looks, the others go by it."""

    def __init__(self) -> None:
        self._looking = threading.Lock()
        self._marks: deque[Mark] = deque(maxlen=MARKS)
        self._newest: Standing | None = None
        self._until = float("-inf")

    def read(self, replica: ReplicaWrapper) -> Standing:
        """Return how it stands, by a look that is new enough."""
        is_mine = time.monotonic() >= self._until and self._looking.acquire(
            blocking=self._newest is None
        )
        if is_mine:
            try:
                if time.monotonic() >= self._until:
                    self._note(self._look(replica))
            finally:
                self._looking.release()
        return self._newest or Standing(Use.UNKNOWN, "it was not asked yet")

    def forget(self) -> None:
        """Have the next who asks look anew."""
        self._until = float("-inf")

    def note_away(self, error: Exception) -> None:
        self._note(_away(error))

    def _note(self, found: Standing) -> None:
        before, self._newest = self._newest, found
        seconds = AWAY_SECONDS if found.use is Use.AWAY else LOOK_SECONDS
        self._until = time.monotonic() + seconds
        if before is None or before.use is not found.use:
            level = logging.INFO if found.use is Use.IN_USE else logging.WARNING
            log.log(level, "replica %s: %s", found.use.value, found.detail)

    def _look(self, replica: ReplicaWrapper) -> Standing:
        try:
            primary = _ask_primary(replica.primary)
        except Error as error:
            log.warning("the primary cannot be compared: %s", error)
            return Standing(Use.UNKNOWN, "the primary does not say how far it is")
        asked_at = time.monotonic()
        was_behind = self._newest is not None and self._newest.use is Use.BEHIND
        try:
            replica.make_ready()
            for pause in PAUSES[:1] if was_behind else PAUSES:
                time.sleep(pause)
                found = self._compare(primary, asked_at, replica)
                if found.use is not Use.BEHIND:
                    break
        except Error as error:
            replica.close()
            return _away(error)
        self._marks.append(Mark(asked_at, primary.position))
        return found

    def _compare(
        self, primary: Place, asked_at: float, replica: ReplicaWrapper
    ) -> Standing:
        found = ask_within(replica.connection, OF_REPLICA)
        cluster, timeline, database, position, clock, is_replica = found
        if is_replica != "1":
            told = "it is a primary: DATABASE_URL's own, or one that was promoted"
            return Standing(Use.WRONG, told)
        place = Place(cluster, timeline, int(database), int(position), float(clock))
        return judge(
            primary,
            place,
            self._marks,
            now=asked_at,
            most=settings.REPLICA_MAX_LAG_SECONDS,
        )


watch = Watch()


def take_replica(primary: DatabaseWrapper, role: str) -> bool:
    """Have this thread read from the replica; return whether it does from here on.

    What goes on in a transaction of the primary goes on there.
    """
    if settings.REPLICA_DATABASE is None or primary.in_atomic_block:
        return False
    replica = find_replica(primary, role)
    if watch.read(replica).use is not Use.IN_USE:
        return False
    try:
        replica.make_ready()
    except Error as error:
        watch.note_away(error)
        return False
    replica.is_left = False
    replica.take()
    return True


def find_replica(primary: DatabaseWrapper, role: str) -> ReplicaWrapper:
    """Return this thread's own connection to the replica, open or not."""
    if primary.replica is None:
        primary.replica = ReplicaWrapper(primary, role)
    return cast(ReplicaWrapper, primary.replica)


def read_standing() -> Standing:
    """Return how the replica stands. Only where REPLICA_DATABASE_URL is set."""
    return watch.read(find_replica(_own_primary(), settings.DATABASE_READ_ROLE))


def check_replica() -> str:
    """Return how far behind the replica is that is read from, for the readiness."""
    try:
        found = read_standing()
    finally:
        # A probe's thread ends, and nobody else would close it.
        find_replica(_own_primary(), settings.DATABASE_READ_ROLE).close()
    told = f"{found.use.value}: {found.detail}"
    if found.use is Use.IN_USE:
        return told
    told = f"{told}; {PRIMARY_INSTEAD}"
    if found.use is Use.UNKNOWN:
        raise HealthUnknown(told)
    raise HealthWarning(told) if found.use is Use.BEHIND else HealthFailure(told)


def may_lag(method: str | None, reader: int | None) -> bool:
    """Return whether a request may be shown what the replica has.

    Who has just sent something is shown what became of it.
    """
    if settings.REPLICA_DATABASE is None or method not in SAFE_METHODS:
        return False
    try:
        return cache.get(_sent_key(reader)) is None
    except (RedisError, OSError):
        return False


def note_sent(reader: int | None) -> None:
    """Note that somebody sent something, for as long as the replica may not have it."""
    if settings.REPLICA_DATABASE is None:
        return
    seconds = settings.REPLICA_MAX_LAG_SECONDS + 2 * LOOK_SECONDS
    try:
        cache.set(_sent_key(reader), 1, timeout=seconds)
    except (RedisError, OSError) as error:
        # While the cache is away nobody reads from the replica.
        log.warning("not noted that somebody sent something: %s", error)


def _sent_key(reader: int | None) -> str:
    return f"sent-lately-{reader}"


def _own_primary() -> DatabaseWrapper:
    held = connections[DEFAULT_DB_ALIAS]
    own = held.primary if isinstance(held, ReplicaWrapper) else held
    return cast(DatabaseWrapper, own)


def _away(error: Exception) -> Standing:
    log.warning("the replica does not answer: %s", error)
    kind = type(error).__name__
    return Standing(Use.AWAY, f"it does not answer ({kind}; the log says more)")


def _ask_primary(primary: DatabaseWrapper) -> Place:
    with primary.cursor() as cursor:
        cursor.execute(OF_PRIMARY)
        return Place(*cursor.fetchone())


def ask_within(connection: Any, statement: str) -> list[str]:
    """Return the columns of one row, as text; raise OperationalError for silence.

    A server that hangs keeps its connections: nobody waits for it longer than this.
    """
    raw = connection.pgconn
    try:
        return _ask(raw, statement)
    except psycopg.Error as error:
        raise OperationalError(str(error)) from error


def _ask(raw: Any, statement: str) -> list[str]:
    raw.send_query(statement.encode())
    raw.flush()
    deadline = time.monotonic() + ANSWER_SECONDS
    while raw.is_busy():
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([raw.socket], [], [], left)[0]:
            raise OperationalError(f"No answer came within {ANSWER_SECONDS:g} s.")
        raw.consume_input()
    result = raw.get_result()
    if result is None or result.status != ExecStatus.TUPLES_OK:
        raise OperationalError(raw.get_error_message())
    while raw.get_result():
        pass
    return [
        (result.get_value(0, column) or b"").decode()
        for column in range(result.nfields)
    ]


def _ask_primary_after_all(
    execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    """Put to the primary what the replica did not answer, and read on there.

    A replica cancels what stands in the way of its replay, and it may not have a table
    yet that is there. Within a transaction nobody can go on elsewhere.
    """
    replica: ReplicaWrapper = context["connection"]
    try:
        return execute(sql, params, many, context)
    except Error as error:
        if replica.in_atomic_block or isinstance(error.__cause__, ALIKE):
            raise
        log.warning("the replica did not answer, so the primary does: %s", error)
    watch.forget()
    if not replica.is_left:
        replica.leave_for_good()
    primary, cursor = replica.primary, context["cursor"]
    is_named = isinstance(cursor.cursor, psycopg.ServerCursor)
    made = primary.chunked_cursor() if is_named else primary.cursor()
    cursor.cursor, cursor.db = made.cursor, primary
    context["connection"] = primary
    return execute(sql, params, many, context)


@receiver(request_finished)
def _age_replica(**_known: Any) -> None:
    replica = _own_primary().replica
    if replica is not None:
        replica.close_if_unusable_or_obsolete()
