"""The database role of who only reads: what it may see, made and checked.

It reads every table and writes none. Secrets it does not see: some tables it cannot
read at all, and of some there is a view without the secret in the schema
READING_SCHEMA, which the role searches first; the table behind it is closed to it. So
queries stay as they are, and a password's hash reads as an empty text.
"""

from __future__ import annotations

from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from evidence.database.base import READING_SCHEMA
from evidence.errors import HealthFailure, HealthWarning

HIDDEN_TABLES = (
    "django_session",
    "axes_accessattempt",
    "axes_accessfailurelog",
    "axes_accesslog",
    "evidence_authenticatorapp",
    "evidence_recoverycode",
)
"""No page of who only reads needs these; a name that is not there yet does no harm.
Names that failed to sign in are among them: people type passwords there."""
NAMES_OF_SECRETS = r"^(password|sealed_.+|.*secret.*|session_.+)$"
"""Texts that hold a secret, by name, in whichever table; a moment holds none."""
MORE_SECRETS = {"evidence_apitoken": ("digest",)}

SECRETS = """
    SELECT table_name, column_name FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name <> ALL(%s)
       AND data_type IN ('text', 'character varying')
       AND (column_name ~ %s OR table_name || '.' || column_name = ANY(%s))
     ORDER BY table_name, ordinal_position
"""
COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
     WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
     ORDER BY attnum
"""
NO_ROLE = (
    "DATABASE_READ_ROLE is none: auditors read under the application's role, which can "
    "write"
)
WRITABLE = """
    SELECT relname FROM pg_class
     WHERE relkind IN ('r', 'p', 'v') AND relnamespace = 'public'::regnamespace
       AND has_table_privilege(%s, oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
     ORDER BY relname
"""
UNREADABLE = """
    SELECT relname FROM pg_class
     WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
       AND relname <> ALL(%s) AND NOT has_table_privilege(%s, oid, 'SELECT')
     ORDER BY relname
"""


def grant_reading_role(cursor: CursorWrapper, role: str, *, to: str) -> str:
    """Make the reading role, give it its rights, and let `to` take it.

    Return what stands in the way, in words; empty where it is all done. Run it as the
    owner of the tables, in a transaction.
    """
    if not role:
        return ""
    try:
        with transaction.atomic():
            _make_role(cursor, role, to=to)
    except ProgrammingError:
        return (
            f"The role {role}, under which auditors read, has to be made and granted "
            f"by an administrator of the server: CREATE ROLE {role} NOLOGIN; GRANT "
            f"{role} TO {to}; then run grant_app_role again. Until then auditors are "
            "refused."
        )
    _give_rights(cursor, role)
    return ""


def drop_reading_views() -> bool:
    """Drop the views without secrets; return whether there were any.

    No column that a view shows can be changed. Who only reads is refused meanwhile.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s)", [READING_SCHEMA])
        is_there = cursor.fetchone()[0] is not None
        if is_there:
            cursor.execute(f"DROP SCHEMA {READING_SCHEMA} CASCADE")
    return is_there


def renew_reading_views(role: str) -> None:
    """Make the views anew after a change of tables, for a role that had them."""
    with transaction.atomic(), connection.cursor() as cursor:
        _give_rights(cursor, role)


def read_role_health() -> str:
    """Return under which role auditors read, for the readiness."""
    role = settings.DATABASE_READ_ROLE
    if not role:
        raise HealthWarning(NO_ROLE)
    if faults := find_reading_faults(role):
        raise HealthFailure(f"{'; '.join(faults)}: run grant_app_role")
    return f"they read as {role}, which can write nothing"


