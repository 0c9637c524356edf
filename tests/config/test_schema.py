"""A web whose database is behind its code gets no visitors, and says what to run."""

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from config import schema
from config.parts import PARTS
from evidence.errors import HealthFailure, HealthUnknown, HealthWarning

pytestmark = pytest.mark.django_db


def forget(app: str, name: str) -> None:
    MigrationRecorder(connection).record_unapplied(app, name)


def test_what_is_shipped_is_what_django_would_apply() -> None:
    known = set(MigrationExecutor(connection).loader.disk_migrations)
    assert schema.find_shipped() == known
    assert {"evidence", "policy", "incidents", "auth"} <= {app for app, _ in known}


def test_a_whole_schema_is_well() -> None:
    count = len(schema.find_shipped())
    assert schema.check_schema() == f"all {count} migrations are applied"


@pytest.mark.parametrize("app", ["evidence", "incidents", "auth", "sessions"])
def test_a_migration_that_was_not_applied_is_named_with_what_to_do(app: str) -> None:
    last = max(name for label, name in schema.find_shipped() if label == app)
    forget(app, last)
    with pytest.raises(HealthFailure, match=f"{app}.{last} not applied: run") as told:
        schema.check_schema()
    assert "manage.py migrate" in str(told.value)


def test_a_web_whose_tables_are_behind_gets_no_visitors() -> None:
    (part,) = [part for part in PARTS if part.check == "config.schema.check_schema"]
    assert part.takes_web_out


def test_of_many_the_first_are_named() -> None:
    for app, name in schema.find_shipped():
        forget(app, name)
    with pytest.raises(HealthFailure, match=r"\.\w+ and \d+ more not applied"):
        schema.check_schema()


def test_older_code_on_a_newer_database_is_told() -> None:
    MigrationRecorder(connection).record_applied("incidents", "9999_tomorrow")
    with pytest.raises(HealthWarning, match=r"incidents\.9999_tomorrow applied by new"):
        schema.check_schema()


def test_what_other_apps_have_squashed_is_nobodys_fault() -> None:
    MigrationRecorder(connection).record_applied("gone", "0001_initial")
    MigrationRecorder(connection).record_applied("auth", "0000_old")
    assert schema.check_schema().startswith("all ")


def test_a_database_that_is_away_is_not_one_without_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(recorder: object) -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(MigrationRecorder, "applied_migrations", fail)
    with pytest.raises(HealthUnknown, match="does not answer"):
        schema.check_schema()
