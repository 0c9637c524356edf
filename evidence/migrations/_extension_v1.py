"""Making PostgreSQL's pg_trgm, or saying who has to: a frozen copy, never edited."""

from typing import Any

from django.core.management.base import CommandError
from django.db import migrations
from django.db.utils import DatabaseError

KNOWN = "SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'"
REFUSED = (
    "The extension pg_trgm, which the search needs, could not be made: {why}. It is part "
    "of PostgreSQL (Debian: package postgresql, Red Hat: postgresql-contrib). As the "
    "database's owner or a superuser, run CREATE EXTENSION pg_trgm SCHEMA public in "
    "this database, then migrate again."
)


def make_extension(apps: Any, schema_editor: Any) -> None:
    """Make pg_trgm unless it is there; raise CommandError that says what to do."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(KNOWN)
        if cursor.fetchone():
            return
        try:
            cursor.execute("CREATE EXTENSION pg_trgm SCHEMA public")
        except DatabaseError as error:
            why = str(error).partition("\n")[0].strip().rstrip(".")
            raise CommandError(REFUSED.format(why=why)) from error


class MakeTrigrams(migrations.RunPython):
    """The operation; going back leaves the extension, which others may use."""

    def __init__(self) -> None:
        super().__init__(make_extension, migrations.RunPython.noop)

    def deconstruct(self) -> Any:
        return self.__class__.__name__, [], {}
