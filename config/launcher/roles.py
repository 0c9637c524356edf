"""The database role that the local run works under: it cannot change history either."""

from __future__ import annotations

from urllib.parse import urlsplit

from config.launcher.folders import ServerFolders
from config.launcher.postgres import DATABASE
from config.launcher.secret_files import read_or_make_secret

APP_ROLE = "casefile_app"


def make_app_role(folders: ServerFolders, owner_url: str) -> str:
    """Make the role where it is missing, and return its URL.

    Its rights on the tables are given by grant_app_role, once there are tables.
    """
    import psycopg  # the environment is complete by now
    from psycopg import sql

    password = read_or_make_secret(folders.data / "app-role-password")
    with psycopg.connect(owner_url, autocommit=True) as server:
        query = "SELECT 1 FROM pg_roles WHERE rolname = %s"
        found = server.execute(query, [APP_ROLE]).fetchone()
        statement = (
            f"{'ALTER' if found else 'CREATE'} ROLE {APP_ROLE} LOGIN PASSWORD {{}}"
        )
        server.execute(sql.SQL(statement).format(password))
    host = urlsplit(owner_url).query
    return f"postgres://{APP_ROLE}:{password}@/{DATABASE}?{host}"
