"""The database backend of settings.DATABASES: locks are waited for in turn, and not
for ever.

The limits themselves are the connection's (config/environment/servers.py). Where one is
reached, the error becomes one of our own refusals, so that every page and the API
answer it as they answer any. At most DATABASE_WAITERS threads of a process wait for a
lock as long as one may; those that come on top wait for a moment only, so that a
case that is held fills no thread pool.
"""

from __future__ import annotations

import logging
import re
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base, operations
from django.db.utils import Error as DatabaseError
from psycopg.pq import TransactionStatus

from evidence.database.errors import (
    DatabaseFull,
    DatabaseRefusal,
    QueryTooLong,
    ReadingRoleMissing,
    ReadsOnly,
    RecordBusy,
)
from evidence.database.pooling import require_own_session
from evidence.database.schema import SchemaEditor

log = logging.getLogger(__name__)

BUSY = (
    "Somebody is changing this case, or what belongs to it, at this moment. Nothing "
    "was changed: try again in a few seconds."
)
TOO_LONG = (
    "The database took too long over this, and was told to stop. Nothing was changed: "
    "ask for less at once, or try again."
)
FULL = (
    "The database takes nothing in: it is full or can only be read. Nothing was "
    "changed, and what is there can be read. An administrator has to make room."
)
READS_ONLY = (
    "You read under a database role that cannot write, and this would have written. "
    "Nothing was changed: tell the people who run Casefile what you did."
)
ROLE_MISSING = (
    "Who only reads does so under a database role of its own, and that role is missing "
    "or not granted. Nothing was read: an administrator runs `grant_app_role` "
    "(docs/deploy.md, Database roles)."
)
REFUSALS: tuple[tuple[type[Exception], type[DatabaseRefusal], str], ...] = (
    (psycopg.errors.LockNotAvailable, RecordBusy, BUSY),
    (psycopg.errors.DeadlockDetected, RecordBusy, BUSY),
    (psycopg.errors.QueryCanceled, QueryTooLong, TOO_LONG),
    (psycopg.errors.DiskFull, DatabaseFull, FULL),
    (psycopg.errors.ReadOnlySqlTransaction, DatabaseFull, FULL),
)
INSTANT = "1s"
READING_SCHEMA = "casefile_reading"
"""Where tables with secrets have a view without them; the reading role looks there
first (evidence/database/reading_role.py)."""
# No row where the role is not there or not granted; asking for it would end a
# transaction that is open.
TAKE_ROLE = """
    SELECT set_config('role', rolname, false),
           set_config('search_path', %s, false)
      FROM pg_roles
     WHERE rolname = %s AND pg_has_role(session_user, oid, 'MEMBER')
"""
LEAVE_ROLE = """
    SELECT set_config('role', 'none', false), set_config('search_path', NULL, false)
"""
PREPARED_AFTER = 2
"""How often a statement is sent before the server keeps its plan."""
TRUSTED_SECONDS = 2.0
"""How long after its last request a connection that says nothing is taken for well. A
server that ends says so on the socket; a network that is cut says nothing."""
WAITS = re.compile(r"\bFOR (NO KEY )?UPDATE\b(?!.*\b(SKIP LOCKED|NOWAIT)\b)", re.DOTALL)

Execute = Callable[[str, Any, bool, dict[str, Any]], Any]


