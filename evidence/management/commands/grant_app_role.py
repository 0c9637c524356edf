"""`manage.py grant_app_role ROLE`: the rights that web, worker and beat work with."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from evidence.checks import find_append_only_tables, find_changeable_columns
from evidence.database.reading_role import grant_reading_role
from evidence.wording import as_sentence

READ_ONLY_TABLES = (
    "django_migrations",
    "django_content_type",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
    "auth_user_user_permissions",
)
"""What only `migrate` writes: which roles there are, and what each may do. Who has a
role, `auth_user` and `auth_user_groups`, is what administrators decide in the app."""

DEFINERS_FUNCTIONS = """
    SELECT oid::regprocedure::text FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace AND prosecdef ORDER BY 1
"""
"""What acts with its owner's rights for who calls it: nobody calls it by default, and a
restored database gives it to everybody again."""


class Command(BaseCommand):
    help = (
        "Grant a database role what the application needs and no more: append-only "
        "tables can be read and added to, never changed or emptied; roles and their "
        "permissions can be read. Makes the role that auditors read under "
        "(DATABASE_READ_ROLE), which sees no secrets. Run it as the "
        "owner of the tables, after every `migrate`. Exit code 1: refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", help="an existing role that owns no table")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                _grant(cursor, sql.Identifier(options["role"]))
                missing = grant_reading_role(
                    cursor, settings.DATABASE_READ_ROLE, to=options["role"]
                )
        except ProgrammingError as error:
            raise CommandError(
                f"The rights of {options['role']} were not set: {_said(error)} "
                "Run this as the owner of the tables, for a role that exists: on a new "
                "server, make it first (createuser; docs/deploy.md, Database roles)."
            ) from error
        if missing:
            raise CommandError(f"The rights of {options['role']} are set. {missing}")
        self.stdout.write(
            f"The rights of {options['role']} are up to date.", self.style.NOTICE
        )


def _said(error: ProgrammingError) -> str:
    """Return the first line of what the database says, as a sentence."""
    return as_sentence(str(error).partition("\n")[0])


def _grant(cursor: CursorWrapper, role: sql.Identifier) -> None:
    # Everything is taken first: a table that became append-only loses its rights.
    statements = [
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
        "REVOKE ALL ON SCHEMA public FROM {role}",
        "GRANT USAGE ON SCHEMA public TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}",
    ]
    for statement in statements:
        cursor.execute(sql.SQL(statement).format(role=role))
    for table in find_append_only_tables():
        cursor.execute(
            sql.SQL("REVOKE UPDATE, DELETE ON {table} FROM {role}").format(
                table=sql.Identifier(table), role=role
            )
        )
    for table, column in find_changeable_columns():
        cursor.execute(
            sql.SQL("GRANT UPDATE ({column}) ON {table} TO {role}").format(
                column=sql.Identifier(column), table=sql.Identifier(table), role=role
            )
        )
    _grant_functions(cursor, role)
    for table in READ_ONLY_TABLES:
        cursor.execute(
            sql.SQL("REVOKE INSERT, UPDATE, DELETE ON {table} FROM {role}").format(
                table=sql.Identifier(table), role=role
            )
        )


def _grant_functions(cursor: CursorWrapper, role: sql.Identifier) -> None:
    cursor.execute(DEFINERS_FUNCTIONS)
    for (signature,) in cursor.fetchall():
        function = sql.SQL(signature)
        for statement in (
            "REVOKE ALL ON FUNCTION {function} FROM PUBLIC",
            "GRANT EXECUTE ON FUNCTION {function} TO {role}",
        ):
            cursor.execute(sql.SQL(statement).format(function=function, role=role))
