"""Changing tables beside a version that goes on working, in the order that it locks.

Every change of a case locks the case first, and what belongs to it after. A migration
that began with what belongs to it, and came to the cases then, would wait for who waits
for it: a deadlock, each time it is tried. So a migration begins with the cases too.
Reading goes on.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql.schema import DatabaseSchemaEditor

LOCKED_FIRST = "incidents_incident"


class SchemaEditor(DatabaseSchemaEditor):
    def __enter__(self) -> Any:
        entered = super().__enter__()
        if self.atomic_migration and not self.collect_sql:
            try:
                self._lock_first()
            except BaseException as error:
                self.atomic.__exit__(type(error), error, error.__traceback__)
                raise
        return entered

    def _lock_first(self) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass(%s)", [LOCKED_FIRST])
            if cursor.fetchone()[0] is not None:
                cursor.execute(f"LOCK TABLE {LOCKED_FIRST} IN EXCLUSIVE MODE")
