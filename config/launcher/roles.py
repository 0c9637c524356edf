"""The database role that the local run works under: it cannot change history either."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from config.launcher.errors import LaunchError
from config.launcher.folders import ROOT, ServerFolders
from config.launcher.postgres import DATABASE, OWNER
from config.launcher.secret_files import read_or_make_secret

APP_ROLE = "casefile_app"


def make_database(owner_url: str) -> None:
    """Make the database in a new cluster."""
    import psycopg  # the environment is complete by now

    with psycopg.connect(_point_at(owner_url, "postgres"), autocommit=True) as server:
        found = server.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
        ).fetchone()
        if not found:
            server.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")


def make_app_role(
    folders: ServerFolders, owner_url: str, environment: Mapping[str, str]
) -> str:
    """Make the role, or bring its rights up to date; return its database URL."""
    import psycopg
    from psycopg import sql

    password = read_or_make_secret(folders.data / "app-role-password")
    with psycopg.connect(owner_url, autocommit=True) as server:
        found = server.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s", [APP_ROLE]
        ).fetchone()
        verb = "ALTER" if found else "CREATE"
        server.execute(
            sql.SQL(f"{verb} ROLE {APP_ROLE} LOGIN PASSWORD {{}}").format(password)
        )
    command = [sys.executable, "manage.py", "grant_app_role", APP_ROLE]
    if subprocess.run(command, cwd=ROOT, env=dict(environment)).returncode:
        raise LaunchError(
            "`manage.py grant_app_role` failed (see above); the database must be the "
            "one that this version's migrations made."
        )
    host = urlsplit(owner_url).query
    return f"postgres://{APP_ROLE}:{password}@/{DATABASE}?{host}"


def _point_at(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
