"""Data of a released version, small enough to be kept: written, and read back.

A dump is a gzip file of lines: a JSON object with the version and the newest migration
of each app, then for each table a JSON object with its name and columns, its rows in
PostgreSQL's COPY format, and `\\.`.

    python -m tests.releases.dump tests/data/releases/0.2.0.txt.gz

writes the database that DATABASE_URL names, such as one that `make run` made.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
END = "\\."
# Made by migrating, or of no use in another database.
LEFT_OUT = {"django_migrations", "django_session"}


def write_dump(connection: psycopg.Connection, path: Path) -> None:
    """Write every table with rows; `connection` has to be the owner's."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    newest = connection.execute(
        "SELECT DISTINCT ON (app) app, name FROM django_migrations"
        " ORDER BY app, name DESC"
    ).fetchall()
    # No time stamp: the same data gives the same bytes.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        head = {"version": version, "migrations": dict(newest)}
        file.write(json.dumps(head).encode() + b"\n")
        for table, columns in _tables(connection):
            table_head = {"table": table, "columns": columns}
            file.write(json.dumps(table_head).encode() + b"\n")
            query = sql.SQL("COPY {} ({}) TO STDOUT").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with connection.cursor().copy(query) as rows:
                for block in rows:
                    file.write(bytes(block))
            file.write(END.encode() + b"\n")


def _tables(connection: psycopg.Connection) -> Iterator[tuple[str, list[str]]]:
    """Yield the tables that have rows, each with its columns."""
    found = connection.execute(
        "SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position)"
        " FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        " AND is_generated = 'NEVER' GROUP BY table_name ORDER BY table_name"
    ).fetchall()
    for table, columns in found:
        query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table))
        row = connection.execute(query).fetchone()
        if table not in LEFT_OUT and row is not None and row[0]:
            yield table, columns


def read_head(path: Path) -> dict[str, Any]:
    """Return the version of a dump, and the newest migration of each app in it."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        head: dict[str, Any] = json.loads(file.readline())
    return head


def load_dump(connection: psycopg.Connection, path: Path) -> dict[str, int]:
    """Fill a migrated, empty database; return the number of rows of each table.

    As a restore does it: triggers and foreign keys wait, what migrating made goes
    first, and sequences go on after the last row.
    """
    counts: dict[str, int] = {}
    connection.execute("SET session_replication_role = replica")
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        file.readline()
        while line := file.readline():
            head = json.loads(line)
            rows = list(iter(lambda: file.readline().rstrip("\n"), END))
            counts[head["table"]] = len(rows)
            _fill(connection, head["table"], head["columns"], rows)
    connection.execute("SET session_replication_role = origin")
    connection.commit()
    return counts


def _fill(
    connection: psycopg.Connection, table: str, columns: list[str], rows: list[str]
) -> None:
    name = sql.Identifier(table)
    connection.execute(sql.SQL("DELETE FROM {}").format(name))
    query = sql.SQL("COPY {} ({}) FROM STDIN").format(
        name, sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor().copy(query) as copy:
        for row in rows:
            copy.write(row + "\n")
    if "id" in columns:
        connection.execute(
            sql.SQL(
                "SELECT setval(pg_get_serial_sequence({text}, 'id'),"
                " (SELECT max(id) FROM {name}))"
                " WHERE pg_get_serial_sequence({text}, 'id') IS NOT NULL"
            ).format(text=sql.Literal(table), name=name)
        )


if __name__ == "__main__":
    with psycopg.connect(os.environ["DATABASE_URL"]) as owner:
        write_dump(owner, Path(sys.argv[1]))