def find_reading_faults(role: str) -> list[str]:
    """Return in words why a role does not read as it should; empty where it does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role(session_user, oid, 'MEMBER'), rolsuper FROM pg_roles "
            "WHERE rolname = %s",
            [role],
        )
        found = cursor.fetchone()
        if found is None:
            return [f"the database has no role {role}"]
        may_take, is_superuser = found
        faults = [] if may_take else [f"the application may not take the role {role}"]
        if is_superuser:
            return [*faults, f"{role} is a superuser, whom nothing stops"]
        cursor.execute(WRITABLE, [role])
        if writable := [name for (name,) in cursor.fetchall()]:
            faults.append(f"{role} may write {', '.join(writable)}")
        secrets = _find_secrets(cursor)
        closed = [*HIDDEN_TABLES, *secrets]
        cursor.execute(UNREADABLE, [closed, role])
        if unreadable := [name for (name,) in cursor.fetchall()]:
            faults.append(f"{role} may not read {', '.join(unreadable)}")
        for table, columns in _still_open(cursor, role, secrets):
            faults.append(f"{role} may read secrets: {table} ({columns})")
    return faults


def _still_open(
    cursor: CursorWrapper, role: str, secrets: dict[str, list[str]]
) -> list[tuple[str, str]]:
    """Return the (table, columns) with secrets that the role may read after all."""
    found = []
    for table, columns in _closed(secrets):
        cursor.execute(
            "SELECT has_any_column_privilege(%s, to_regclass(%s), 'SELECT')",
            [role, f"public.{table}"],
        )
        if cursor.fetchone()[0]:
            found.append((table, ", ".join(columns)))
    return found


def _closed(secrets: dict[str, list[str]]) -> list[tuple[str, list[str]]]:
    return [*((table, ["all of it"]) for table in HIDDEN_TABLES), *secrets.items()]


def _make_role(cursor: CursorWrapper, role: str, *, to: str) -> None:
    cursor.execute(
        "SELECT 1 FROM pg_roles WHERE rolname = %s",
        [role],
    )
    name, app = sql.Identifier(role), sql.Identifier(to)
    if cursor.fetchone() is None:
        cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    cursor.execute("SELECT pg_has_role(%s, %s, 'MEMBER')", [to, role])
    if not cursor.fetchone()[0]:
        cursor.execute(sql.SQL("GRANT {} TO {}").format(name, app))


def _give_rights(cursor: CursorWrapper, role: str) -> None:
    name, schema = sql.Identifier(role), sql.Identifier(READING_SCHEMA)
    for statement in (
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        "REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {role}",
        "REVOKE ALL ON SCHEMA public FROM {role}",
        "GRANT USAGE ON SCHEMA public TO {role}",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
        "DROP SCHEMA IF EXISTS {schema} CASCADE",
        "CREATE SCHEMA {schema}",
        "GRANT USAGE ON SCHEMA {schema} TO {role}",
    ):
        cursor.execute(sql.SQL(statement).format(role=name, schema=schema))
    secrets = _find_secrets(cursor)
    for table in (*_existing(cursor, HIDDEN_TABLES), *secrets):
        revoke = sql.SQL("REVOKE ALL ON {} FROM {}")
        cursor.execute(revoke.format(sql.Identifier("public", table), name))
    for table, columns in secrets.items():
        _make_view(cursor, table, columns)
        grant = sql.SQL("GRANT SELECT ON {} TO {}")
        cursor.execute(grant.format(sql.Identifier(READING_SCHEMA, table), name))


def _existing(cursor: CursorWrapper, tables: tuple[str, ...]) -> list[str]:
    cursor.execute(
        "SELECT tablename FROM pg_tables "
        "WHERE schemaname = 'public' AND tablename = ANY(%s)",
        [list(tables)],
    )
    return [name for (name,) in cursor.fetchall()]


def _find_secrets(cursor: CursorWrapper) -> dict[str, list[str]]:
    """Return the columns with secrets of each table that can be read without them."""
    named = [
        f"{table}.{column}" for table in MORE_SECRETS for column in MORE_SECRETS[table]
    ]
    cursor.execute(SECRETS, [list(HIDDEN_TABLES), NAMES_OF_SECRETS, named])
    found: dict[str, list[str]] = {}
    for table, column in cursor.fetchall():
        found.setdefault(table, []).append(column)
    return found


def _make_view(cursor: CursorWrapper, table: str, hidden: list[str]) -> None:
    """Show a table with empty texts for secrets, and with the rows' transactions.

    Lists of what changed since a moment read `xmin` (evidence/database/horizon.py).
    """
    cursor.execute(COLUMNS, [f"public.{table}"])
    shown: list[sql.Composable] = [sql.SQL("xmin")]
    for column, kind in cursor.fetchall():
        name = sql.Identifier(column)
        empty = sql.SQL("''::{} AS {}").format(sql.SQL(kind), name)
        shown.append(empty if column in hidden else name)
    cursor.execute(
        sql.SQL("CREATE VIEW {} AS SELECT {} FROM {}").format(
            sql.Identifier(READING_SCHEMA, table),
            sql.SQL(", ").join(shown),
            sql.Identifier("public", table),
        )
    )