class WaitingRoom:
    """Counts the threads of this process that wait for a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0

    @contextmanager
    def entered(self) -> Iterator[bool]:
        """Count the caller while the block runs; yield whether there was room."""
        with self._lock:
            self._waiting += 1
            most = settings.DATABASE_WAITERS
            has_room = not most or self._waiting <= most
        try:
            yield has_room
        finally:
            with self._lock:
                self._waiting -= 1


waiting_room = WaitingRoom()


class DatabaseOperations(operations.DatabaseOperations):
    compiler_module = "evidence.database.compiler"


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = SchemaEditor
    ops_class = DatabaseOperations
    denials: tuple[type[Exception], ...] = (psycopg.errors.InsufficientPrivilege,)
    """What a statement of who only reads is refused by."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.execute_wrappers = [_answer, _wait_in_turn]
        self.reads_as = ""
        """The role that is taken; empty where it is the application's own."""
        self.writes_for = ""
        """For which purpose a request that only reads writes now."""
        self.replica: Any = None
        """This thread's connection to the replica (evidence/database/replica.py)."""
        self.used_until = float("-inf")
        """When the last request was done with it, by the monotonic clock."""

    def kept_plans(self) -> Any:
        """Return a cursor whose statements the server plans once a connection.

        For one that is sent for each request and is dear to plan. Sessions are our own
        (evidence/database/pooling.py): a plan is where it was made.
        """
        own: Any = self
        own.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            self.connection.prepare_threshold = PREPARED_AFTER
            cursor: Any = base.ServerBindingCursor
            return own._prepare_cursor(cursor(self.connection))

    def begin_reading(self, role: str) -> None:
        """Take the role; raise ReadingRoleMissing where that cannot be."""
        self.ensure_connection()
        # In a transaction that has failed nothing can be asked. What undoes it brings
        # back the role with which it began.
        if self.connection.info.transaction_status != TransactionStatus.INERROR:
            _take_role(self.connection, role)
        self.reads_as = role

    def end_reading(self) -> None:
        """Give the role up; a connection that cannot be asked any more is closed."""
        self.reads_as = ""
        if self.connection is None or _is_left(self.connection):
            return
        if not self.in_atomic_block:
            self.close()

    def close_if_health_check_failed(self) -> None:
        """Ask a connection whether it is well, once a request; not one just used."""
        own: Any = self  # the stubs know nothing of these checks
        is_due = own.health_check_enabled and not own.health_check_done
        if is_due and self.connection is not None and self._is_surely_well():
            own.health_check_done = True
        super().close_if_health_check_failed()

    def close_if_unusable_or_obsolete(self) -> None:
        super().close_if_unusable_or_obsolete()
        self.used_until = time.monotonic()

    def _is_surely_well(self) -> bool:
        """Return whether it was in use an instant ago and has got no word since."""
        if time.monotonic() - self.used_until > TRUSTED_SECONDS:
            return False
        if self.connection.closed:
            return False
        waiting = select.poll()
        waiting.register(self.connection.fileno(), select.POLLIN)
        return not waiting.poll(0)

    def connect(self) -> None:
        super().connect()
        if self.reads_as:
            _take_role(self.connection, self.reads_as)

    def _close(self) -> None:
        # A pool would hand the connection to the next request as it is.
        held = self.connection if self.reads_as else None
        if held is not None and not _is_left(held):
            held.close()
        super()._close()  # type: ignore[misc]

    def _configure_connection(self, connection: Any) -> bool:
        """Make a connection ready, Django's pool's too; refuse one that is shared."""
        commit = super()._configure_connection(connection)  # type: ignore[misc]
        if commit and not connection.autocommit:
            connection.commit()
        limits = str(self.settings_dict["OPTIONS"].get("options", ""))
        try:
            require_own_session(connection, limits)
        except Exception:
            # Django would take what it holds for ready.
            connection.close()
            if self.connection is connection:
                self.close()
            raise
        return False


def _take_role(raw: Any, role: str) -> None:
    path = f"{READING_SCHEMA}, public"
    is_taken = raw.execute(TAKE_ROLE, [path, role]).fetchone() is not None
    if not is_taken:
        raise ReadingRoleMissing(ROLE_MISSING)


def _is_left(raw: Any) -> bool:
    """Return to the session's own role; False where the connection cannot be asked."""
    if raw.closed or raw.info.transaction_status == TransactionStatus.INERROR:
        return False
    try:
        raw.execute(LEAVE_ROLE)
    except psycopg.Error:
        return False
    return True


def _answer(
    execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    try:
        return execute(sql, params, many, context)
    except DatabaseError as error:
        reader = context["connection"]
        if reader.reads_as and isinstance(error.__cause__, reader.denials):
            log.error("refused to who only reads: %s", error)
            raise ReadsOnly(READS_ONLY) from error
        for kind, refusal, message in REFUSALS:
            if isinstance(error.__cause__, kind):
                raise refusal(message) from error
        raise


def _wait_in_turn(
    execute: Execute, sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    # What is composed from identifiers is no string, and locks no rows either.
    if not (isinstance(sql, str) and WAITS.search(sql)):
        return execute(sql, params, many, context)
    with waiting_room.entered() as has_room:
        if has_room:
            return execute(sql, params, many, context)
        with _waiting_an_instant(context["connection"]):
            return execute(sql, params, many, context)


@contextmanager
def _waiting_an_instant(connection: Any) -> Iterator[None]:
    """Wait for locks an instant in this block; where it fails, all is rolled back."""
    raw = connection.connection
    before = raw.execute("SHOW lock_timeout").fetchone()[0]
    raw.execute(f"SET LOCAL lock_timeout = '{INSTANT}'")
    yield
    raw.execute(psycopg.sql.SQL("SET LOCAL lock_timeout = {}").format(before))
