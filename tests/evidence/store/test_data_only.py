"""A dump of the data alone is loaded in the way that the documents say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from evidence.services.store.postgres_tools import find_tool
from tests.backend.template import name_template
from tests.evidence.store.test_backups import (
    Installation,
    make_installation,
    source,  # noqa: F401  (a fixture)
)
from tests.test_architecture import ROOT


@pytest.mark.live
@pytest.mark.django_db
def test_a_dump_of_the_data_alone_is_loaded_as_the_documents_say(
    source: Installation,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Without these words it ends in errors of the triggers that keep history."""
    dump = tmp_path / "data.dump"
    run_client("pg_dump", "-d", source.url, "--data-only", "-Fc", "-f", str(dump))
    for alone in make_installation("alone", tmp_path, template=name_template()):
        with psycopg.connect(alone.url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            for table in read_tables_to_empty():
                connection.execute(
                    sql.SQL("DELETE FROM {}").format(sql.Identifier(table))
                )
        loading = ("--data-only", "--disable-triggers", "--exit-on-error", str(dump))
        run_client("pg_restore", "-d", alone.url, *loading)
        shutil.copytree(source.evidence, alone.evidence)
        assert alone.counts() == source.counts()
        for command in ("verify_audit", "verify_records", "verify_store"):
            told = alone.manage(command)
            assert told.returncode == 0, told.stdout + told.stderr


def run_client(name: str, *words: str) -> None:
    done = subprocess.run(
        [str(find_tool(name)), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def read_tables_to_empty() -> list[str]:
    """Return the tables that the documents name to be emptied first."""
    text = (ROOT / "docs" / "deploy.md").read_text()
    told = text.split("empty the tables that", 1)[1].split("(", 1)[1].split(")", 1)[0]
    tables = re.findall(r"`(\w+)`", told)
    assert len(tables) > 4
    return tables
