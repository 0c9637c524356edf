"""Where PostgreSQL's pg_trgm may not be made, updating says who has to make it."""

from __future__ import annotations

import pytest
from django.core.management.base import CommandError
from django.db import connection, transaction

from evidence.migrations._extension_v1 import KNOWN, make_extension

pytestmark = pytest.mark.django_db
ROLE = "no_maker_of_extensions"


class Editor:
    """What a migration hands on, as far as it is looked at."""

    connection = connection


def run(statement: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def make_as(role: str | None) -> None:
    with transaction.atomic():
        if role:
            run(f"SET LOCAL ROLE {role}")
        make_extension(None, Editor())


def test_who_may_not_make_the_extension_is_told_what_to_run() -> None:
    run(f"CREATE ROLE {ROLE}")
    run("DROP EXTENSION pg_trgm CASCADE")
    with pytest.raises(CommandError) as refusal:
        make_as(ROLE)
    told = str(refusal.value)
    assert "permission denied" in told
    assert "CREATE EXTENSION pg_trgm SCHEMA public" in told
    assert run(KNOWN) == []
    make_as(None)
    assert run(KNOWN) == [(1,)]


def test_who_may_not_make_it_need_not_where_it_is_there() -> None:
    run(f"CREATE ROLE {ROLE}")
    make_as(ROLE)
    assert run(KNOWN) == [(1,)]
