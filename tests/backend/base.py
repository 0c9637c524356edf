from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.db.backends.postgresql import creation

from evidence.database.base import DatabaseOperations as OwnDatabaseOperations
from evidence.database.base import DatabaseWrapper as OwnDatabaseWrapper
from evidence.database.reading_role import grant_reading_role
from tests.backend.template import lock_key, name_template

KEPT = frozenset(
    {
        "auth_group",
        "auth_group_permissions",
        "auth_permission",
        "django_content_type",
        "django_migrations",
    }
)


RECORDS = "evidence_recordedrow"


class DatabaseOperations(OwnDatabaseOperations):
    """Empties the tables that a test has filled, and no others.

    Truncating every table writes new files for each of them and for each index, which
    takes a hundred times as long as deleting a test's few rows.
    """

    def sql_flush(self, style: Any, tables: Sequence[str], **options: Any) -> list[str]:
        # A table of a swapped model has no model to be listed by, but refers to users.
        known = self.connection.introspection.table_names()
        emptied = [table for table in known if table not in KEPT]
        names = ", ".join(map(self.quote_name, emptied))
        # Whoever is still writing finishes first.
        lock = f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"
        kept = ", ".join(f"'{table}'" for table in sorted(KEPT))
        # What stays keeps what was recorded of it.
        only = {RECORDS: f" WHERE table_name NOT IN ({kept})"}
        return [
            lock,
            *(
                f"DELETE FROM {self.quote_name(table)}{only.get(table, '')}"
                for table in emptied
            ),
        ]

    def execute_sql_flush(self, sql_list: Iterable[str]) -> None:
        with (
            transaction.atomic(using=self.connection.alias),
            self.connection.cursor() as cursor,
        ):
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("; ".join(sql_list))


class DatabaseCreation(creation.DatabaseCreation):
    """Makes a test's database by cloning one that is migrated already."""

    def create_test_db(
        self,
        verbosity: int = 1,
        autoclobber: bool = False,
        serialize: bool = True,
        keepdb: bool = False,
    ) -> str:
        name = self._get_test_db_name()
        with self._held_template() as (cursor, template):
            self._clone(cursor, template, name)
        self._use(name)
        self.connection.ensure_connection()
        return name

    def make_missing_template(self) -> None:
        """Make the template where there is none yet."""
        with self._held_template():
            pass

    @contextmanager
    def _held_template(self) -> Iterator[tuple[Any, str]]:
        """Give a cursor and the template's name, while nobody else makes or copies."""
        template = name_template()
        with self._nodb_cursor() as cursor:
            # Another process may be migrating it: that takes as long as it takes.
            cursor.execute("SET lock_timeout = 0")
            cursor.execute("SELECT pg_advisory_lock(%s)", [lock_key(template)])
            try:
                if not self._database_exists(cursor, template):
                    self._make_template(template)
                yield cursor, template
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [lock_key(template)])

    def _make_template(self, template: str) -> None:
        """Migrate under another name first, so that no half made one is ever used."""
        unfinished = f"{template}_unfinished"
        with self._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{unfinished}"')
            cursor.execute(f'CREATE DATABASE "{unfinished}"')
        self._use(unfinished)
        call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
        call_command("createcachetable")
        self._make_reading_role()
        self.connection.close()
        with self._nodb_cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{template}"')

    def _make_reading_role(self) -> None:
        role = settings.DATABASE_READ_ROLE
        with transaction.atomic(), self.connection.cursor() as cursor:
            owner = self.connection.settings_dict["USER"]
            assert not grant_reading_role(cursor, role, to=owner)

    def _clone(self, cursor: Any, template: str, name: str) -> None:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')

    def _use(self, name: str) -> None:
        self.connection.close()
        settings.DATABASES[self.connection.alias]["NAME"] = name
        self.connection.settings_dict["NAME"] = name


class DatabaseWrapper(OwnDatabaseWrapper):
    ops_class = DatabaseOperations
    creation_class = DatabaseCreation
