"""System checks for a deployment that would let history be changed."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

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


def find_append_only_tables() -> list[str]:
    """Return the tables whose models say that their rows stay as they were written."""
    models = apps.get_models()
    return sorted(
        model._meta.db_table for model in models if getattr(model, "append_only", False)
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
