"""The database role that the local run works under: it cannot change history either."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString
from urllib.parse import urlsplit, urlunsplit

from config.launcher.folders import ServerFolders
from config.launcher.postgres import DATABASE, OWNER
from config.launcher.secret_files import read_or_make_secret

if TYPE_CHECKING:
    import psycopg

APP_ROLE = "casefile_app"


def make_app_role(folders: ServerFolders, owner_url: str) -> str:
    """Make the database and the role where they are missing; return the role's URL.

    Its rights on the tables are given by grant_app_role, once there are tables.
    """
    import psycopg  # the environment is complete by now
    from psycopg import sql

    password = read_or_make_secret(folders.data / "app-role-password")
    with psycopg.connect(_point_at(owner_url, "postgres"), autocommit=True) as server:
        if not _has(server, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE):
            server.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        found = _has(server, "SELECT 1 FROM pg_roles WHERE rolname = %s", APP_ROLE)
        statement = (
            f"{'ALTER' if found else 'CREATE'} ROLE {APP_ROLE} LOGIN PASSWORD {{}}"
        )
        server.execute(sql.SQL(statement).format(password))
    host = urlsplit(owner_url).query
    return f"postgres://{APP_ROLE}:{password}@/{DATABASE}?{host}"


def _has(server: psycopg.Connection, query: LiteralString, name: str) -> bool:
    return server.execute(query, [name]).fetchone() is not None


def _point_at(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
