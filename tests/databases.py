"""Databases beside the tests' own, for programs that migrate or fill one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql


@contextmanager
def made_database(name: str, *, template: str | None = None) -> Iterator[str]:
    """Make a database, empty or a clone, give its URL, and drop it at the end."""
    server = urlsplit(os.environ["DATABASE_URL"])
    own = f"{name}_{os.getpid()}"
    identifier = sql.Identifier(own)
    made = sql.SQL("CREATE DATABASE {}").format(identifier)
    if template:
        made += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
    admin = urlunsplit(server._replace(path="/postgres"))
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(made)
        try:
            yield urlunsplit(server._replace(path=f"/{own}"))
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(identifier)
            )
