"""An empty database is migrated quickly, and becomes what Django alone makes of it."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations import AlterField, CreateModel
from django.db.migrations.state import StateApps

from evidence.database.first_migration import FirstState
from evidence.services.store.postgres_tools import find_tool
from tests.databases import made_database

DJANGO_ALONE = """
import django
django.setup()
from django.core.management import call_command
from django.core.management.commands import migrate
call_command(migrate.Command(), verbosity=0)
"""
MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00")


def start(url: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def dump(url: str, path: Path) -> list[str]:
    """Return schema and rows as SQL, without what differs from one run to the next."""
    words = ["--no-owner", "--restrict-key", "same", "--file", str(path), "--dbname"]
    subprocess.run([str(find_tool("pg_dump")), *words, url], check=True)
    return MOMENT.sub("then", path.read_text()).splitlines()


@pytest.mark.live
@pytest.mark.django_db
def test_an_empty_database_becomes_what_django_alone_makes_of_it(
    tmp_path: Path,
) -> None:
    with made_database("ours") as ours, made_database("django") as djangos:
        quick = start(ours, "manage.py", "migrate")
        plain = start(djangos, "-c", DJANGO_ALONE)
        told = quick.communicate()[0]
        assert quick.returncode == 0, told
        assert "Migrating an empty database" in told
        assert "No migrations to apply" in told
        assert plain.communicate()[0] == ""
        expected = dump(djangos, tmp_path / "djangos")
        assert len(expected) > 10_000
        found = dump(ours, tmp_path / "ours")
        assert list(difflib.unified_diff(expected, found, n=1, lineterm="")) == []


@pytest.mark.django_db
def test_a_database_with_tables_is_left_to_django(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("migrate")
    assert connection.introspection.table_names()
    assert "empty" not in capsys.readouterr().out


def make_state() -> FirstState:
    """Return a state of two models, the classes made, of which one refers to one."""
    state = FirstState()
    key = ("id", models.IntegerField(primary_key=True))
    refers = models.ForeignKey("evidence.Case", models.CASCADE)
    CreateModel("Case", [key]).state_forwards("evidence", state)
    CreateModel("Item", [key, ("case", refers)]).state_forwards("evidence", state)
    assert isinstance(state.apps, StateApps)
    return state


def read_type_of_reference(state: FirstState) -> str | None:
    item = state.apps.get_model("evidence", "Item")
    return item._meta.get_field("case").db_type(connection)


def test_a_key_that_changes_is_known_to_what_refers_to_it() -> None:
    state = make_state()
    before = state.clone()
    assert read_type_of_reference(state) == "integer"
    longer = AlterField("Case", "id", models.BigIntegerField(primary_key=True))
    longer.state_forwards("evidence", state)
    assert read_type_of_reference(state) == "bigint"
    assert read_type_of_reference(before) == "integer"


def test_what_changes_alone_leaves_the_other_classes_until_code_asks_for_all() -> None:
    state = make_state()
    known = state.apps.get_model("evidence", "Item")
    note = CreateModel(
        "Note",
        [
            ("id", models.IntegerField(primary_key=True)),
            ("item", models.ForeignKey("evidence.Item", models.CASCADE)),
        ],
    )
    note.state_forwards("evidence", state)
    assert state.apps.get_model("evidence", "Note")
    assert state.apps.get_model("evidence", "Item") is known
    state.clear_delayed_apps_cache()
    anew = state.apps.get_model("evidence", "Item")
    assert [one.related_model.__name__ for one in anew._meta.related_objects] == [
        "Note"
    ]
