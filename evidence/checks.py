"""System checks for a deployment that would let history be changed."""

from collections.abc import Iterable, Sequence
from typing import Any

import pgtrigger
from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from evidence.database.reading_role import NO_ROLE, find_reading_faults
from evidence.models.triggers import FirmTriggerSql

READING_HINT = (
    "Set DATABASE_READ_ROLE and run `manage.py grant_app_role ROLE` as the owner of "
    "the tables, after every migration: docs/deploy.md, Database roles."
)
FORBIDDEN_RIGHTS = "UPDATE, DELETE, TRUNCATE"

ROLE_QUERY = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
# An owner holds every right, so ownership needs no query of its own.
RIGHTS_QUERY = """
    SELECT relname FROM pg_class
    WHERE relname = ANY(%s) AND relkind IN ('r', 'p')
      AND relnamespace = 'public'::regnamespace
      AND has_table_privilege(current_user, oid, %s)
    ORDER BY relname
"""
TRIGGERS_QUERY = """
    SELECT relname, tgname, prosrc FROM pg_trigger
      JOIN pg_class ON pg_class.oid = tgrelid
      JOIN pg_proc ON pg_proc.oid = tgfoid
     WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')
       AND pg_class.relnamespace = 'public'::regnamespace
"""


def find_append_only_tables() -> list[str]:
    """Return the tables whose models say that their rows stay as they were written."""
    models = apps.get_models()
    return sorted(
        model._meta.db_table for model in models if getattr(model, "append_only", False)
    )


def find_changeable_columns() -> list[tuple[str, str]]:
    """Return (table, column) of what may change in rows that else stay as they are."""
    return sorted(
        (model._meta.db_table, column)
        for model in apps.get_models()
        for column in getattr(model, "changeable_columns", ())
    )


@register(Tags.database, deploy=True)
def check_database_role(
    app_configs: Sequence[AppConfig] | None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report a role that could change history: `check --deploy --database default`."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        with connections[alias].cursor() as cursor:
            cursor.execute(ROLE_QUERY)
            is_superuser = cursor.fetchone() == (True,)
            cursor.execute(RIGHTS_QUERY, [find_append_only_tables(), FORBIDDEN_RIGHTS])
            tables = [name for (name,) in cursor.fetchall()]
        if is_superuser:
            found.append(_make_superuser_error(alias))
        elif tables:
            found.append(_make_rights_error(alias, tables))
    return found


@register(Tags.database, deploy=True)
def check_triggers(
    app_configs: Sequence[AppConfig] | None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report triggers that are missing, switched off, or not what the models say."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        with connections[alias].cursor() as cursor:
            cursor.execute(TRIGGERS_QUERY)
            working = {(table, name): body for table, name, body in cursor.fetchall()}
        weak = [
            f"{table}: {name}"
            for (table, name), body in find_firm_triggers().items()
            if body is None or working.get((table, name)) != body
        ]
        if weak:
            found.append(_make_trigger_error(alias, sorted(weak)))
    return found


@register(Tags.database, deploy=True)
def check_reading_role(
    app_configs: Sequence[AppConfig] | None,
    databases: Iterable[str] | None = None,
    **kwargs: Any,
) -> list[CheckMessage]:
    """Report auditors who would read under a role that writes, or that is not there."""
    role = settings.DATABASE_READ_ROLE
    if not databases:
        return []
    if not role:
        return [Warning(f"{NO_ROLE}.", hint=READING_HINT, id="evidence.W001")]
    return [
        Error(
            f"Auditors are refused, or see too much: {fault}.",
            hint=READING_HINT,
            id="evidence.E004",
        )
        for fault in find_reading_faults(role)
    ]


def find_firm_triggers() -> dict[tuple[str, str], str | None]:
    """Return the body of each trigger's function by table and name.

    None stands for one that a session can have ignored.
    """
    found: dict[tuple[str, str], str | None] = {}
    for model, trigger in pgtrigger.registered():
        sql = trigger.compile(model).sql
        body = sql.function_body if isinstance(sql, FirmTriggerSql) else None
        found[model._meta.db_table, sql.pgid] = body
    return found


def _make_superuser_error(alias: str) -> CheckMessage:
    return Error(
        f"The database {alias!r} is used as a PostgreSQL superuser.",
        hint="A superuser can switch off the triggers that keep history. Let the "
        "application use a role of its own: docs/deploy.md, Database roles.",
        id="evidence.E001",
    )


def _make_rights_error(alias: str, tables: list[str]) -> CheckMessage:
    return Error(
        f"The role of the database {alias!r} may change or empty append-only tables: "
        f"{', '.join(tables)}.",
        hint="Run `manage.py grant_app_role ROLE` as the owner of the tables, and let "
        "the application use ROLE: docs/deploy.md, Database roles.",
        id="evidence.E002",
    )


def _make_trigger_error(alias: str, weak: list[str]) -> CheckMessage:
    return Error(
        f"Triggers of the database {alias!r} are missing, switched off or changed: "
        f"{', '.join(weak)}.",
        hint="Run `manage.py migrate` and then `manage.py pgtrigger install` as the "
        "owner of the tables, and find out who weakened them. A model's triggers are "
        "those of evidence/models/triggers.py.",
        id="evidence.E003",
    )
